"""Rows to learn from and to predict: of a sparse matrix, or in blocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastfm_ext import _engine
from fastfm_ext._common.arrays import AnyArray, Float32
from fastfm_ext._engine.blocks import Block, Blocks
from fastfm_ext._engine.csr import Csr, take_rows
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._validation.matrices import check_no_overflow

Rows: TypeAlias = Csr | Blocks


class LearnedRows(NamedTuple):
    """Rows in the units of training, but for the targets.

    Attributes
    ----------
    X : Csr or Blocks
    blocks : Blocks
        The same rows, for the chain.
    y : ndarray of shape (n_rows,)
        Targets as the user gave them.
    sample_weight : ndarray of shape (n_rows,), or None
    n_fields : int
    """

    X: Rows
    blocks: Blocks
    y: AnyArray
    sample_weight: Float32 | None
    n_fields: int

    def fingerprint(self) -> int:
        """Return a number that tells these rows from others."""
        value = 0
        for array in (*_arrays_of(self.X), np.asarray(self.y), self.sample_weight):
            if array is not None:
                is_plain = array.dtype != object
                values = np.ascontiguousarray(array).view(np.uint8).data if is_plain else repr(array.tolist()).encode()
                value = zlib.crc32(values, value)
        return value


def _arrays_of(X: Rows) -> Iterator[AnyArray | None]:
    if isinstance(X, Csr):
        yield from (X.indptr, X.indices, X.data)
        return
    for block in X.blocks:
        yield from (block.features, block.ids, block.values, block.own)
        yield from _arrays_of(block.rows)


def taken(X: Rows, rows: NDArray[np.int64]) -> Rows:
    """Return the rows of these numbers."""
    return take_rows(X, rows) if isinstance(X, Csr) else X.take(rows)


def part_of(X: Rows, rows: slice) -> Rows:
    """Return rows that follow each other, over the same arrays."""
    if isinstance(X, Blocks):
        return X.take(rows)
    begin, end = X.indptr[rows.start], X.indptr[rows.stop]
    data = None if X.data is None else X.data[begin:end]
    indptr = (X.indptr[rows.start : rows.stop + 1] - begin).astype(X.indptr.dtype)
    return Csr(indptr, X.indices[begin:end], data, X.n_features)


def narrowed(X: Rows) -> tuple[Rows, NDArray[np.intp] | None]:
    """Return X over the features that it has alone, and these; with all features, and None, where they are most.

    Blocks keep all features, and lose the block rows that no row has.
    """
    if isinstance(X, Blocks):
        return replace(X, blocks=tuple(_used_block_rows(block) for block in X.blocks)), None
    used = _engine.features_in(X, np.zeros(0, dtype=np.intp))
    if 2 * len(used) > X.n_features or not len(used):
        return X, None
    indices = np.searchsorted(used, X.indices).astype(np.int32)
    return replace(X, indices=indices, n_features=len(used)), used


def _used_block_rows(block: Block) -> Block:
    """Return the block with the block rows that are in use, if half of them are not."""
    used, ids = np.unique(block.ids, return_inverse=True)
    if block.X is None or 2 * len(used) > block.n_block_rows:
        return block
    own = None if block.own is None else block.own[used]
    return replace(
        block, ids=ids.astype(np.int32), n_block_rows=len(used), X=take_rows(block.X, used.astype(np.int64)), own=own
    )


def scores_of(X: Rows, params: Parameters, n_threads: int = 1) -> Float32:
    """Return the score of each row, (n_rows,)."""
    if isinstance(X, Csr):
        return _engine.predict(X, params, n_threads)
    scores: Float32 = np.float32(params.w0) + pooled_blocks(X, params, n_threads)[0]
    return scores


@np.errstate(over="ignore", invalid="ignore")  # what overflows is refused
def pooled_blocks(X: Blocks, params: Parameters, n_threads: int = 1) -> tuple[Float32, Float32]:
    """Return the score of each row less w0, (n_rows,), and its sums S_f, (n_rows, n_factors).

    Each block row is pooled once. With its own score o_b and sums S_b = sum_i v_i x_i, a row has

        w0 + sum_b o_b + 1/2 [ |sum_b S_b|^2 - sum_b |S_b|^2 ]        (Rendle 2013, "Scaling Factorization Machines").
    """
    own, squares = np.zeros(X.n_rows, dtype=np.float32), np.zeros(X.n_rows, dtype=np.float32)
    sums = np.zeros((X.n_rows, params.n_factors), dtype=np.float32)
    for block in X.blocks:
        own_of_rows, sums_of_rows = _pooled_block_rows(block, params, n_threads)
        of_row, S = own_of_rows[block.ids], sums_of_rows[block.ids]
        if block.values is not None:  # a block row is one feature, which has no pairs
            of_row, S = of_row * block.values, S * block.values[:, None]
        own += of_row
        sums += S
        squares += np.einsum("rf,rf->r", S, S)
    own += np.float32(0.5) * (np.einsum("rf,rf->r", sums, sums) - squares)
    return own, sums


def _pooled_block_rows(block: Block, params: Parameters, n_threads: int) -> tuple[Float32, Float32]:
    """Return the own score and the sums of each block row: of a centered one, without pair terms."""
    features = block.features.astype(np.intp)
    if block.own is None:
        return _engine.pool(block.rows, Parameters(params.part(features), params.n_factors), n_threads)
    X = as_scipy(block.rows)
    return params.w[block.own] + X @ params.w[features], params.V[block.own] + X @ params.V[features]


def check_scores(scores: Float32, X: Rows, what: str = "score") -> None:
    """Raise ValueError unless all scores of these rows, (n_rows,) or (n_rows, n), are finite."""
    if isinstance(X, Csr):
        check_no_overflow(scores, X, what)
    elif not np.isfinite(scores).all():
        row = int(np.argwhere(~np.isfinite(scores))[0, 0])
        raise ValueError(f"the {what} of row {row} of X is beyond float32. Bring its features to the size of training.")


def columns_of(params: Parameters, columns: NDArray[np.intp] | None) -> Parameters:
    """Return parameters of some features, or themselves where None is named."""
    return params if columns is None else Parameters(params.part(columns), params.n_factors)
