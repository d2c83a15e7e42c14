"""Evaluation of a fitted model: ranking metrics on held-out interactions, in one call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext._common.arrays import Bools, Float32, Int64
from fastfm_ext._common.checks import is_integer, kind_of
from fastfm_ext._validation.matrices import check_interactions
from fastfm_ext.metrics.hits import PER_USER, auc_of_rows, hits_in_matrix, mean_over_users, per_user
from fastfm_ext.retrieval.exact import in_order
from fastfm_ext.retrieval.index import ItemIndex

__all__ = ["evaluate"]


_METRICS = (*PER_USER, "coverage", "auc")
# Values held at once: of scores, or of item vectors that are gathered to compute them.
_BATCH_VALUES = 2**22
# Below it, no inner product of vectors that fit into memory exceeds float32.
_MAX_VALUE = 1e12


def evaluate(
    model: Any,
    X_user: Any,
    X_item: Any,
    held_out: Any,
    *,
    seen: Any = None,
    candidates: Any = None,
    k: int | Sequence[int] = 20,
    metrics: Sequence[str] = ("recall", "ndcg"),
) -> dict[str, float]:
    """Rank items for each user and compare the rankings with held-out interactions.

    Users without held-out interactions are left out.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, FMRanker
        Or whatever has ``user_vector`` and ``item_vector``, whose inner product ranks. Its ``n_jobs``, if it has any,
        is that of the search.
    X_user, X_item : {array-like, sparse matrix, data frame}
        Features of the users, shape (n_users, n_features), and of the items, (n_items, n_features), as
        `user_vector` and `item_vector` take them.
    held_out : sparse matrix of shape (n_users, n_items)
        Nonzero where an item is relevant to a user.
    seen : sparse matrix of shape (n_users, n_items), optional
        Interactions that the model was trained on. These items are not ranked, and do not count where they are
        also held out.
    candidates : sparse matrix of shape (n_users, n_items) or int array of shape (n_users, n_candidates), optional
        Rank only these items, given as nonzeros or as positions (-1: none), and those held out. By default all are
        ranked.
    k : int or sequence of int, default=20
        Places that count.
    metrics : sequence of str, default=("recall", "ndcg")
        Of "recall", "truncated_recall", "precision", "ndcg", "map", "mrr", "hit_rate", "coverage" and "auc"; see
        `fastfm_ext.metrics` for what they are.

    Returns
    -------
    dict of str to float
        "recall@20" and so on for each `k`, "auc", and "n_users", the number of users that were counted.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If shapes do not fit, a metric is unknown, a `k` is not a positive integer, or nothing is held out.

    Notes
    -----
    Items of equal score are ranked in their order. Memory beyond the arguments and the vectors of users and items
    does not grow with n_users. AUC scores every user with every item and sorts the result, which takes longer than
    the first places do.

    With `candidates` holding 99 items that each user has not interacted with, and leave-one-out, this is the protocol
    of He et al., "Neural Collaborative Filtering" (WWW 2017). It ranks models otherwise than a ranking of all items
    does: Krichene and Rendle, "On Sampled Metrics for Item Recommendation" (KDD 2020).

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from fastfm_ext import FMClassifier
    >>> from fastfm_ext.evaluation import evaluate
    >>> ids = sparse.eye_array(6, format="csr")  # a column for each of 2 users and 4 items
    >>> X_user, X_item = ids[:2], ids[2:]
    >>> bought = np.array([[0, 0], [1, 1]])  # rows: user, item
    >>> X = X_user[np.repeat([0, 1], 4)] + X_item[np.tile(range(4), 2)]
    >>> model = FMClassifier(n_factors=2, random_state=0).fit(X, [1, 1, 0, 0, 0, 1, 1, 0])
    >>> seen = sparse.csr_array([[1, 0, 0, 0], [0, 1, 0, 0]])
    >>> held_out = sparse.csr_array([[0, 1, 0, 0], [0, 0, 1, 0]])
    >>> evaluate(model, X_user, X_item, held_out, seen=seen, k=2)["n_users"]
    2
    """
    names, places = _check_metrics(metrics), _check_k(k)
    users, items = _vectors(model, X_user, X_item)
    shape = len(users), len(items)
    known = sparse.csr_array(shape) if seen is None else check_interactions(seen, "seen", shape)
    relevant = _without(check_interactions(held_out, "held_out", shape), known)
    rows = np.flatnonzero(np.diff(relevant.indptr))
    if not len(rows):
        raise ValueError("held_out has no interaction with an item that is not in seen: there is nothing to find.")
    if candidates is None:
        ranker: _Unseen | _Candidates = _Unseen(items, known, getattr(model, "n_jobs", None))
    else:
        ranker = _Candidates(items, _without(_check_candidates(candidates, shape) + relevant, known))
    totals = _Totals(names, places, len(items))
    for batch in _batches(rows, ranker.values_per_user(totals)):
        ranker.add_to(totals, users[batch], batch, relevant[batch])
    return {**totals.means(), "n_users": len(rows)}


class _Totals:
    """Sums of the metrics over batches of users."""

    def __init__(self, names: tuple[str, ...], places: tuple[int, ...], n_items: int) -> None:
        self.names, self.places, self.n_items = names, places, n_items
        self.per_user: dict[str, list[NDArray[np.float64]]] = {}
        self.recommended = np.zeros((len(places) if "coverage" in names else 0, n_items), dtype=bool)

    @property
    def n(self) -> int:
        """Places to rank; 0 if no metric asks for rankings."""
        return min(max(self.places), self.n_items) if set(self.names) - {"auc"} else 0

    def add_rankings(self, ranked: Int64, relevant: sparse.csr_array) -> None:
        """Add rankings (n_rows, n) of some users, with their relevant items (n_rows, n_items)."""
        hits = hits_in_matrix(ranked, relevant)
        for k in self.places:
            for name in (name for name in self.names if name in PER_USER):
                self.per_user.setdefault(f"{name}@{k}", []).append(per_user(name, hits, k))
        for found, k in zip(self.recommended, self.places, strict=False):
            first = ranked[:, :k]
            found[first[first >= 0]] = True

    def add_scores(self, scores: Float32, is_relevant: Bools) -> None:
        """Add scores (n_rows, n_items) of some users, infinite for items that do not count."""
        self.per_user.setdefault("auc", []).append(auc_of_rows(scores, is_relevant))

    def means(self) -> dict[str, float]:
        values = {
            name: mean_over_users(np.concatenate(parts), "both a held-out and another item to rank")
            for name, parts in self.per_user.items()
        }
        shares = zip(self.places, self.recommended, strict=False)
        return values | {f"coverage@{k}": float(found.mean()) for k, found in shares}


class _Unseen:
    """Ranking of all items that a user has not seen."""

    def __init__(self, items: Float32, seen: sparse.csr_array, n_jobs: int | None) -> None:
        self.items = items
        self.seen = seen
        self.n_jobs = n_jobs

    @cached_property
    def index(self) -> ItemIndex:
        return ItemIndex(n_jobs=self.n_jobs).fit(self.items)

    def values_per_user(self, totals: _Totals) -> int:
        return max(totals.n, len(self.items) if "auc" in totals.names else 0)

    def add_to(self, totals: _Totals, users: Float32, rows: Int64, relevant: sparse.csr_array) -> None:
        """Rank for users (n_rows, k), whose numbers are `rows` (n_rows,), and add what comes out."""
        seen = self.seen[rows]
        if totals.n:
            totals.add_rankings(self.index.search(users, totals.n, exclude=seen)[0], relevant)
        if "auc" in totals.names:
            scores = users @ self.items.T
            scores[seen.nonzero()] = np.inf
            totals.add_scores(scores, relevant.astype(bool).toarray())


class _Candidates:
    """Ranking of the items in a user's row of `choice`."""

    def __init__(self, items: Float32, choice: sparse.csr_array) -> None:
        self.items = items
        self.choice = choice

    def values_per_user(self, totals: _Totals) -> int:
        return int(max(totals.n, np.diff(self.choice.indptr).max()) * self.items.shape[1])

    def add_to(self, totals: _Totals, users: Float32, rows: Int64, relevant: sparse.csr_array) -> None:
        """Rank for users (n_rows, k), whose numbers are `rows` (n_rows,), and add what comes out."""
        choice = self.choice[rows]
        counts = np.diff(choice.indptr)
        is_item = np.arange(max(counts.max(), totals.n)) < counts[:, None]
        positions = np.full(is_item.shape, -1, dtype=np.int64)
        positions[is_item] = choice.indices
        # Ranked in float64, as ItemIndex does it.
        scores = np.einsum("ud,und->un", users, self.items[positions], dtype=np.float64)
        if totals.n:
            totals.add_rankings(in_order(positions, scores, totals.n)[0], relevant)
        if "auc" in totals.names:
            rounded = np.where(is_item, scores, np.inf).astype(np.float32)
            totals.add_scores(rounded, hits_in_matrix(positions, relevant).at)


