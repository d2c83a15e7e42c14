"""Recommendations from a table of events: one object that encodes, trains, searches and answers with tables."""

from fastfm_ext.recommender.interactions import Interactions, interactions_from_table
from fastfm_ext.recommender.recommender import FMRecommender

__all__ = [
    "FMRecommender",
    "Interactions",
    "interactions_from_table",
]
