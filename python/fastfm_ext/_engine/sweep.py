"""Sweeps over the parameters of blocks, one Python call for each kernel: Gibbs sampling, alternating least squares.

The structures are those of ``types/sweep.hpp``. All tables have ``k`` columns of factors: the user's number with
padding, which stays zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64, Int32, Int64
from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.blocks import Block
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import aligned_empty
from fastfm_ext._native import core

LANES = 16
# The sums of all block rows of a relation may take so many bytes; beyond, they are made anew for every entry.
MOST_BYTES_OF_SUMS = 1 << 30


def padded_factors(n_factors: int) -> int:
    """Return the width of the tables: a multiple of 16."""
    return -(-n_factors // LANES) * LANES


def zeros(n_rows: int, n_columns: int) -> Float32:
    """Return a float32 table of zeros that starts on a cache line."""
    table = aligned_empty((n_rows, n_columns))
    table[...] = 0.0
    return table


def order_of(ids: Int32, n_block_rows: int) -> Int32:
    """Return the numbers of the rows sorted by their block rows, `ids` (n_rows,), and by number: O(n_rows)."""
    n_rows = len(ids)
    entries = np.zeros(n_rows, dtype=np.int8), ids, np.arange(n_rows + 1, dtype=np.int32)
    order: Int32 = sp.csr_array(entries, shape=(n_rows, n_block_rows)).tocsc().indices
    return order


class BlockTable(NamedTuple):
    """What the features of each block row add up to.

    Attributes
    ----------
    S : float32 ndarray of shape (n_block_rows, k)
    terms : float32 ndarray of shape (n_block_rows, 2)
        The linear and pair terms; and half of the squared length of `S`.
    """

    S: Float32
    terms: Float32

    @classmethod
    def empty(cls, n_block_rows: int, k: int) -> Self:
        """Return a table of zeros."""
        return cls(zeros(n_block_rows, k), zeros(n_block_rows, 2))


class Coefficients(NamedTuple):
    """Factors and weights of some features or block rows: (n, k) and (n,)."""

    V: Float32
    w: Float32

    @classmethod
    def empty(cls, n: int, k: int) -> Self:
        """Return zeros."""
        return cls(zeros(n, k), np.zeros(n, dtype=np.float32))


@dataclass
class BlockedRows:
    """Rows as block rows of each block, with their targets.

    Attributes
    ----------
    ids : int32 ndarray of shape (n_rows, n_blocks)
    values : list of float32 ndarray of shape (n_rows,), or None
        By block: what a row multiplies the block row by; None for ones.
    tables : list of BlockTable
        By block.
    y : float32 ndarray of shape (n_rows,)
    root_weight : float32 ndarray of shape (n_rows,), or None
        Roots of the weights; None for ones.
    k : int
    w0 : float
    """

    ids: Int32
    values: list[Float32 | None]
    tables: list[BlockTable]
    y: Float32
    root_weight: Float32 | None
    k: int
    w0: float = 0.0


class RowsByBlock(NamedTuple):
    """The rows of each block row of a block: ``order[starts[b]:starts[b + 1]]``; no order for rows as they lie."""

    block: int
    starts: Int64
    order: Int32 | None

    @classmethod
    def of(cls, block: int, ids: Int32, n_block_rows: int) -> Self:
        """Sort the rows by their block rows, `ids` (n_rows,)."""
        starts = np.zeros(n_block_rows + 1, dtype=np.int64)
        np.cumsum(np.bincount(ids, minlength=n_block_rows), out=starts[1:])
        if (ids[1:] >= ids[:-1]).all():
            return cls(block, starts, None)
        return cls(block, starts, order_of(ids, n_block_rows))


class Relation(NamedTuple):
    """The features of a block's rows, by rows and by columns, and the group of each feature."""

    X: Csr
    starts: Int64
    block_rows: Int32
    data: Float32 | None
    group_of: Int32

    @classmethod
    def of(cls, block: Block, group_of: Int32) -> Self:
        """Turn the block rows of a block by columns."""
        X = block.rows
        order = np.argsort(X.indices, kind="stable")
        starts = np.zeros(X.n_features + 1, dtype=np.int64)
        np.cumsum(np.bincount(X.indices, minlength=X.n_features), out=starts[1:])
        rows = np.repeat(np.arange(X.n_rows, dtype=np.int32), np.diff(X.indptr))
        return cls(X, starts, rows[order], None if X.data is None else X.data[order], group_of)


class NormalPrior(NamedTuple):
    """Prior of parameters (w_i, v_i): precision (k, k) and means (n, k) of v; of w a precision and means (n,).

    One mean stands for all.
    """

    precision: Float32
    mean_V: Float32
    mean_w: Float32
    precision_w: float


class DrawOptions(NamedTuple):
    """How parameters are drawn, as ``types/sweep.hpp`` has it."""

    alpha: float
    n_factors: int
    fit_linear: bool
    with_noise: bool
    by_coordinate: bool
    seed: int


def draw_blocks(
    rows: BlockedRows,
    by_block: RowsByBlock,
    n_drawn: int,
    prior: NormalPrior,
    options: DrawOptions,
    out: BlockTable,
    errors: Float64 | None,
    n_threads: int,
) -> None:
    """Draw the parameters of the block rows b < ``n_drawn`` into a table, given all other blocks.

    ``errors``, (n_block_rows, 2), is filled with the weighted sums of y - p and of its square.
    """
    core.draw_blocks(rows, by_block, n_drawn, prior, options, out, errors, n_threads)


def draw_features(
    rows: BlockedRows,
    by_block: RowsByBlock,
    relation: Relation,
    priors: list[NormalPrior],
    options: DrawOptions,
    parameters: Coefficients,
    out: Coefficients,
    n_threads: int,
) -> None:
    """Draw the parameters of a relation's features into ``out``, given all other blocks.

    Where ``out`` is ``parameters``, each follows from those drawn before it; else all follow from ``parameters``.
    """
    size = core.sums_size(rows.k)
    n_block_rows = relation.X.n_rows
    sums = zeros(n_block_rows, size) if n_block_rows * size * 4 <= MOST_BYTES_OF_SUMS else None
    core.draw_features(rows, by_block, relation, priors, options, parameters, out, sums, n_threads)


def draw_means(
    relation: Relation,
    prior: NormalPrior,
    relative_precision: Coefficients,
    options: DrawOptions,
    parameters: Coefficients,
    residuals: Coefficients,
) -> None:
    """Draw the parameters of features that the prior means of block rows are sums of.

    ``residuals``, block rows less their means, are kept up to date.
    """
    core.draw_means(relation, prior, relative_precision, options, parameters, residuals)


def residuals(rows: BlockedRows, n_threads: int) -> Float32:
    """Return what is left of the targets, y - p, (n_rows,)."""
    left = np.empty(len(rows.ids), dtype=np.float32)
    if len(left):
        core.residuals(rows, n_threads, left)
    return left
