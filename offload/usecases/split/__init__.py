"""One job at two places at once."""
