"""Training on Spark: see `__main__`."""
