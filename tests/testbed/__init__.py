"""The test bed: a Docker engine, and an EC2 whose instances are hosts on this machine."""
