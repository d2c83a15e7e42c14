"""Explanations of fitted models: which pairs of features interact."""

from fastfm_ext.explain.interactions import Interaction, top_interactions

__all__ = ["Interaction", "top_interactions"]
