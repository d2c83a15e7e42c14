"""Kernels' view of the data: CSR, parameters, options, and one Python call for each kernel."""

from fastfm_ext._engine.csr import Csr, features_in
from fastfm_ext._engine.gradient import HotFeatures, NonFiniteScoreError, hot_features, train_epoch
from fastfm_ext._engine.isa import compiler, isa_in_use, supported_isas, use_isa
from fastfm_ext._engine.multinomial import train_multinomial_epoch
from fastfm_ext._engine.options import LOSSES, SOLVERS, STATE_SLOTS, Options, StepSizes
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scores import pool, pool_apart, predict

__all__ = [
    "LOSSES",
    "SOLVERS",
    "STATE_SLOTS",
    "Csr",
    "HotFeatures",
    "NonFiniteScoreError",
    "Options",
    "Parameters",
    "StepSizes",
    "compiler",
    "features_in",
    "hot_features",
    "isa_in_use",
    "pool",
    "pool_apart",
    "predict",
    "supported_isas",
    "train_epoch",
    "train_multinomial_epoch",
    "use_isa",
]
