"""A rented EC2 machine, reached through SSH."""
