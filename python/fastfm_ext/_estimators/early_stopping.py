"""Early stopping of the estimators: the parts of the data that are held out.

With much data, a tenth is held out once. With less, the best epoch depends on which tenth it is, and five folds find a
better one (`benchmarks/small_tables.py`). A dozen rows are too few for a fold to tell anything, and so are a thousand
interactions.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Bools
from fastfm_ext._engine.csr import Csr
from fastfm_ext._learning.held_out import RowSplit, fold_rows, hold_out_rows, mark_folds, mark_held_out
from fastfm_ext._learning.samples import Samples

# With early_stopping="auto", a share is held out from this many rows, or interactions, on.
AUTO_EARLY_STOPPING = 10_000
# With fewer, down to this many, the number of epochs is found by cross-validation.
AUTO_CROSS_VALIDATION_ROWS = 30
AUTO_CROSS_VALIDATION_INTERACTIONS = 2_000
N_FOLDS = 5
# Five models of more parameters than this would take memory and time out of proportion to little data.
MAX_PARAMETERS_OF_A_FOLD = 2_000_000


class StopsEarly(Protocol):
    """An estimator, as far as its early stopping goes."""

    early_stopping: bool | Literal["auto"]
    validation_fraction: float
    refit: bool
    n_factors: int


def splits_of_rows(
    estimator: StopsEarly,
    samples: Samples,
    strata: NDArray[np.integer] | None,
    rng: np.random.Generator,
    *,
    is_first: bool,
) -> list[RowSplit]:
    """Return the splits into rows to train on and rows to validate on: none, one, or one for each fold.

    ``is_first`` says that the model begins anew.

    Raises
    ------
    ValueError
        If no row would be left to train on.
    """
    n, n_features = samples.X.n_rows, samples.X.n_features * len(samples.targets)
    n_splits = _n_hold_outs(estimator, n, n_features, AUTO_CROSS_VALIDATION_ROWS, is_first=is_first)
    if not n_splits:
        return []
    if n_splits > 1:
        return fold_rows(samples, n_splits, strata, rng)
    fraction = estimator.validation_fraction
    n_held_out = max(1, round(n * fraction))
    if n_held_out >= n:
        raise ValueError(
            f"early_stopping holds out validation_fraction={fraction} of the rows, and of {n} rows none would be left "
            "to train on. Set early_stopping=False or pass X_val and y_val."
        )
    return [hold_out_rows(samples, n_held_out, strata, rng)]


def parts_of_interactions(
    estimator: StopsEarly, interactions: Csr, n_features: int, rng: np.random.Generator, *, is_first: bool
) -> list[Bools]:
    """Return the parts to validate on, as marks (nnz,) of the interactions: none, one, or one for each fold.

    Raises
    ------
    ValueError
        If nothing would be held out.
    """
    fewest = AUTO_CROSS_VALIDATION_INTERACTIONS
    n_parts = _n_hold_outs(estimator, interactions.nnz, n_features, fewest, is_first=is_first)
    if not n_parts:
        return []
    if n_parts > 1:
        folds = mark_folds(interactions, n_parts, rng)
        return folds if all(marked.any() for marked in folds) else []
    marked = mark_held_out(interactions, estimator.validation_fraction, rng)
    if not marked.any():
        raise ValueError(
            f"early_stopping holds out validation_fraction={estimator.validation_fraction} of each user's "
            "interactions, and no user has enough of them. Set early_stopping=False or raise validation_fraction."
        )
    return [marked]


def _n_hold_outs(estimator: StopsEarly, n: int, n_features: int, fewest: int, *, is_first: bool) -> int:
    """Return how often a part of n rows, or interactions, is held out: never, once, or once for each fold."""
    if estimator.early_stopping != "auto":
        return int(estimator.early_stopping)
    if n >= AUTO_EARLY_STOPPING:
        return 1
    # A model that goes on has seen all the rows, and a fold would tell it nothing.
    if n < fewest or not (is_first and estimator.refit):
        return 0
    return N_FOLDS if n_features * (estimator.n_factors + 1) <= MAX_PARAMETERS_OF_A_FOLD else 1
