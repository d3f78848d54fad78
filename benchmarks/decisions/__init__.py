"""What benchmarks/decision.py is made of."""
