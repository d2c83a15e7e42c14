"""The field-matrixed factorization machine of Sun et al. (2021) with vectors in place of matrices, FvFM.

p = w0 + sum_i w_i x_i + sum_{i<j} <v_i * m_F(i)F(j), v_j> x_i x_j          m_GF = m_FG

It starts from m = 1, with which it is the factorization machine. R holds m.
"""

from dataclasses import replace

import numpy as np

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.models.spec import W0, ModelSpec, V, W, padded
from fastfm_ext._engine.models.strengths import STRENGTHS, through_R


def _vectors(n_factors: int, n_fields: int) -> int:
    return n_fields * padded(n_factors)


def _ones(n_factors: int, n_fields: int) -> Float32:
    one = np.zeros(padded(n_factors), dtype=np.float32)
    one[:n_factors] = 1.0
    return np.tile(one, (n_fields, n_fields))


def _vector(k: int) -> tuple[int, ...]:
    return (k,)


_R = replace(STRENGTHS, width=_vectors, start=_ones, of_pair=_vector)
FVFM = ModelSpec("fvfm", (W0, W, V, _R), through_R)
