"""Ranking metrics averaged over users: recall, precision, NDCG and others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float64
from fastfm_ext._common.checks import is_integer
from fastfm_ext._validation.matrices import check_interactions
from fastfm_ext.metrics.hits import (
    PER_USER,
    auc_of_rows,
    check_rankings,
    find_hits,
    is_padding,
    mean_over_users,
    per_user,
)


def recall_at_k(ranked: ArrayLike, relevant: Any, k: int, *, truncated: bool = False) -> float:
    """Share of a user's relevant items that are among the first `k`.

    ``hits / n_relevant``. With `truncated`, ``hits / min(k, n_relevant)``: then 1 can be reached by users with more
    than `k` relevant items, too.

    Parameters
    ----------
    ranked : array-like of shape (n_users, n)
        Positions or ids, best first.
    relevant : sparse matrix of shape (n_users, n_items), or list of n_users collections of ids
        What each user wants.
    k : int
        Places that count, from 1 to n.
    truncated : bool, default=False
        Divide by at most `k`.

    Returns
    -------
    float
        From 0 to 1; mean over the users with relevant items.

    Raises
    ------
    TypeError
        If `relevant` is of another kind.
    ValueError
        If shapes do not fit, `k` is not from 1 to n, a position is out of range, an item stands twice in a ranking, or
        nobody has a relevant item.

    Notes
    -----
    Without `truncated` as in LightGCN [1]_ and the BARS benchmark, with it as in Mult-VAE [2]_.

    References
    ----------
    .. [1] He, Deng, Wang, Li, Zhang, Wang, "LightGCN: Simplifying and Powering Graph Convolution Network for
       Recommendation", SIGIR 2020.
    .. [2] Liang, Krishnan, Hoffman, Jebara, "Variational Autoencoders for Collaborative Filtering", WWW 2018.

    Examples
    --------
    >>> from scipy import sparse
    >>> from fastfm_ext.metrics import recall_at_k
    >>> relevant = sparse.csr_array([[1, 0, 1, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
    >>> ranked = [[2, 1], [3, 1], [0, 1]]
    >>> recall_at_k(ranked, relevant, k=2)  # (1/3 + 1) / 2; the third user wants nothing
    0.6666666666666666
    >>> recall_at_k([["b", "a"]], [["a", "c"]], k=1)
    0.0
    """
    return _mean_at_k("truncated_recall" if truncated else "recall", ranked, relevant, k)


def precision_at_k(ranked: ArrayLike, relevant: Any, k: int) -> float:
    """Share of the first `k` places that hold a relevant item.

    ``hits / k``, also where a user has fewer than `k` relevant items or the ranking fewer than `k` items.

    Parameters
    ----------
    ranked, relevant, k
        As for `recall_at_k`.

    Returns
    -------
    float
        From 0 to 1; mean over the users with relevant items.

    Raises
    ------
    TypeError, ValueError
        As for `recall_at_k`.

    Examples
    --------
    >>> from fastfm_ext.metrics import precision_at_k
    >>> precision_at_k([["b", "a"], ["c", "b"]], [["a", "c"], ["b", "c"]], k=2)
    0.75
    """
    return _mean_at_k("precision", ranked, relevant, k)


def ndcg_at_k(ranked: ArrayLike, relevant: Any, k: int) -> float:
    """Normalised discounted cumulative gain of the first `k` places.

    ``DCG / ideal DCG`` with ``DCG = sum over hits 1 / log2(place + 1)``, places from 1, and the ideal DCG that of
    ``min(k, n_relevant)`` hits in the first places.

    Parameters
    ----------
    ranked, relevant, k
        As for `recall_at_k`.

    Returns
    -------
    float
        From 0 to 1; mean over the users with relevant items.

    Raises
    ------
    TypeError, ValueError
        As for `recall_at_k`.

    Notes
    -----
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002), with gains of 0 and 1 and the
    discount of Burges et al. (2005), as LightGCN, BARS and NCF use it. It equals ``sklearn.metrics.ndcg_score`` where
    no scores are tied.

    Examples
    --------
    >>> from fastfm_ext.metrics import ndcg_at_k
    >>> round(
    ...     ndcg_at_k([["b", "a", "c"]], [["a", "c"]], k=2), 4
    ... )  # (1 / log2 3) / (1 + 1 / log2 3)
    0.3869
    """
    return _mean_at_k("ndcg", ranked, relevant, k)


def map_at_k(ranked: ArrayLike, relevant: Any, k: int) -> float:
    """Mean average precision of the first `k` places.

    Average precision is ``sum over hits precision at their place / min(k, n_relevant)``. The divisor is the variant
    of implicit and of Kaggle's MAP@k; with ``k = n_items`` it is the usual average precision, and the mean is
    ``sklearn.metrics.label_ranking_average_precision_score`` where no scores are tied.

    Parameters
    ----------
    ranked, relevant, k
        As for `recall_at_k`.

    Returns
    -------
    float
        From 0 to 1; mean over the users with relevant items.

    Raises
    ------
    TypeError, ValueError
        As for `recall_at_k`.

    Examples
    --------
    >>> from fastfm_ext.metrics import map_at_k
    >>> map_at_k([["a", "b", "c"]], [["a", "c"]], k=3)  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    return _mean_at_k("map", ranked, relevant, k)


def mrr(ranked: ArrayLike, relevant: Any, k: int | None = None) -> float:
    """Mean reciprocal rank: one over the place of the first relevant item, places from 1.

    0 where none is among the first `k` (Voorhees, "The TREC-8 question answering track report", 1999).

    Parameters
    ----------
    ranked, relevant
        As for `recall_at_k`.
    k : int, optional
        Places that count; all by default.

    Returns
    -------
    float
        From 0 to 1; mean over the users with relevant items.

    Raises
    ------
    TypeError, ValueError
        As for `recall_at_k`.

    Examples
    --------
    >>> from fastfm_ext.metrics import mrr
    >>> mrr([["b", "a"], ["c", "b"]], [["a"], ["c", "b"]])
    0.75
    """
    return _mean_at_k("mrr", ranked, relevant, check_rankings(ranked).shape[1] if k is None else k)


def hit_rate_at_k(ranked: ArrayLike, relevant: Any, k: int) -> float:
    """Share of users with a relevant item among their first `k`.

    With one relevant item a user, as leave-one-out has it, this is HR@k of NCF (He et al., "Neural Collaborative
    Filtering", WWW 2017), and the same as `recall_at_k`.

    Parameters
    ----------
    ranked, relevant, k
        As for `recall_at_k`.

    Returns
    -------
    float
        From 0 to 1; over the users with relevant items.

    Raises
    ------
    TypeError, ValueError
        As for `recall_at_k`.

    Examples
    --------
    >>> from fastfm_ext.metrics import hit_rate_at_k
    >>> hit_rate_at_k([["b", "a"], ["c", "b"]], [["a"], ["a"]], k=2)
    0.5
    """
    return _mean_at_k("hit_rate", ranked, relevant, k)


def auc(scores: ArrayLike, relevant: Any, exclude: Any = None) -> float:
    """Area under the ROC curve: how often a relevant item has a higher score than another item.

    The share of pairs (a relevant item, an item that is not) in the right order, pairs of equal scores counting half.
    It needs the scores of all items, not only the first of a ranking.

    Parameters
    ----------
    scores : array-like of shape (n_users, n_items)
        Finite; higher is better.
    relevant : sparse matrix of shape (n_users, n_items)
        Nonzero where an item is relevant.
    exclude : sparse matrix of shape (n_users, n_items), optional
        Nonzero where an item does not count at all, for example since the user has seen it.

    Returns
    -------
    float
        From 0 to 1; 0.5 is chance. Mean over the users with relevant and with other items.

    Raises
    ------
    TypeError
        If `relevant` or `exclude` is not sparse.
    ValueError
        If shapes do not fit, a score is not finite, or nobody has both a relevant and another item.

    Notes
    -----
    For each user what ``sklearn.metrics.roc_auc_score`` computes: Fawcett, "An introduction to ROC analysis" (2006).

    Examples
    --------
    >>> from scipy import sparse
    >>> from fastfm_ext.metrics import auc
    >>> auc([[0.9, 0.1, 0.5, 0.7]], sparse.csr_array([[0, 0, 1, 1]]))
    0.5
    >>> auc(
    ...     [[0.9, 0.1, 0.5, 0.7]],
    ...     sparse.csr_array([[0, 0, 1, 1]]),
    ...     exclude=sparse.csr_array([[1, 0, 0, 0]]),
    ... )
    1.0
    """
    wanted = check_interactions(relevant, "relevant")
    table = np.array(scores)
    if table.dtype.kind not in "biuf" or table.shape != wanted.shape:
        raise ValueError(
            f"scores must be numbers of shape (n_users, n_items) = {wanted.shape}, as relevant has it; got dtype "
            f"{table.dtype} and shape {table.shape}."
        )
    table = table if table.dtype == np.float32 else table.astype(np.float64)
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(
            f"scores[{row}, {column}] is {table[row, column]}. Leave items out with exclude, not by a score."
        )
    if exclude is not None:
        table[check_interactions(exclude, "exclude", wanted.shape).nonzero()] = np.inf
    return mean_over_users(auc_of_rows(table, wanted.astype(bool).toarray()), "both a relevant and another item")


def coverage(ranked: ArrayLike, n_items: int, k: int | None = None) -> float:
    """Share of the items that are recommended to anybody: that stand among the first `k` of some ranking.

    Catalogue coverage of Ge, Delgado-Battenfeld, Jannach, "Beyond accuracy" (2010).

    Parameters
    ----------
    ranked : array-like of shape (n_users, n)
        Positions or ids, best first.
    n_items : int
        Items that there are.
    k : int, optional
        Places that count; all by default.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    TypeError
        If an id is not hashable.
    ValueError
        If `n_items` is not a positive integer, `k` is not from 1 to n, or the rankings hold more than `n_items` items.

    Examples
    --------
    >>> from fastfm_ext.metrics import coverage
    >>> coverage([["b", "a"], ["b", "c"]], n_items=4, k=1)
    0.25
    """
    places = check_rankings(ranked)
    if not is_integer(1)(n_items):
        raise ValueError(f"n_items must be an integer of at least 1, got {n_items!r}.")
    places = places[:, : _check_k(places.shape[1] if k is None else k, places.shape[1])]
    try:
        values = np.unique(places).tolist() if places.dtype.kind in "iu" else set(places.ravel().tolist())
    except TypeError as error:
        raise TypeError(f"ranked must hold positions or ids, which are hashable: {error}.") from error
    n_found = sum(not is_padding(item) for item in values)
    if n_found > n_items:
        raise ValueError(f"ranked holds {n_found} different items, but n_items is {n_items}.")
    return n_found / int(n_items)


def values_by_user(metric: str, ranked: ArrayLike, relevant: Any, k: int) -> Float64:
    """Values of a metric for each user, to compare models user by user or to look for users who are served badly.

    Parameters
    ----------
    metric : {"recall", "truncated_recall", "precision", "ndcg", "map", "mrr", "hit_rate"}
        Which one; "map" for the average precision and "mrr" for the reciprocal rank.
    ranked, relevant, k
        As for `recall_at_k`.

    Returns
    -------
    ndarray of shape (n_users,)
        NaN for users without relevant items.

    Raises
    ------
    TypeError, ValueError
        As for `recall_at_k`; ValueError for an unknown metric, too.

    Examples
    --------
    >>> from fastfm_ext.metrics import values_by_user
    >>> values_by_user(
    ...     "hit_rate", [["b", "a"], ["c", "b"], ["a", "b"]], [["a"], ["a"], []], k=2
    ... ).tolist()
    [1.0, 0.0, nan]
    """
    if metric not in PER_USER:
        raise ValueError(f"metric must be one of {list(PER_USER)}, got {metric!r}.")
    hits = find_hits(ranked, relevant)
    return per_user(metric, hits, _check_k(k, hits.at.shape[1]))


def _mean_at_k(metric: str, ranked: ArrayLike, relevant: Any, k: int) -> float:
    return mean_over_users(values_by_user(metric, ranked, relevant, k), "a relevant item")


def _check_k(k: Any, n: int) -> int:
    if not is_integer(1)(k) or k > n:
        raise ValueError(
            f"k must be an integer from 1 to {n}, the length of the rankings, got {k!r}. Search with a larger n to "
            "look further down."
        )
    return int(k)
