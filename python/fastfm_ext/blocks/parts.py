"""Parts of a matrix in blocks as users pass them: row numbers with the matrix that they point into, or a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_array

from fastfm_ext._common.arrays import MAX_INT32, Int32
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._engine.blocks import Block, Blocks, fields_found, split
from fastfm_ext._engine.csr import Csr
from fastfm_ext._validation.matrices import canonical_csr, check_not_misread, checked_csr


def blocks_of_parts(parts: Any, fields: ArrayLike | None) -> Blocks:
    """Return the blocks of the parts, whose columns lie side by side.

    Raises
    ------
    TypeError
        If the parts are no list of pairs and matrices.
    ValueError
        For a matrix that no estimator would take, ids that are no row numbers of it, numbers of rows that differ,
        more than 2^31 - 1 columns, or fields that do not fit these.
    """
    if not isinstance(parts, list | tuple) or not parts:
        got = "an empty one" if isinstance(parts, list | tuple) else kind_of(parts)
        raise TypeError(f"blocks must be a list of pairs (ids, X_block) and of matrices, got {got}")
    given = [_checked_part(part, f"block {number}") for number, part in enumerate(parts)]
    numbers_of_rows = [X.n_rows if ids is None else len(ids) for ids, X in given]
    if len(set(numbers_of_rows)) > 1:
        raise ValueError(f"blocks must have the same number of rows, which is that of their ids; got {numbers_of_rows}")
    starts = np.cumsum([0, *(X.n_features for _, X in given)], dtype=np.int64)
    if starts[-1] > MAX_INT32:
        raise ValueError(f"blocks have {starts[-1]} columns together; feature numbers are 32-bit: at most {MAX_INT32}")
    groups = _found(given) if fields is None else checked_fields(fields, int(starts[-1]))
    blocks: list[Block] = []
    for (ids, X), start in zip(given, starts, strict=False):
        features = np.arange(start, start + X.n_features, dtype=np.int32)
        blocks += _blocks_of_part(ids, X, features, groups[features])
    return Blocks(numbers_of_rows[0], int(starts[-1]), tuple(blocks), groups)


def checked_fields(fields: ArrayLike, n_features: int) -> Int32:
    """Return the field of each feature, (n_features,), or raise ValueError."""
    array = np.asarray(fields)
    if array.shape != (n_features,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"fields must hold an integer for each of the {n_features} columns, got {array.dtype} of shape "
            f"{array.shape}"
        )
    if array.min() < 0 or array.max() >= n_features:
        raise ValueError(f"fields must be numbered from 0 on, got {array.min()} to {array.max()}")
    return array.astype(np.int32)


def _checked_part(part: Any, name: str) -> tuple[Int32 | None, Csr]:
    if not isinstance(part, tuple):
        return None, _checked_matrix(part, name)
    if len(part) != 2:
        raise TypeError(f"{name} must be a pair (ids, X_block) or a matrix, got a tuple of {len(part)}")
    ids, X = part
    rows = _checked_matrix(X, f"X_block of {name}")
    return _checked_ids(ids, rows.n_rows, f"ids of {name}"), rows


def _checked_matrix(X: Any, name: str) -> Csr:
    if sp.issparse(X):
        X = checked_csr(X, name)
    else:
        check_not_misread(X, name)
    with errors_that_name(name), np.errstate(over="ignore", invalid="ignore"):
        return canonical_csr(sp.csr_array(check_array(X, accept_sparse="csr", dtype=np.float32, input_name=name)))


def _checked_ids(ids: Any, n_block_rows: int, name: str) -> Int32:
    array = np.asarray(ids)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"{name} must be row numbers of its matrix, integers of shape (n_rows,); got {array.dtype} of shape "
            f"{array.shape}"
        )
    if not len(array):
        raise ValueError(f"{name} has 0 sample(s); at least one row is needed.")
    wrong = np.flatnonzero((array < 0) | (array >= n_block_rows))
    if len(wrong):
        raise ValueError(
            f"{name} must be from 0 to {n_block_rows - 1}, the rows of its matrix; row {wrong[0]} has {array[wrong[0]]}"
        )
    return array.astype(np.int32)


def _found(given: Sequence[tuple[Int32 | None, Csr]]) -> Int32:
    """Return the fields that are found in each part."""
    fields: list[Int32] = []
    first = 0
    for _, X in given:
        own = fields_found(X) + np.int32(first)
        fields.append(own)
        first = int(own[-1]) + 1
    return np.concatenate(fields)


def _blocks_of_part(ids: Int32 | None, X: Csr, features: Int32, fields: Int32) -> list[Block]:
    if ids is not None:
        return [Block.of_rows(features, ids, X)]
    own = np.unique(fields, return_inverse=True)[1].astype(np.int32)
    return [replace(block, features=features[block.features]) for block in split(X, own).blocks]
