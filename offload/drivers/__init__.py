"""One thin wrapper per outside thing. No decisions."""
