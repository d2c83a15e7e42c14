"""Inverted-file search of item vectors."""
