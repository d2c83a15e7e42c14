"""Inverted-file (IVF) search of item vectors."""
