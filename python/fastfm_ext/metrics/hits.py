"""Hits of rankings, and the metrics of each user that are computed from them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastfm_ext._common.arrays import Bools, Float64, Int64
from fastfm_ext._common.checks import kind_of
from fastfm_ext._common.sparse import sparse
from fastfm_ext._validation.matrices import check_interactions

# For so few scores, comparing them with all others takes less time than sorting these.
_FEW = 32


class Hits(NamedTuple):
    """Rankings, reduced to where they hold relevant items.

    Attributes
    ----------
    at : bool ndarray of shape (n_users, n)
        Whether the item at this place is relevant to this user.
    n_relevant : int64 ndarray of shape (n_users,)
        Relevant items of each user, ranked or not.
    """

    at: Bools
    n_relevant: Int64


def find_hits(ranked: ArrayLike, relevant: Any) -> Hits:
    """Look up the ranked items among the relevant ones; `fastfm_ext.metrics` describes both forms."""
    places = check_rankings(ranked)
    if sparse.issparse(relevant):
        return hits_in_matrix(places, check_interactions(relevant, "relevant"))
    _check_collections(relevant, len(places))
    return _hits_in_collections(places, relevant)


def check_rankings(ranked: ArrayLike) -> NDArray[Any]:
    """Return rankings as an array of shape (n_users, n)."""
    if np.ma.is_masked(ranked):
        raise ValueError("ranked has masked entries. Fill them with -1, which stands for no item.")
    try:
        places = np.asarray(ranked)
    except ValueError as error:
        raise ValueError(f"ranked must have shape (n_users, n): {error}") from error
    if places.ndim != 2:
        raise ValueError(f"ranked must have shape (n_users, n), one row of items a user; got shape {places.shape}.")
    return places


def hits_in_matrix(places: NDArray[Any], relevant: sparse.csr_array) -> Hits:
    """Look up positions (n_users, n) in a matrix (n_users, n_items) as `check_interactions` returns it."""
    n_users, n_items = relevant.shape
    if len(places) != n_users:
        raise ValueError(f"ranked has {len(places)} rows, but relevant has {n_users}: one row a user in both.")
    if places.dtype.kind not in "iu":
        raise ValueError(
            f"ranked has dtype {places.dtype}, but relevant is a matrix, so that integers are wanted: the positions of "
            "its columns. For ids, pass relevant as one collection of ids a user."
        )
    wrong = (places < -1) | (places >= n_items) if places.dtype.kind == "i" else places >= n_items
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"ranked[{row}, {column}] is {places[row, column]}, but relevant has {n_items} columns: positions go from "
            f"0 to {n_items - 1}, and -1 stands for no item."
        )
    places = places.astype(np.int64, copy=False)
    in_order = np.sort(places, axis=1)
    twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] >= 0)
    if twice.any():
        row, column = np.argwhere(twice)[0]
        raise ValueError(f"ranked[{row}] holds item {in_order[row, column]} twice; an item has one place in a ranking.")
    n_relevant = np.diff(relevant.indptr).astype(np.int64)
    # Both as numbers of cells of the matrix. The relevant ones are sorted, as a CSR row's indices are in order.
    cells = np.repeat(np.arange(n_users, dtype=np.int64), n_relevant) * n_items + relevant.indices
    wanted = places + np.arange(n_users, dtype=np.int64)[:, None] * n_items
    found = np.searchsorted(cells, wanted)
    at = (np.append(cells, -1)[found] == wanted) & (places >= 0)
    return Hits(at, n_relevant)


def _check_collections(relevant: Any, n_users: int) -> None:
    misread = isinstance(relevant, str | bytes | Mapping) or getattr(relevant, "ndim", 1) != 1
    if misread or not isinstance(relevant, Collection):
        raise TypeError(
            "relevant must be a SciPy sparse matrix of shape (n_users, n_items) or a list with one collection of ids a "
            f"user, got {kind_of(relevant)}. Turn a table of 0 and 1 into scipy.sparse.csr_array(table)."
        )
    if len(relevant) != n_users:
        raise ValueError(f"ranked has {n_users} rows, but relevant has {len(relevant)} entries: one a user in both.")


def _hits_in_collections(places: NDArray[Any], relevant: Iterable[Any]) -> Hits:
    at = np.zeros(places.shape, dtype=bool)
    n_relevant = np.zeros(len(places), dtype=np.int64)
    for row, (ranking, ids) in enumerate(zip(places.tolist(), relevant, strict=True)):
        wanted = _ids_of(ids, row)
        given = [item for item in ranking if not is_padding(item)]
        if len(set(given)) < len(given):
            twice = next(item for i, item in enumerate(given) if item in given[:i])
            raise ValueError(f"ranked[{row}] holds item {twice!r} twice; an item has one place in a ranking.")
        at[row] = [item in wanted and not is_padding(item) for item in ranking]
        n_relevant[row] = len(wanted)
    return Hits(at, n_relevant)


def _ids_of(ids: Any, row: int) -> set[Any]:
    if ids is None:
        return set()
    if isinstance(ids, str | bytes | Mapping) or not isinstance(ids, Iterable):
        raise TypeError(f"relevant[{row}] must be a collection of ids such as a list, got {kind_of(ids)}.")
    # NumPy's scalars would not be found among the Python ones that the rankings are read as.
    values = ids.tolist() if hasattr(ids, "tolist") else ids
    try:
        return set(values)
    except TypeError as error:
        raise TypeError(f"relevant[{row}] must hold ids, which are hashable: {error}.") from error


def is_padding(item: Any) -> bool:
    """Return whether an entry of a ranking stands for no item, as `ItemIndex.search` fills its rows."""
    return item is None or (type(item) is int and item == -1)


# Each returns (n_users,) from `Hits` cut to k places, or to all items if these are fewer. The values of users without
# relevant items are replaced by `per_user`.


def _n_hits(at: Bools) -> Float64:
    return np.asarray(at.sum(axis=1), dtype=np.float64)


def _recall(at: Bools, n_relevant: Int64, k: int) -> Float64:
    return _n_hits(at) / np.maximum(n_relevant, 1)


def _truncated_recall(at: Bools, n_relevant: Int64, k: int) -> Float64:
    recall: Float64 = _n_hits(at) / np.clip(n_relevant, 1, k)
    return recall


def _precision(at: Bools, n_relevant: Int64, k: int) -> Float64:
    precision: Float64 = _n_hits(at) / k
    return precision


def _ndcg(at: Bools, n_relevant: Int64, k: int) -> Float64:
    discount = 1 / np.log2(np.arange(2, at.shape[1] + 2))
    ideal = np.cumsum(discount)[np.clip(n_relevant, 1, at.shape[1]) - 1]
    ndcg: Float64 = (at @ discount) / ideal
    return ndcg


def _average_precision(at: Bools, n_relevant: Int64, k: int) -> Float64:
    precision = np.cumsum(at, axis=1) / np.arange(1, at.shape[1] + 1)
    total: Float64 = (at * precision).sum(axis=1) / np.clip(n_relevant, 1, k)
    return total


def _reciprocal_rank(at: Bools, n_relevant: Int64, k: int) -> Float64:
    reciprocal: Float64 = _hit(at, n_relevant, k) / (np.argmax(at, axis=1) + 1)
    return reciprocal


def _hit(at: Bools, n_relevant: Int64, k: int) -> Float64:
    return np.asarray(at.any(axis=1), dtype=np.float64)


PER_USER: dict[str, Callable[[Bools, Int64, int], Float64]] = {
    "recall": _recall,
    "truncated_recall": _truncated_recall,
    "precision": _precision,
    "ndcg": _ndcg,
    "map": _average_precision,
    "mrr": _reciprocal_rank,
    "hit_rate": _hit,
}


def per_user(name: str, hits: Hits, k: int) -> Float64:
    """Return the metric of each user's first `k` places, shape (n_users,); NaN for users without relevant items.

    Rankings of all items may be shorter than `k`.
    """
    values = PER_USER[name](hits.at[:, :k], hits.n_relevant, k)
    return np.where(hits.n_relevant > 0, values, np.nan)


def auc_of_rows(scores: NDArray[np.floating[Any]], is_relevant: Bools) -> Float64:
    """Return each row's share of pairs (relevant, other) in the right order, ties half, shape (n_users,).

    A score of infinity marks an item that does not count. NaN where a row has no such pair.
    Fawcett, "An introduction to ROC analysis" (2006), section 7. O(n_items min(n_relevant, log n_items)) a row.
    """
    values = np.full(len(scores), np.nan)
    counted = np.isfinite(scores)
    n_relevant = (is_relevant & counted).sum(axis=1)
    n_others = counted.sum(axis=1) - n_relevant
    for row in np.flatnonzero((n_relevant > 0) & (n_others > 0)):
        not_above = _counts_not_above(scores[row], scores[row, is_relevant[row] & counted[row]])
        # Every pair of relevant items counts once, and each item half with itself: n^2 / 2 together.
        won = not_above - n_relevant[row] ** 2 / 2
        values[row] = won / (n_relevant[row] * n_others[row])
    return values


def _counts_not_above(scores: NDArray[np.floating[Any]], wanted: NDArray[np.floating[Any]]) -> float:
    """Return the sum over the wanted scores (n,) of how many scores (n_items,) are below, equal ones half."""
    if len(wanted) <= _FEW:
        return sum(int(np.count_nonzero(scores < s)) + int(np.count_nonzero(scores <= s)) for s in wanted) / 2
    in_order = np.sort(scores)
    places = (np.searchsorted(in_order, wanted, side=side).sum(dtype=np.int64) for side in ("left", "right"))
    return float(sum(places)) / 2


def mean_over_users(values: Float64, wanted: str) -> float:
    """Average the values (n_users,) that are not NaN; `wanted` completes the error "No user has"."""
    counted = values[~np.isnan(values)]
    if not len(counted):
        raise ValueError(f"No user has {wanted}, so there is nothing to measure.")
    return float(counted.mean())
