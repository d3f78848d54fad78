"""Batches on standard output and error."""
