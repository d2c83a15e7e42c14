"""Epochs of gradient descent by the kernels, and the hot features that each thread has copies of."""

from __future__ import annotations

import zlib
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32, Float32, Int32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import FeatureRecord, Parameters
from fastfm_ext._native import core

# A call of the kernel covers about this many nonzeros (some 50 ms), so that Ctrl-C never waits long.
NNZ_PER_CALL = 1 << 22

# What threads keep copies of; measured on ratings and clicks. See ``threads/gradient.hpp``.
HOT_ROWS = 10_000
HOT_SHARE_OF_ROWS = 1 / 500
HOTTEST, HOTTEST_SHARE_OF_NONZEROS = 64, 0.2
HOT_BYTES = 1 << 18

NonFiniteScoreError = core.NonFiniteScoreError


class HotFeatures(NamedTuple):
    """Features that threads have copies of.

    ``features`` (n_hot,) are their numbers. ``indices`` (nnz,) are those of a matrix for threads that look for their
    copies: feature ``features[h]`` is ``n_features + h`` there.
    """

    features: Int32
    indices: Int32

    @classmethod
    def of(cls, X: Csr, features: Int32) -> Self:
        """Return these features of X."""
        if not len(features):
            return cls(features, features)
        numbers = np.arange(X.n_features, dtype=np.int32)
        numbers[features] = np.arange(X.n_features, X.n_features + len(features))
        return cls(features, numbers[X.indices])


NO_FEATURES: Int32 = np.zeros(0, dtype=np.int32)
NO_HOT_FEATURES = HotFeatures(NO_FEATURES, NO_FEATURES)


def hot_features(X: Csr, record: FeatureRecord, n_threads: int) -> HotFeatures:
    """Return the features that so many threads have copies of.

    None, where each thread has copies of all, or where there is a CPU for one thread only.
    """
    if min(n_threads, core.usable_cpus()) == 1 or core.has_replicas(record.model, X.n_features * record.n_bytes):
        return NO_HOT_FEATURES
    return HotFeatures.of(X, frequent_features(X, record.n_bytes))


def frequent_features(X: Csr, record_bytes: int) -> Int32:
    """Return the features that stand in so many rows that threads would wait for each other, most frequent first.

    None, where they are too small a part of all nonzeros to matter, or the rows are few.
    """
    if X.n_rows < HOT_ROWS:
        return NO_FEATURES
    counts = np.bincount(X.indices)
    candidates = np.flatnonzero(counts > X.n_rows * HOT_SHARE_OF_ROWS)
    candidates = candidates[np.argsort(-counts[candidates], kind="stable")]
    if counts[candidates[:HOTTEST]].sum() < HOTTEST_SHARE_OF_NONZEROS * X.nnz:
        return NO_FEATURES
    most = min(max(HOTTEST, HOT_BYTES // record_bytes), MAX_INT32 - X.n_features)
    return candidates[:most].astype(np.int32)


class Targets(NamedTuple):
    """What rows are to predict, (n_rows,), their weights or None for 1, and room for their scores or None."""

    y: Float32
    sample_weight: Float32 | None
    scores: Float32 | None = None


class RowOrder(NamedTuple):
    """The visits ``first <= v < last`` of an epoch: visit v goes to row ``rows[v]``, or to row v without ``rows``."""

    first: int
    last: int
    rows: NDArray[np.int64] | None


def train_epoch(
    X: Csr,
    y: Float32,
    sample_weight: Float32 | None,
    order: NDArray[np.int64] | None,
    params: Parameters,
    options: Options,
    n_threads: int = 1,
    hot: HotFeatures = NO_HOT_FEATURES,
    scores: Float32 | None = None,
    l2_scale: Float32 | None = None,
) -> float:
    """Visit the rows of X in the given order, one step each; change ``params`` in place; return the sum of the loss.

    Several threads have copies of the `hot` features of X. ``scores`` (n_rows,) takes the score of each row before its
    step. ``l2_scale`` (n_features,) multiplies the L2 that each feature pays at a visit.

    Raises
    ------
    NonFiniteScoreError
        When the score of a row is NaN or infinite. The parameters hold the steps before that row.
    """
    targets = Targets(y, sample_weight, scores)
    n_visits = X.n_rows if order is None else len(order)
    visits_per_call = max(1, n_visits * NNZ_PER_CALL // max(X.nnz, NNZ_PER_CALL))
    loss_sum = 0.0
    for first in range(0, n_visits, visits_per_call):
        visits = RowOrder(first, min(first + visits_per_call, n_visits), order)
        seed = 0 if params.dtype == "float32" else _seed_of(X, visits, params)
        loss_sum += core.sgd_epoch(X, targets, visits, params, hot, options, n_threads, l2_scale, seed)
    return loss_sum


def _seed_of(X: Csr, visits: RowOrder, params: Parameters) -> int:
    """Return the seed of rounding on these visits.

    It follows from the parameters of the first row, so that a saved model goes on as it would have, and changes with
    them.
    """
    row = visits.first if visits.rows is None else visits.rows[visits.first]
    features = X.indices[X.indptr[row] : X.indptr[row + 1]]
    seed = 0
    for records in params.part(features.astype(np.intp)).values():
        seed = zlib.crc32(records.tobytes(), seed)
    return seed + (visits.first << 32)
