"""Factorization machine in blocks: parameters of block rows and features, drawn a block at a time.

    p_r = w0 + sum_B own_B + sum_{B<B'} <S_B, S_B'>

A block whose rows have one feature each draws the parameters of its rows, which are those of the features. A relation,
whose rows have several, comes in two forms:

- the factorization machine as it is written: the features have parameters, and interactions inside the block belong to
  the model;
- centered, where the block says which features its rows have for themselves: each block row has parameters of its own,
  (L_b, Q_b), around a mean that its other features add up to, as in Bayesian matrix factorization with side information
  (Adams, Dahl, Murray 2010; Simm et al. 2017, "Macau"). No features of one block interact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64, Int32
from fastfm_ext._engine import sweep
from fastfm_ext._engine.blocks import Block, Blocks
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.sweep import (
    BlockedRows,
    BlockTable,
    Coefficients,
    DrawOptions,
    NormalPrior,
    Relation,
    RowsByBlock,
)
from fastfm_ext._learning.joined_blocks import JoinedBlocks, with_joined

# Each block has a copy of the rows in its own order, which are read one after the other, if all take no more than this.
MOST_BYTES_OF_COPIES = 1 << 28
# Errors that come with a draw are differences of float32 sums: below this part of the targets they are made anew.
SMALL_ERRORS = 1e-3


@dataclass
class ModelBlock:
    """A block of the model with its parameters.

    Attributes
    ----------
    block : Block
    rows : BlockedRows
        In which this block is the first, and others may be joined.
    joined : list of JoinedBlocks
    by_block : RowsByBlock
        The rows of each block row, among `rows`.
    order : int32 ndarray of shape (n_rows,), or None
        The model's numbers of `rows`, if these are a copy.
    table : BlockTable
        Of its block rows; a block without a relation keeps its parameters here.
    n_drawn : int
        Block rows that have parameters.
    groups : int32 ndarray of shape (n_block_features,)
    relation : Relation or None
        Where its rows have several features, or features of several groups.
    coefficients : Coefficients or None
        Of the features of a relation, (n_block_features, k): in the centered form, of the means of block rows.
    is_centered : bool
    """

    block: Block
    rows: BlockedRows
    joined: list[JoinedBlocks]
    by_block: RowsByBlock
    order: Int32 | None
    table: BlockTable
    n_drawn: int
    groups: Int32
    relation: Relation | None = None
    coefficients: Coefficients | None = None
    is_centered: bool = False

    @property
    def group(self) -> int:
        """The group of all features of a block without a relation."""
        return int(self.groups[0]) if len(self.groups) else 0

    @property
    def block_rows(self) -> Coefficients:
        """Parameters of the block rows, which are views."""
        return Coefficients(self.table.S[: self.n_drawn], self.table.terms[: self.n_drawn, 0])

    @property
    def features(self) -> Coefficients:
        """Parameters of the features; those of the table where there is no relation."""
        return self.block_rows if self.coefficients is None else self.coefficients

    def sums_of_features(self) -> Coefficients:
        """Return what the parameters of the features add up to, for each block row."""
        X, (V, w) = self.block.rows, self.features
        sums = Coefficients.empty(X.n_rows, V.shape[1])
        data, rows = _entries(X)
        np.add.at(sums.V, rows, data[:, None] * V[X.indices])
        sums.w[...] = np.bincount(rows, data * w[X.indices], X.n_rows)
        return sums


@dataclass
class Errors:
    """Weighted sums of the errors y - p, and of their squares."""

    total: float
    squares: float

    def behind(self, change: float, weight_sum: float) -> Errors:
        """Return the sums once all p are larger by ``change``."""
        squares = self.squares - 2 * change * self.total + weight_sum * change**2
        return Errors(self.total - weight_sum * change, squares)


@dataclass
class BlockModel:
    """Parameters of a factorization machine over rows in blocks, and their draws.

    Attributes
    ----------
    parts : list of ModelBlock
    rows : BlockedRows
        In an order of their own, of which `order` has the numbers.
    joined : list of JoinedBlocks
        Of `rows`.
    order : ndarray of shape (n_rows,)
    n_factors, n_features : int
    groups : int32 ndarray of shape (n_features,)
    n_threads : int
    """

    parts: list[ModelBlock]
    rows: BlockedRows
    joined: list[JoinedBlocks]
    order: Int32
    n_factors: int
    n_features: int
    groups: Int32
    fit_linear: bool
    n_threads: int

    @classmethod
    def of(
        cls,
        blocks: Blocks,
        sample_weight: Float32 | None,
        n_factors: int,
        *,
        fit_linear: bool = True,
        n_threads: int = 1,
    ) -> BlockModel:
        """Start all parameters at 0; the largest block comes last, and rows are in its order."""
        ordered = sorted(blocks.blocks, key=lambda block: (block.values is None, block.n_block_rows))
        k = sweep.padded_factors(n_factors)
        order = np.arange(blocks.n_rows, dtype=np.int32)
        if ordered:
            order = sweep.order_of(ordered[-1].ids, ordered[-1].n_block_rows)
        ids = (
            np.stack([block.ids[order] for block in ordered], axis=1)
            if ordered
            else np.zeros((len(order), 0), np.int32)
        )
        rows = BlockedRows(
            ids,
            [None if block.values is None else block.values[order] for block in ordered],
            [BlockTable.empty(block.n_block_rows, k) for block in ordered],
            np.zeros(blocks.n_rows, dtype=np.float32),
            None if sample_weight is None else np.sqrt(sample_weight[order]),
            k,
        )
        parts = [_part_of(number, block, rows, blocks.groups) for number, block in enumerate(ordered)]
        together, joined = with_joined(rows, None)
        sizes = n_factors, blocks.n_features, blocks.groups
        return cls(parts, together, joined, order, *sizes, fit_linear, n_threads)

    @property
    def weight_sum(self) -> float:
        """Sum of the weights."""
        root = self.rows.root_weight
        return float(len(self.order)) if root is None else float(np.square(root, dtype=np.float64).sum())

    def set_targets(self, y: Float64) -> None:
        """Take targets, (n_rows,), in the order of the user's rows."""
        self.rows.y[...] = y[self.order]
        for part in self.parts:
            if part.order is not None:
                np.take(self.rows.y, part.order, out=part.rows.y)

    def set_intercept(self, w0: float) -> None:
        """Take a bias."""
        for rows in (self.rows, *(part.rows for part in self.parts)):
            rows.w0 = w0

    def scores(self) -> Float64:
        """Return the score of each row, (n_rows,), in the order of the user's rows."""
        result = np.empty(len(self.order))
        result[self.order] = self.rows.y - self._residuals()
        return result

    def _residuals(self) -> Float32:
        for joined in self.joined:
            joined.add_up()
        return sweep.residuals(self.rows, self.n_threads)

    def errors(self) -> Errors:
        """Return the sums of errors at all parameters as they are."""
        left = self._residuals().astype(np.float64)
        if self.rows.root_weight is None:
            return Errors(float(left.sum()), float(left @ left))
        weight = np.square(self.rows.root_weight, dtype=np.float64)
        return Errors(float(weight @ left), float(weight @ left**2))

    def checked(self, errors: Errors | None) -> Errors:
        """Return the errors that came with the last draw, made anew where they did not, or are all rounding."""
        y = self.rows.y
        if errors is None or errors.squares < SMALL_ERRORS * float(y @ y):
            return self.errors()
        return errors

    def put(self, V: Float32, w: Float32) -> None:
        """Set the features' parameters, (n_features, n_factors) and (n_features,), of blocks that are not centered."""
        for part in self.parts:
            part.features.V[: part.block.n_features, : self.n_factors] = V[part.block.features]
            part.features.w[: part.block.n_features] = w[part.block.features]
            self.follow(part)

    def start(self, rng: np.random.Generator, spread: float) -> None:
        """Draw all factors from N(0, spread^2)."""
        for part in self.parts:
            V = part.features.V[:, : self.n_factors]
            V[...] = spread * rng.standard_normal(V.shape, dtype=np.float32)
            if part.is_centered:
                rows = part.block_rows.V[:, : self.n_factors]
                rows[...] = spread * rng.standard_normal(rows.shape, dtype=np.float32)
                part.features.V[...] = 0.0
            self.follow(part)

    def follow(self, part: ModelBlock) -> None:
        """Bring the block rows of a part in line with its parameters."""
        table = part.table
        if part.relation is None or part.is_centered:
            table.terms[:, 1] = 0.5 * np.einsum("bf,bf->b", table.S, table.S)
            return
        X, V = part.block.rows, part.features.V
        data, rows = _entries(X)
        squares = np.bincount(rows, data**2 * np.einsum("jf,jf->j", V, V)[X.indices], X.n_rows)
        sums = part.sums_of_features()
        half = 0.5 * np.einsum("bf,bf->b", sums.V, sums.V)
        table.S[...] = sums.V
        table.terms[:, 0] = sums.w + half - 0.5 * squares
        table.terms[:, 1] = half

    def draw(
        self,
        part: ModelBlock,
        priors: Sequence[NormalPrior],
        options: DrawOptions,
        *,
        out: Coefficients | None = None,
        wants_errors: bool = False,
    ) -> Errors | None:
        """Draw the parameters of a part given all others, in place or into ``out``.

        ``priors`` has one for each group; for the rows of a centered relation, and a block without one, it has its own
        alone. Returns the errors behind the draw if they are wanted and come with it.
        """
        for joined in part.joined:
            joined.add_up()
        if part.relation is not None and not part.is_centered:
            parameters = part.features
            to = parameters if out is None else out
            sweep.draw_features(
                part.rows, part.by_block, part.relation, list(priors), options, parameters, to, self.n_threads
            )
            return None
        errors = np.empty((part.block.n_block_rows, 2)) if wants_errors else None
        table = part.table if out is None else BlockTable(out.V, sweep.zeros(len(out.V), 2))
        (prior,) = priors
        sweep.draw_blocks(part.rows, part.by_block, part.n_drawn, prior, options, table, errors, self.n_threads)
        if out is not None:
            out.w[...] = table.terms[:, 0]
        # With values, the first of the sums is of x times the errors.
        if errors is None or part.block.values is not None:
            return None
        total, squares = errors.sum(axis=0)
        return Errors(float(total), float(squares))

    def coefficients(self) -> Coefficients:
        """Return copies of the features' parameters, (n_features, n_factors) and (n_features,).

        Those of features that centered block rows have for themselves are 0.
        """
        return self.gathered([part.features for part in self.parts])

    def gathered(self, of_parts: Sequence[Coefficients]) -> Coefficients:
        """Return parameters of all features from those of each part's."""
        V = np.zeros((self.n_features, self.n_factors), dtype=np.float32)
        w = np.zeros(self.n_features, dtype=np.float32)
        for part, (part_V, part_w) in zip(self.parts, of_parts, strict=True):
            V[part.block.features] = part_V[: len(part.block.features), : self.n_factors]
            w[part.block.features] = part_w[: len(part.block.features)]
        return Coefficients(V, w)


