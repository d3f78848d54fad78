"""What a job will cost, in seconds and dollars. Plain Python and numpy."""
