"""Interactions of pairs of features by the kernels: what each adds to the score of a row of two ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scores import predict

ROWS_AT_ONCE = 1 << 18


def interactions(
    params: Parameters, features: NDArray[np.integer], others: NDArray[np.integer], n_threads: int = 1
) -> Float32:
    """Return what each of the features adds with each of the others, (n_features, n_others); 0 with itself.

    Any model's pairs are those of rows of two ones, without linear terms.
    """
    nothing = {name: np.zeros_like(params.tables[name]) for name in ("w0", "w")}
    pairs_alone = replace(params, tables=params.tables | nothing)
    result = np.zeros((len(features), len(others)), dtype=np.float32)
    for column, other in enumerate(others):
        for first in range(0, len(features), ROWS_AT_ONCE):
            some = features[first : first + ROWS_AT_ONCE]
            rows = np.column_stack([np.minimum(some, other), np.maximum(some, other)]).astype(np.int32)
            apart = some != other
            X = Csr(np.arange(apart.sum() + 1) * 2, rows[apart].reshape(-1), None, params.n_features)
            result[first : first + len(some), column][apart] = predict(X, pairs_alone, n_threads)
    return result
