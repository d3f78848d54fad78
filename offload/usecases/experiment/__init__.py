"""A grid of jobs, run in random order."""
