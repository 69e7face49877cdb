"""What scripts/benchmark.py is made of: timing, the sides, what is measured, and the report."""
