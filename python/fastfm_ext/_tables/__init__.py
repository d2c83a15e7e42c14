"""Columns of any table library as codes, texts and numbers."""
