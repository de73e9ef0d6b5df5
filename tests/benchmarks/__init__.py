"""Measurements, written to results/benchmarks/; `make bench` runs them. They assert nothing."""
