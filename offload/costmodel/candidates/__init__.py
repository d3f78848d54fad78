"""Every way to do a job, with its terms."""
