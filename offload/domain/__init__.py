"""What detection is, in plain Python and numpy: no clock, no files, no network."""
