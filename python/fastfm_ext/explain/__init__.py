"""Explanations of fitted models: what features, columns and pairs of them add to scores."""

from fastfm_ext.explain.column_importance import importance
from fastfm_ext.explain.column_interactions import FieldInteractions, field_interactions
from fastfm_ext.explain.model_interactions import Interaction, top_interactions
from fastfm_ext.explain.rankings import PairContribution, ranking_contributions
from fastfm_ext.explain.result import Contribution, Contributions
from fastfm_ext.explain.row_interactions import interactions
from fastfm_ext.explain.shapley import contributions
from fastfm_ext.explain.strengths import FieldStrengths, field_strengths

__all__ = [
    "Contribution",
    "Contributions",
    "FieldInteractions",
    "FieldStrengths",
    "Interaction",
    "PairContribution",
    "contributions",
    "field_interactions",
    "field_strengths",
    "importance",
    "interactions",
    "ranking_contributions",
    "top_interactions",
]
