"""Batches: shards, whoever hands them out."""
