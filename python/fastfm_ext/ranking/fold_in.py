"""Vectors of users who came after training, from what they chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float32, as_kernels_read
from fastfm_ext._common.checks import errors_that_name, is_integer
from fastfm_ext._engine import csr, ranking
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import StepSizes
from fastfm_ext._engine.ranking import Negatives
from fastfm_ext._learning.losses import RankingLoss
from fastfm_ext._learning.similarity import Similarity
from fastfm_ext._validation.interactions import to_interactions
from fastfm_ext._validation.matrices import is_table_of_0_and_1

# Chosen by hand, and only timed on Gowalla: nobody has searched for better ones. The problem is convex and small.
FOLD_IN_STEPS, FOLD_IN_RATE = 40, 0.2
# A cosine begins at the mean of the history, and short steps from there rank best on MovieLens 100K; shorter ones leave
# users of a model of few factors too near to it.
RATE_OF_COSINES = 0.01


class FoldInTask(NamedTuple):
    """What the vectors of new users are learned by."""

    negatives: Negatives
    loss: RankingLoss
    similarity: Similarity
    l2: float


def fold_in(
    history: Any,
    item_vectors: ArrayLike,
    known: Float32 | None,
    loss: RankingLoss,
    similarity: Similarity,
    l2: float,
    n_factors: int,
    random_state: int | None,
    relative: Callable[[Float32 | None, int], Float32 | None],
) -> Float32:
    """Return the vectors of users, (n_users, n_factors + 1), or of one user: see `FMRanker.fold_in`.

    Parameters
    ----------
    history : array-like of int, or sparse matrix of shape (n_users, n_items)
    item_vectors : array-like of shape (n_items, n_factors + 1)
    known : ndarray of shape (n_users, n_factors), or None
        The sums S_u of the users' known features.
    loss : RankingLoss
    similarity : Similarity
    l2 : float
        L2 on factors.
    n_factors : int
    random_state : int or None
    relative : callable
        From the weights of a matrix, or None for ones, and their number, to multiples of the mean weight in training.
    """
    seed = _seed_of(random_state)
    vectors = check_vectors(item_vectors, n_factors)
    chosen, single = read_histories(history, len(vectors), relative, None if known is None else len(known))
    result = np.ones((chosen.n_rows, vectors.shape[1]), dtype=np.float32)
    if chosen.n_rows:
        sums = np.zeros((chosen.n_rows, n_factors), dtype=np.float32) if known is None else np.ascontiguousarray(known)
        task = FoldInTask(Negatives(loss.n_negatives_of_fold_in, seed=seed), loss, similarity, l2)
        result[:, 1:] = similarity.of_users(_sums(chosen, vectors, sums, task))
    return result[0] if single else result


def read_histories(
    history: Any, n_items: int, relative: Callable[[Float32 | None, int], Float32 | None], n_known: int | None
) -> tuple[Csr, bool]:
    """Return what users chose, (n_users, n_items), and whether it is the history of one; see `fold_in`.

    ``n_known`` is the number of users of whom features are known, if any are.
    """
    single = not sp.issparse(history)
    chosen = _one_history(history, n_items) if single else _histories(history, n_items)
    if not single:
        chosen = replace(chosen, data=relative(chosen.data, chosen.nnz))
    if n_known is not None and n_known != chosen.n_rows:
        raise ValueError(f"X_user has {n_known} rows, and history is of {chosen.n_rows} users.")
    return chosen, single


def _sums(chosen: Csr, vectors: Float32, sums: Float32, task: FoldInTask) -> Float32:
    """Return S_u, (n_users, n_factors), for `chosen` (n_users, n_items), from the `sums` of known features."""
    # Without a history, L2 alone is least where nothing is added to the known features.
    users = np.flatnonzero(np.diff(chosen.indptr)).astype(np.int64)
    if not len(users):
        return sums
    sizes = StepSizes(RATE_OF_COSINES if task.similarity.scale else FOLD_IN_RATE, 0.0, 0.0, task.l2)
    histories = csr.take_rows(chosen, users)
    try:
        sums[users] = ranking.fold_in(
            vectors,
            histories,
            task.negatives,
            sums[users],
            task.loss.name,
            sizes,
            FOLD_IN_STEPS,
            task.similarity.scale,
        )
    except ranking.NonFiniteScoreError:
        raise ValueError(
            "item_vectors has a value that is NaN or infinite, or it or a weight in history is too large for float32."
        ) from None
    return sums


def _seed_of(random_state: Any) -> int:
    if random_state is None:
        return int(np.random.default_rng().integers(2**63))
    if not is_integer(0)(random_state) or random_state >= 2**64:
        raise ValueError(f"random_state must be None or an integer from 0 to 2**64 - 1; got {random_state!r}.")
    return int(random_state)


def check_vectors(item_vectors: ArrayLike, n_factors: int) -> Float32:
    """Return item vectors, (n_items, n_factors + 1), as the kernels read them, or raise ValueError."""
    with errors_that_name("item_vectors"), np.errstate(over="ignore"):
        given = np.asarray(item_vectors)
        if given.dtype.kind == "c":
            raise ValueError(f"item_vectors must hold real numbers, got dtype {given.dtype}.")
        vectors: Float32 = as_kernels_read(given, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != n_factors + 1 or not len(vectors):
        wanted = f"(n_items, {n_factors + 1}), as item_vector returns them"
        raise ValueError(f"item_vectors must have shape {wanted}; got {vectors.shape}.")
    return vectors


def _one_history(history: Any, n_items: int) -> Csr:
    """Return the items of one user as a matrix of one row."""
    with errors_that_name("history"):
        given = np.asarray(history)
    if given.shape == (0,):
        raise ValueError("history is empty; user_vector gives the vector of known features.")
    items = np.unique(given)
    if items.dtype.kind not in "iu" or given.ndim != 1:
        raise ValueError(
            "history must be a list of row numbers of item_vectors, or a sparse matrix with a row for each user; got "
            f"an array of shape {given.shape} and type {items.dtype}."
        )
    if not (items[0] >= 0 and items[-1] < n_items):
        wrong = items[0] if items[0] < 0 else items[-1]
        raise ValueError(f"history holds item {wrong}, and item_vectors has the items 0 to {n_items - 1}.")
    if is_table_of_0_and_1(given, n_items):
        raise ValueError(
            "history looks like a table of 0 and 1, with a value for each of the item_vectors: pass row numbers, as "
            "numpy.flatnonzero(history), or a sparse matrix with a row for each user."
        )
    chosen = Csr(np.array([0, len(items)], dtype=np.int64), items.astype(np.int32), None, n_items)
    _check_foldable(chosen)
    return chosen


def _histories(history: Any, n_items: int) -> Csr:
    """Return what several users chose, (n_users, n_items)."""
    if history.shape[1:] != (n_items,):
        raise ValueError(
            f"history must have a column for each of the {n_items} item_vectors; got shape {history.shape}."
        )
    chosen = to_interactions(history, history.shape[0], n_items, "history", may_be_empty=True)
    _check_foldable(chosen)
    return chosen


def _check_foldable(chosen: Csr) -> None:
    all_of_them = np.diff(chosen.indptr) >= chosen.n_features
    if all_of_them.any():
        raise ValueError(f"history: user {int(np.argmax(all_of_them))} chose every item.")
