"""Helpers that have never heard of a factorization machine."""
