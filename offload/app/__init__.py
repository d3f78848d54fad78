"""Use cases, handed everything they touch."""
