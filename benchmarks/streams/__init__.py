"""Training on data larger than memory: see `__main__`."""
