"""Data sets: download, read, describe."""

from fastfm_ext.datasets.movielens import fetch_movielens, load_movielens_csv

__all__ = [
    "fetch_movielens",
    "load_movielens_csv",
]
