"""Folders and files that we write."""
