"""The field-matrixed factorization machine of Sun et al. (2021): a matrix between the factors of each pair of fields.

p = w0 + sum_i w_i x_i + sum_{i<j} v_i M_F(i)F(j) v_j^T x_i x_j          M_GF = M_FG^T

It starts from M = I, with which it is the factorization machine. R holds M.
"""

from dataclasses import replace

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.models.spec import W0, ModelSpec, V, W, padded
from fastfm_ext._engine.models.strengths import STRENGTHS, through_R


def _matrices(n_factors: int, n_fields: int) -> int:
    return n_fields * padded(n_factors) ** 2


def _identities(n_factors: int, n_fields: int) -> Float32:
    identity = np.zeros((padded(n_factors), padded(n_factors)), dtype=np.float32)
    np.fill_diagonal(identity[:n_factors, :n_factors], 1.0)
    return np.tile(identity.ravel(), (n_fields, n_fields))


def _matrix(k: int) -> tuple[int, ...]:
    return (k, k)


_R = replace(STRENGTHS, width=_matrices, start=_identities, of_pair=_matrix)
FMFM = ModelSpec("fmfm", (W0, W, V, _R), through_R)
