"""MovieLens ratings: downloaded, or from the user's own files in the same form."""

from fastfm_ext.datasets.movielens import fetch_movielens, load_movielens_csv

__all__ = [
    "fetch_movielens",
    "load_movielens_csv",
]
