"""What scripts/benchmarks is made of: timing, the sides, what is measured, and the report."""
