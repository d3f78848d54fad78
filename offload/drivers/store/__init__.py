"""The history of measurements, in SQLite."""