def _batches(rows: Int64, values_per_user: int) -> Iterator[Int64]:
    size = max(1, _BATCH_VALUES // values_per_user)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _vectors(model: Any, X_user: Any, X_item: Any) -> tuple[Float32, Float32]:
    if isinstance(model, type) or not (hasattr(model, "user_vector") and hasattr(model, "item_vector")):
        what = f"the class {model.__name__}" if isinstance(model, type) else kind_of(model)
        raise TypeError(f"model must be a fitted model with user_vector and item_vector, got {what}.")
    users = np.asarray(model.user_vector(X_user), dtype=np.float32)
    items = np.asarray(model.item_vector(X_item), dtype=np.float32)
    if users.ndim != 2 or items.ndim != 2 or users.shape[1] != items.shape[1]:
        raise ValueError(f"user_vector and item_vector must give rows of one length, got {users.shape}, {items.shape}.")
    for name, vectors in (("user_vector", users), ("item_vector", items)):
        if not (np.abs(vectors) < _MAX_VALUE).all():
            raise ValueError(f"{name} gives values that are NaN or beyond {_MAX_VALUE:g}: did the model diverge?")
    return users, items


def _without(matrix: sparse.csr_array, other: sparse.csr_array) -> sparse.csr_array:
    """Return the entries of `matrix` that `other` does not have, all of them 1."""
    ones, others = (
        sparse.csr_array((np.ones(m.nnz, dtype=np.int8), m.indices, m.indptr), shape=m.shape) for m in (matrix, other)
    )
    rest = sparse.csr_array(ones - ones.multiply(others))
    rest.sort_indices()
    return rest


def _check_candidates(candidates: Any, shape: tuple[int, int]) -> sparse.csr_array:
    if sparse.issparse(candidates):
        return _without(check_interactions(candidates, "candidates", shape), sparse.csr_array(shape))
    try:
        positions = np.asarray(candidates)
    except ValueError as error:
        raise ValueError(f"candidates must have rows of one length, filled up with -1: {error}") from error
    if positions.ndim != 2 or len(positions) != shape[0] or positions.dtype.kind not in "iu":
        raise ValueError(
            f"candidates must be a sparse matrix of shape (n_users, n_items) = {shape}, or integers of shape "
            f"({shape[0]}, n_candidates); got dtype {positions.dtype} and shape {positions.shape}."
        )
    wrong = (positions.astype(np.float64) < -1) | (positions >= shape[1])
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(f"candidates[{row}, {column}] is {positions[row, column]}, but there are {shape[1]} items.")
    rows, columns = np.nonzero(positions >= 0)
    entries = np.ones(len(rows), dtype=np.int8), (rows, positions[rows, columns])
    return _without(check_interactions(sparse.coo_array(entries, shape=shape), "candidates"), sparse.csr_array(shape))


def _check_metrics(metrics: Any) -> tuple[str, ...]:
    if isinstance(metrics, str) or not isinstance(metrics, Iterable):
        hint = f": write [{metrics!r}]" if isinstance(metrics, str) else ""
        raise TypeError(f"metrics must be a sequence of names, got {kind_of(metrics)}{hint}.")
    names = tuple(metrics)
    unknown = [name for name in names if name not in _METRICS]
    if unknown or not names:
        raise ValueError(f"metrics must be some of {list(_METRICS)}, got {unknown or 'none'}.")
    return tuple(dict.fromkeys(names))


def _check_k(k: Any) -> tuple[int, ...]:
    places = tuple(k) if isinstance(k, Sequence | np.ndarray) else (k,)
    if not places or not all(is_integer(1)(place) for place in places):
        raise ValueError(f"k must be an integer of at least 1, or several, got {k!r}.")
    return tuple(dict.fromkeys(int(place) for place in places))
