"""Real clock, real places, real files: the only package that knows both use cases and places."""
