"""Object stores, by servers of our own."""
