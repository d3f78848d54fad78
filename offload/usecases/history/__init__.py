"""What was measured before: looked up, exported, imported."""
