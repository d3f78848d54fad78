"""What benchmarks/split.py is made of."""
