"""Distilled factorization machine: a single one that scores rows as the averaged draws do.

The mean of the parameters is not the parameters of the mean: factors turn from sweep to sweep without any change of a
prediction, and average out. So alternating least squares fits one machine to the averaged scores of rows, of which some
are put together at random, so that what never met is right, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine import sweep
from fastfm_ext._engine.blocks import Blocks
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.sweep import DrawOptions, NormalPrior
from fastfm_ext._learning.block_model import BlockModel
from fastfm_ext.bayesian.folding import folded, with_folded, with_unfolded
from fastfm_ext.bayesian.rows import Rows, scores_of

# Of either kind of rows: as many as there are to learn from, or so many a parameter, within limits.
ROWS_A_PARAMETER = 2
FEWEST_ROWS, MOST_ROWS, MOST_ENTRIES = 1 << 12, 1 << 20, 1 << 23
# L2 of weights and factors, one after the other, for targets of spread 1. With less, scores come nearer to the averaged
# ones, but not to new targets.
L2_PATH = (8.0, 4.0, 2.0)
# With each.
SWEEPS = 4
# The parameters to begin with are better only if they have less than this part of the squared error.
HALF = 0.5
# Of factors where there are none to begin with.
START_SPREAD = 0.1


class DistilledForm(NamedTuple):
    """What the machine has.

    Attributes
    ----------
    fit_intercept, fit_linear : bool
    n_threads : int
    """

    fit_intercept: bool
    fit_linear: bool
    n_threads: int


def rows_to_match(blocks: Blocks, n_factors: int, rng: np.random.Generator) -> Blocks:
    """Return rows whose scores are to be met.

    Of two blocks, as users and items are, all rows are put together at random: in half of them a block row is as
    frequent as among the rows to learn from, in the others as any of its block. The draws remember what was special
    about a pair that they learned from, and new pairs have none of that. Of more blocks, which may depend on each
    other, half are rows to learn from, and in each of the others one block is that of another row, or any.
    """
    wanted = max(blocks.n_rows, ROWS_A_PARAMETER * blocks.n_features * (n_factors + 1))
    n_blocks = len(blocks.blocks)
    n = max(FEWEST_ROWS, min(wanted, MOST_ROWS, MOST_ENTRIES // max(n_blocks, 1)))
    known, others = rng.integers(0, blocks.n_rows, (2, 2 * n))
    # Of each row, the block that comes from elsewhere.
    changed = rng.integers(0, n_blocks, 2 * n) if n_blocks > 2 else np.full(2 * n, 1)
    is_any = np.arange(2 * n) % 2 == 0
    if n_blocks > 2:
        changed[:n] = -1
    parts = []
    for number, block in enumerate(blocks.blocks):
        rows = np.where(changed == number, others, known)
        if block.values is not None:
            parts.append(replace(block, ids=block.ids[rows], values=block.values[rows]))
            continue
        replaced = is_any if n_blocks <= 2 else is_any & (changed == number)
        ids = np.where(replaced, rng.integers(0, block.n_block_rows, 2 * n, dtype=np.int32), block.ids[rows])
        parts.append(replace(block, ids=ids))
    return replace(blocks, n_rows=2 * n, blocks=tuple(parts))


def distilled(
    blocks: Blocks, targets: Float64, weight: Float64 | None, start: Parameters, form: DistilledForm, *, is_flat: bool
) -> Parameters:
    """Return the parameters of the machine whose scores are nearest to the targets.

    Parameters
    ----------
    blocks : Blocks
        Rows as `rows_to_match` gives them.
    targets : ndarray of shape (n_rows,)
        Their scores.
    weight : ndarray of shape (n_rows,), or None
        Of the squared error of each score; 1 on average.
    start : Parameters
        The ones to begin with; they are returned where they have less than half of the squared error that is found.
    form : DistilledForm
    is_flat : bool
        Whether the rows are scored faster when they are written out.
    """
    flat = folded(blocks)
    begun = with_folded(start, blocks)
    fitted = _fitted(flat, targets, None if weight is None else weight.astype(np.float32), begun, form)
    X: Rows = flat.expanded() if is_flat else flat
    of_start, of_fitted = (
        float(np.average((scores_of(X, params, form.n_threads) - targets) ** 2, weights=weight))
        for params in (begun, fitted)
    )
    return with_unfolded(fitted, start, blocks) if HALF * of_fitted < of_start else start


def _fitted(
    blocks: Blocks, targets: Float64, weight: Float32 | None, start: Parameters, form: DistilledForm
) -> Parameters:
    """Return what alternating least squares makes of the parameters to begin with."""
    spread = float(np.sqrt(np.cov(targets, aweights=weight))) or 1.0
    model = BlockModel.of(blocks, weight, start.n_factors, fit_linear=form.fit_linear, n_threads=form.n_threads)
    model.set_targets(targets / spread)
    V = start.V / np.float32(np.sqrt(spread))
    if not V.any():
        V = START_SPREAD * np.random.default_rng(0).standard_normal(V.shape, dtype=np.float32)
    model.put(V, start.w / np.float32(spread))
    k, w0 = model.rows.k, start.w0 / spread
    how = DrawOptions(1.0, model.n_factors, model.fit_linear, with_noise=False, by_coordinate=True, seed=0)
    for l2 in np.repeat(L2_PATH, SWEEPS):
        precision = np.eye(k, dtype=np.float32)
        precision[: model.n_factors] *= np.float32(l2)
        prior = NormalPrior(precision, sweep.zeros(1, k), np.zeros(1, dtype=np.float32), float(l2))
        model.set_intercept(w0)
        errors = None
        for part in model.parts:
            priors = [prior] * (1 if part.relation is None else blocks.n_groups)
            errors = model.draw(part, priors, how, wants_errors=part is model.parts[-1])
        if form.fit_intercept:
            w0 += model.checked(errors).total / model.weight_sum
    V, w = model.coefficients()
    return Parameters.of(
        V.shape[1],
        w0=np.array([[spread * w0]], dtype=np.float32),
        w=np.float32(spread) * w[:, None],
        V=np.float32(np.sqrt(spread)) * V,
    )
