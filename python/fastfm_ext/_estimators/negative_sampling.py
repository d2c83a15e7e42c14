"""Correction of the log odds for negatives that are not among the rows to train on.

Where each negative was kept with probability w and each positive was kept, the odds of the rows are 1/w times those of
all rows: log odds in training are ``score_offset = log(w)`` above what they are to be. So the model that is trained
differs from the one that predicts by a constant alone, which stands beside the parameters.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from fastfm_ext._engine.state import with_w0_moved
from fastfm_ext._estimators.scorers import Scorers

if TYPE_CHECKING:
    from fastfm_ext._estimators.base import TrainingCall
    from fastfm_ext._estimators.rows import RowEstimator


def log_rate(negative_sampling_rate: float | None, n_classes: int) -> float:
    """Return the constant to be added to log odds.

    Raises
    ------
    ValueError
        For more than two classes, of which no one is the negative one.
    """
    if negative_sampling_rate is None:
        return 0.0
    if n_classes > 2:
        raise ValueError(
            f"negative_sampling_rate needs two classes, of which the first is the negative one; y has {n_classes}. "
            "Give the rows of sampled classes weights instead, with class_weight."
        )
    return math.log(negative_sampling_rate)


def adopt_rate(model: RowEstimator, call: TrainingCall) -> None:
    """Let a model train on rows of the present rate: a fitted one predicts what it did before.

    Parameters
    ----------
    model : RowEstimator
        Changed in place; its units are those of this training.
    call : TrainingCall
    """
    change = model._units.score_offset - model._score_offset
    if not change:
        return
    model._units = replace(model._units, score_offset=model._score_offset)
    if call.is_first:
        return
    model._check_can_continue()
    options = model._options()
    with nullcontext() if call.is_batch else model._scorers.access.reading():
        model._scorers = Scorers(with_w0_moved(params, change, options) for params in model._scorers)
