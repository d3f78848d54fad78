"""What the runs of a study say. Pure: no clock, no files, no randomness that is not seeded."""
