"""This computer: what it is, its network, its processes."""
