"""Distilled factorization machine: a single one that scores rows as the averaged draws do.

The mean of the parameters is not the parameters of the mean: factors turn from sweep to sweep without any change of a
prediction, and average out. So alternating least squares fits one machine to the averaged scores of random rows. The
rows that were learned from are not among them: the draws remember what was special about each, and new rows have none
of that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._engine import sweep
from fastfm_ext._engine.blocks import Blocks
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.sweep import DrawOptions, NormalPrior
from fastfm_ext._learning.block_model import BlockModel
from fastfm_ext.bayesian.rows import Rows, scores_of

# Rows of either kind, those of frequent features and those of all alike: as many as there are to learn from, or so many
# a parameter, within limits.
ROWS_A_PARAMETER = 2
FEWEST_ROWS, MOST_ROWS = 1 << 12, 1 << 20
# Of all, which tell when to stop.
HELD_OUT_SHARE = 0.1
# L2 of weights and factors, for targets of spread 1: from the first on, and half of it each time, as long as that takes
# half off the squared error. What more is to be had would cost accuracy on new rows.
FIRST_L2, LAST_L2 = 8.0, 2.0**-10
HALF = 0.5
# Sweeps with the same L2.
SWEEPS = 4
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
    """Return rows whose scores are to be met, put together of random block rows.

    In half of them a block row is as frequent as among the rows to learn from, in the others as any of its block. Those
    with values, which may go together as numeric columns do, come from the same row.
    """
    wanted = max(blocks.n_rows, ROWS_A_PARAMETER * blocks.n_features * (n_factors + 1))
    n = min(max(wanted, FEWEST_ROWS), MOST_ROWS)
    numeric = rng.integers(0, blocks.n_rows, 2 * n)
    parts = []
    for block in blocks.blocks:
        if block.values is None:
            frequent = block.ids[rng.integers(0, blocks.n_rows, n)]
            alike = rng.integers(0, block.n_block_rows, n, dtype=np.int32)
            parts.append(replace(block, ids=np.concatenate([frequent, alike])))
        else:
            parts.append(replace(block, ids=block.ids[numeric], values=block.values[numeric]))
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
        The ones to begin with; they are returned where they have half of the squared error that is found.
    form : DistilledForm
    is_flat : bool
        Whether the rows are scored faster when they are written out.
    """
    rng = np.random.default_rng(0)
    is_held_out = rng.random(blocks.n_rows) < HELD_OUT_SHARE
    kept, held_out = (_Matched.of(blocks, targets, weight, is_chosen) for is_chosen in (~is_held_out, is_held_out))
    X: Rows = held_out.blocks.expanded() if is_flat else held_out.blocks
    path = _Path(kept, start, form, rng)
    best, best_error, l2 = start, np.inf, FIRST_L2
    while l2 >= LAST_L2:
        params = path.at(l2)
        error = held_out.squared_error(scores_of(X, params, form.n_threads))
        if not error < HALF * best_error:
            break
        best, best_error, l2 = params, error, HALF * l2
    of_start = held_out.squared_error(scores_of(X, start, form.n_threads))
    return start if of_start <= HALF * best_error else best


class _Matched(NamedTuple):
    """Rows with the scores to be met, and the weights of these."""

    blocks: Blocks
    targets: Float64
    weight: Float32 | None

    @classmethod
    def of(cls, blocks: Blocks, targets: Float64, weight: Float64 | None, is_chosen: NDArray[np.bool_]) -> Self:
        of_chosen = None if weight is None else weight[is_chosen].astype(np.float32)
        return cls(blocks.take(np.flatnonzero(is_chosen)), targets[is_chosen], of_chosen)

    def squared_error(self, scores: Float32) -> float:
        return float(np.average((scores - self.targets) ** 2, weights=self.weight))


class _Path:
    """Alternating least squares of one machine, whose L2 changes on the way."""

    def __init__(self, rows: _Matched, start: Parameters, form: DistilledForm, rng: np.random.Generator) -> None:
        self._form = form
        self._spread = float(np.sqrt(np.cov(rows.targets, aweights=rows.weight))) or 1.0
        self._model = model = BlockModel.of(
            rows.blocks, rows.weight, start.n_factors, fit_linear=form.fit_linear, n_threads=form.n_threads
        )
        model.set_targets(rows.targets / self._spread)
        V = start.V / np.float32(np.sqrt(self._spread))
        if not V.any():
            V = START_SPREAD * rng.standard_normal(V.shape, dtype=np.float32)
        model.put(V, start.w / np.float32(self._spread))
        self._w0 = start.w0 / self._spread

    def at(self, l2: float) -> Parameters:
        """Return the parameters behind some more sweeps with this L2."""
        model = self._model
        k = model.rows.k
        precision = np.eye(k, dtype=np.float32)
        precision[: model.n_factors] *= np.float32(l2)
        prior = NormalPrior(precision, sweep.zeros(1, k), np.zeros(1, dtype=np.float32), l2)
        how = DrawOptions(1.0, model.n_factors, model.fit_linear, with_noise=False, by_coordinate=True, seed=0)
        n_groups = 1 + max(int(part.groups.max(initial=0)) for part in model.parts)
        for _ in range(SWEEPS):
            model.set_intercept(self._w0)
            errors = None
            for part in model.parts:
                priors = [prior] * (1 if part.relation is None else n_groups)
                errors = model.draw(part, priors, how, wants_errors=part is model.parts[-1])
            if self._form.fit_intercept:
                self._w0 += model.checked(errors).total / model.weight_sum
        V, w = model.coefficients()
        w0 = np.array([[self._spread * self._w0]], dtype=np.float32)
        w *= np.float32(self._spread)
        V *= np.float32(np.sqrt(self._spread))
        return Parameters.of(V.shape[1], w0=w0, w=w[:, None], V=V)
