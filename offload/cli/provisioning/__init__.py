"""Commands about rented machines."""
