"""Serving on Spark: the best items of all users, and vectors of users and items."""
