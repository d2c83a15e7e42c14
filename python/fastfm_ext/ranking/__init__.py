"""Learning to rank from interactions."""

from fastfm_ext.ranking.ranker import FMRanker

__all__ = [
    "FMRanker",
]
