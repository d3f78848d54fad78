"""Machines on EC2: planned, launched, deployed to, listed, removed."""
