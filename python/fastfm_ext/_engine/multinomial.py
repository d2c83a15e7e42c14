"""Epochs of multinomial training by the kernels: the softmax of one factorization machine a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.gradient import NNZ_PER_CALL, RowOrder, Targets
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._native import core


def train_multinomial_epoch(
    X: Csr,
    targets: Float32,
    sample_weight: Float32 | None,
    order: NDArray[np.int64] | None,
    machines: Sequence[Parameters],
    options: Options,
    l2_scale: Float32 | None = None,
) -> float:
    """Visit the rows of X in the given order, one step each of all machines; return the sum of the loss.

    ``targets`` (n_classes, n_rows) are 1 for the class of a row and else 0; ``machines`` (n_classes,) change in place.
    ``l2_scale``, (n_features,), multiplies what L2 each feature pays at a visit.

    Raises
    ------
    NonFiniteScoreError
        When a score of a row is NaN or infinite. The parameters hold the steps before that row.
    """
    if X.data is None:
        X = replace(X, data=np.ones(X.nnz, dtype=np.float32))
    wanted = Targets(np.ascontiguousarray(targets), sample_weight)
    options = replace(options, loss="logistic")  # the kernel knows its loss, which is none of a single score
    scores = np.empty(len(machines), dtype=np.float32)
    n_visits = X.n_rows if order is None else len(order)
    work = max(X.nnz * len(machines), NNZ_PER_CALL)
    visits_per_call = max(1, n_visits * NNZ_PER_CALL // work)
    loss_sum = 0.0
    for first in range(0, n_visits, visits_per_call):
        visits = RowOrder(first, min(first + visits_per_call, n_visits), order)
        loss_sum += core.multinomial_epoch(X, wanted, visits, machines, scores, options, l2_scale)
    return loss_sum
