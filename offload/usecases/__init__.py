"""What people ask for: each handed everything that it touches."""
