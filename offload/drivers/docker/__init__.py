"""The Docker engine, and the image of our own server."""
