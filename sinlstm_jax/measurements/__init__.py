"""Measured samples in a text file: layout, columns, times, and samples at one rate."""
