"""What a fleet is made of at AWS: queues, a bucket, a group of machines, and each of those."""
