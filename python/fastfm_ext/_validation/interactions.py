"""Interactions of users with items as a sparse matrix of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.checks import errors_that_name
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.csr import Csr
from fastfm_ext._validation.matrices import canonical_csr, check_not_misread, checked_csr


def to_interactions(
    interactions: Any, n_users: int, n_items: int, name: str = "interactions", *, may_be_empty: bool = False
) -> Csr:
    """Return weights of what users chose, (n_users, n_items), as the kernels read them; explicit zeros are dropped.

    Raises
    ------
    ValueError
        For another shape, negative, NaN or infinite values, and, unless it may be so, for no interaction at all.
    """
    if sp.issparse(interactions):
        matrix = checked_csr(interactions, name)
    else:
        from sklearn.utils import check_array

        check_not_misread(interactions, name)
        with errors_that_name(name):
            matrix = sp.csr_array(check_array(interactions, dtype=np.float64, input_name=name))
    if matrix.shape != (n_users, n_items):
        raise ValueError(
            f"{name} must have a row for each row of X_user and a column for each row of X_item, ({n_users}, "
            f"{n_items}); got shape {matrix.shape}."
        )
    if matrix.dtype.kind not in "biuf":
        raise ValueError(f"{name} must hold numbers, the weights of interactions; got dtype {matrix.dtype}.")
    with np.errstate(over="ignore"):
        matrix = matrix.astype(np.float32)
    if matrix.nnz and not np.isfinite([matrix.data.min(), matrix.data.max()]).all():
        raise ValueError(f"{name} has a value that is NaN or infinite in float32; leave it out, or use a weight.")
    if matrix.nnz and matrix.data.min() < 0:
        u, t = (int(a[matrix.data.argmin()]) for a in matrix.tocoo().coords)
        raise ValueError(
            f"{name} must not be negative: values are weights of what was chosen; user {u} has {matrix.data.min()} for "
            f"item {t}. Leave out what was not liked."
        )
    csr = canonical_csr(matrix)
    if csr.nnz == 0 and not may_be_empty:
        raise ValueError(f"{name} has no value above 0; there is nothing to learn from.")
    return csr
