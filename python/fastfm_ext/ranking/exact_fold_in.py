"""Vectors of users and items that came after training, exactly as least squares over all pairs has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.scipy_matrices import transposed
from fastfm_ext._learning.solvers.newcomers import KnownRows, WholeDataTerms, solve_newcomers
from fastfm_ext._validation.interactions import to_interactions
from fastfm_ext.ranking.fold_in import check_vectors, read_histories

Relative = Callable[[Float32 | None, int], Float32 | None]


def fold_in_users(
    history: Any,
    item_vectors: ArrayLike,
    known: KnownRows | None,
    terms: WholeDataTerms,
    n_factors: int,
    relative: Relative,
) -> Float32:
    """Return the vectors of users, (n_users, n_factors + 1), or of one user: see `FMRanker.fold_in`.

    Parameters
    ----------
    history : array-like of int, or sparse matrix of shape (n_users, n_items)
    item_vectors : array-like of shape (n_items, n_factors + 1)
    known : KnownRows, or None
        What the users' known features add up to.
    terms : WholeDataTerms
    n_factors : int
    relative : callable
        From the weights of a matrix, or None for ones, and their number, to multiples of the mean weight in training.
    """
    vectors = check_vectors(item_vectors, n_factors)
    if not np.isfinite(vectors).all():
        raise ValueError("item_vectors has a value that is NaN or infinite, or too large for float32.")
    chosen, single = read_histories(history, len(vectors), relative, None if known is None else len(known.own))
    items = KnownRows(vectors[:, 1:], vectors[:, 0])
    users = solve_newcomers(chosen, items, known or _nothing(chosen.n_rows, n_factors), terms, have_pairs=False)
    result = np.column_stack([np.ones(chosen.n_rows, dtype=np.float32), users.factors])
    return result[0] if single else result


def fold_in_items(
    interactions: Any, users: KnownRows, known: KnownRows | None, terms: WholeDataTerms, relative: Relative
) -> Float32:
    """Return the vectors of items, (n_items, n_factors + 1): see `FMRanker.fold_in_items`.

    Parameters
    ----------
    interactions : {array-like, sparse matrix} of shape (n_users, n_items)
    users : KnownRows
        All users, (n_users,).
    known : KnownRows, or None
        What the items' known features add up to.
    terms : WholeDataTerms
    relative : callable
        As in `fold_in_users`.
    """
    shape = np.shape(interactions)
    n_items = len(known.own) if known is not None else shape[-1] if shape else 0
    chosen = to_interactions(interactions, len(users.own), n_items, may_be_empty=True)
    by_item = transposed(replace(chosen, data=relative(chosen.data, chosen.nnz)))
    start = known or _nothing(n_items, users.factors.shape[1])
    items = solve_newcomers(by_item, users, start, terms, have_pairs=True)
    return np.column_stack([items.own, items.factors])


def _nothing(n: int, n_factors: int) -> KnownRows:
    return KnownRows(np.zeros((n, n_factors), dtype=np.float32), np.zeros(n, dtype=np.float32))
