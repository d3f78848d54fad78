"""AWS Batch: what it takes to run the shards of a batch, and its jobs."""
