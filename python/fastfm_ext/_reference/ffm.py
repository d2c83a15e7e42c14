"""The field-aware factorization machine in NumPy, float64: what its kernel is checked against.

Juan, Zhuang, Chin, Lin, "Field-aware Factorization Machines for CTR Prediction" (2016), eq. 4, with linear terms:

    p(x) = w0 + sum_i w_i x_i + sum_{i<j} <v_i,F(j), v_j,F(i)> x_i x_j          F(i): the field of feature i

Shapes: ``w0`` scalar, ``w`` (n_features,), ``V`` (n_features, n_fields, k), ``fields`` and ``x`` (n_features,).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._reference.fm import Array


def pairs(x: Array) -> Iterator[tuple[int, int]]:
    """Give the pairs i < j of a row's nonzeros in the order in which a step visits them."""
    present = np.flatnonzero(x)
    for at, i in enumerate(present):
        for j in present[at + 1 :]:
            yield int(i), int(j)


def score(x: Array, w0: float, w: Array, V: Array, fields: NDArray[np.integer]) -> float:
    """Score one row by the definition."""
    of_pairs = sum(V[i, fields[j]] @ V[j, fields[i]] * x[i] * x[j] for i, j in pairs(x))
    return float(w0 + w @ x + of_pairs)
