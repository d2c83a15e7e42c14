"""Plots of training, explanations, vectors and uncertainty, in the manner of scikit-learn's displays."""

from fastfm_ext.plotting.explanations import FieldInteractionDisplay, ImportanceDisplay, WaterfallDisplay
from fastfm_ext.plotting.heat_map import FieldStrengthDisplay
from fastfm_ext.plotting.learning_curve import plot_learning_curve
from fastfm_ext.plotting.training import LearningCurveDisplay, QualityTimeDisplay
from fastfm_ext.plotting.uncertainty import UncertaintyDisplay
from fastfm_ext.plotting.vectors import VectorMapDisplay

__all__ = [
    "FieldInteractionDisplay",
    "FieldStrengthDisplay",
    "ImportanceDisplay",
    "LearningCurveDisplay",
    "QualityTimeDisplay",
    "UncertaintyDisplay",
    "VectorMapDisplay",
    "WaterfallDisplay",
    "plot_learning_curve",
]
