"""Plots of a training run."""

from fastfm_ext.plotting.learning_curve import plot_learning_curve

__all__ = [
    "plot_learning_curve",
]
