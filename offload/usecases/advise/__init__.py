"""Where a job should run, and what it will take."""
