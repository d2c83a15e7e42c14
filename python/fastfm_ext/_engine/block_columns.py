"""Columns of rows in blocks, put in other blocks than they are in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float32, Int32
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.blocks import Block, Blocks
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.scipy_matrices import as_scipy


def as_csr(X: sp.csr_array) -> Csr:
    """Return a matrix of scipy's as the kernels read it."""
    X.sort_indices()
    return Csr(X.indptr.astype(np.int32), X.indices.astype(np.int32), X.data.astype(np.float32), X.shape[1])


def in_one_block(X: Csr) -> Blocks:
    """Return the rows of a matrix as one block, each row a block row."""
    features, ids = np.arange(X.n_features, dtype=np.int32), np.arange(X.n_rows, dtype=np.int32)
    block = Block(features, ids, X.n_rows, None, X)
    return Blocks(X.n_rows, X.n_features, (block,), np.zeros(X.n_features, dtype=np.int32))


def gathered(blocks: Blocks, features: Int32) -> tuple[Int32, sp.csr_array]:
    """Return what rows have of some features: a number for each row, (n_rows,), and the block row of each number.

    Where one block has all of these features its block rows stay; else they are the combinations that occur.

    Returns
    -------
    ids : int32 ndarray of shape (n_rows,)
    X : csr_array of shape (n_block_rows, len(features)), float32
        By places in `features`.
    """
    place = np.full(blocks.n_features, -1)
    place[features] = np.arange(len(features))
    parts = []
    for block in blocks.blocks:
        columns = np.flatnonzero(place[block.features] >= 0)
        if len(columns):
            X = as_scipy(block.rows)[:, columns]
            to = place[block.features[columns]]
            moved = sp.csr_array((X.data, to[X.indices], X.indptr), shape=(X.shape[0], len(features)))
            parts.append((block, moved))
    if not parts:
        return np.zeros(blocks.n_rows, dtype=np.int32), sp.csr_array((1, len(features)), dtype=np.float32)
    if len(parts) == 1 and parts[0][0].values is None:
        return parts[0][0].ids, parts[0][1]
    first, ids = np.zeros(1, dtype=np.intp), np.zeros(blocks.n_rows, dtype=np.int64)
    for block, _ in parts:
        for code in (block.ids, _codes_of(block.values)):
            _, first, ids = np.unique(
                ids * (int(code.max(initial=0)) + 1) + code, return_index=True, return_inverse=True
            )
    total = sp.csr_array((len(first), len(features)), dtype=np.float32)
    for block, X in parts:
        rows = X[block.ids[first]]
        if block.values is not None:
            rows = sp.diags_array(block.values[first]) @ rows
        total = total + rows
    return ids.astype(np.int32), sp.csr_array(total)


def _codes_of(values: Float32 | None) -> AnyArray:
    return np.zeros(1, dtype=np.int64) if values is None else np.unique(values, return_inverse=True)[1]


def without(blocks: Blocks, features: NDArray[np.integer]) -> list[Block]:
    """Return the blocks of all other features."""
    is_taken = np.zeros(blocks.n_features, dtype=bool)
    is_taken[features] = True
    result = []
    for block in blocks.blocks:
        columns = np.flatnonzero(~is_taken[block.features])
        if len(columns) == block.n_features:
            result.append(block)
        elif len(columns):
            rows = as_csr(as_scipy(block.rows)[:, columns])
            result.append(replace(block, features=block.features[columns], X=rows))
    return result
