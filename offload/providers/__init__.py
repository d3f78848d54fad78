"""How an HTTP server comes to exist."""
