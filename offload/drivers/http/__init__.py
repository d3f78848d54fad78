"""HTTP, through httpx."""
