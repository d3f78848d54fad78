"""A job at two places at once."""
