"""Kinds of columns: their features and how values become features."""