def _entries(X: Csr) -> tuple[Float32, NDArray[np.intp]]:
    """Return the value and the row of each entry, (nnz,)."""
    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    return data, np.repeat(np.arange(X.n_rows), np.diff(X.indptr))


def _part_of(number: int, block: Block, rows: BlockedRows, groups: Int32) -> ModelBlock:
    """Return a block's part of the model, with a copy of the rows in its order unless that takes much memory."""
    table, groups = rows.tables[number], groups[block.features]
    by_block, order = RowsByBlock.of(number, rows.ids[:, number], block.n_block_rows), None
    joined: list[JoinedBlocks] = []
    if len(rows.tables) * rows.ids.nbytes <= MOST_BYTES_OF_COPIES:
        rows, joined = with_joined(rows, number)
        by_block = by_block._replace(block=0)
        if by_block.order is not None:
            order = by_block.order
            rows = replace(
                rows,
                ids=rows.ids[order],
                values=[None if values is None else values[order] for values in rows.values],
                y=rows.y[order],
                root_weight=None if rows.root_weight is None else rows.root_weight[order],
            )
            by_block = by_block._replace(order=None)
    part = ModelBlock(block, rows, joined, by_block, order, table, block.n_features, groups)
    if block.own is None and block.X is None and (groups == groups[:1]).all():
        return part
    return replace(
        part,
        n_drawn=block.n_block_rows,
        relation=Relation.of(block, groups),
        coefficients=Coefficients.empty(block.n_features, rows.k),
        is_centered=block.own is not None,
    )
