"""Objects in stores by their keys, and files in folders the same way, through obstore."""
