"""The wire: both of its ends side by side."""
