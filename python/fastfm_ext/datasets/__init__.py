"""Data sets to learn with: ratings and tables, downloaded, or from the user's own files in the same form."""

from fastfm_ext.datasets.goodbooks import fetch_goodbooks
from fastfm_ext.datasets.movielens import fetch_movielens, load_movielens_csv
from fastfm_ext.datasets.uci import fetch_adult, fetch_bank_marketing, fetch_bike_sharing

__all__ = [
    "fetch_adult",
    "fetch_bank_marketing",
    "fetch_bike_sharing",
    "fetch_goodbooks",
    "fetch_movielens",
    "load_movielens_csv",
]
