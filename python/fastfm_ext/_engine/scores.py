"""Scores of rows before the link, and their terms apart, by the kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._native import core


def predict(X: Csr, params: Parameters, n_threads: int = 1) -> Float32:
    """Return the score of every row before the link: (n_rows,)."""
    raw_prediction = np.empty(X.n_rows, dtype=np.float32)
    if X.n_rows:
        core.predict(X, params, n_threads, raw_prediction)
    return raw_prediction


def pool(X: Csr, params: Parameters, n_threads: int = 1) -> tuple[Float32, Float32]:
    """Return each row's own terms without w0, (n_rows,), and its sums S_f = sum_i v_if x_i, (n_rows, n_factors)."""
    own = np.empty(X.n_rows, dtype=np.float32)
    sum_vx = np.empty((X.n_rows, params.k), dtype=np.float32)
    if X.n_rows:
        core.pool(X, params, n_threads, own, sum_vx)
    return own, sum_vx[:, : params.n_factors]


def pool_apart(X: Csr, params: Parameters, n_threads: int = 1) -> tuple[Float32, Float32]:
    """Return each row's linear terms alone, (n_rows,), and its sums S_f, (n_rows, n_factors)."""
    V = params.tables["V"]
    no_factors = np.empty((len(V), V.shape[1], 0), dtype=np.float32)
    linear = replace(params, tables=params.tables | {"V": no_factors}, n_factors=0)
    return pool(X, linear, n_threads)[0], pool(X, params, n_threads)[1]
