"""What pairs of fields have in the models where features have a single vector: the table R, and how it acts."""

from __future__ import annotations

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32
from fastfm_ext._engine.models.spec import TableSpec


def _by_field(n_factors: int, n_fields: int) -> int:
    return -(-n_fields // 8) * 8  # whole registers of the kernels


def _all_ones(n_factors: int, n_fields: int) -> Float32:
    strengths = np.zeros((n_fields, _by_field(n_factors, n_fields)), dtype=np.float32)
    strengths[:, :n_fields] = 1.0
    return strengths


def _number(k: int) -> tuple[int, ...]:
    return ()


# One number a pair.
STRENGTHS = TableSpec(
    "R", per_feature=False, width=_by_field, target_power=0.0, feature_power=0, start=_all_ones, of_pair=_number
)


def through_R(sums: AnyArray, R: AnyArray | None) -> AnyArray:
    """Return sum_F S_F R_FG for each field G: R_FG a number, a vector by factor, or a matrix; see `ModelSpec.pull`."""
    assert R is not None
    how = {2: "rfk,fg->rgk", 3: "rfk,fgk->rgk", 4: "rfe,fgek->rgk"}[R.ndim]
    pulled: AnyArray = np.einsum(how, sums, R, optimize=True)
    return pulled
