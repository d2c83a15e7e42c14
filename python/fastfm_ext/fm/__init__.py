"""Factorization machines for regression and classification."""

from fastfm_ext.fm.classifier import FMClassifier, FMRegressor

__all__ = [
    "FMClassifier",
    "FMRegressor",
]
