"""What is said of fleets."""
