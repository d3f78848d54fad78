"""Detect objects in images at one place."""
