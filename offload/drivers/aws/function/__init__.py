"""A function of AWS Lambda: its parts, how it is called, and its drop box."""
