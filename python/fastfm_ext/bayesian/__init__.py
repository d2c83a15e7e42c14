"""Bayesian factorization machines, sampled by Gibbs sweeps: regression, classification, ordered classes."""

from fastfm_ext.bayesian.classifier import BayesianFMClassifier
from fastfm_ext.bayesian.ordinal import BayesianFMOrdinalClassifier
from fastfm_ext.bayesian.progress import SweepProgress
from fastfm_ext.bayesian.regressor import BayesianFMRegressor

__all__ = ["BayesianFMClassifier", "BayesianFMOrdinalClassifier", "BayesianFMRegressor", "SweepProgress"]
