"""Explanations of fitted models: what features and pairs of features add to scores."""

from fastfm_ext.explain.contributions import contributions
from fastfm_ext.explain.interactions import Interaction, top_interactions
from fastfm_ext.explain.result import Contribution, Contributions

__all__ = ["Contribution", "Contributions", "Interaction", "contributions", "top_interactions"]
