"""Factorization machines for regression and classification."""

from fastfm_ext._estimators.listeners import FitProgress
from fastfm_ext.fm.classifier import FMClassifier
from fastfm_ext.fm.regressor import FMRegressor

__all__ = [
    "FMClassifier",
    "FMRegressor",
    "FitProgress",
]
