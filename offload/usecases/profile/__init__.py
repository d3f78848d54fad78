"""Measure a place: cold starts, link, inference."""
