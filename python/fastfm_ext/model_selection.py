"""Splits of interactions, user by user, into training and held-out ones.

Both functions take the interactions as a SciPy sparse matrix of shape (n_users, n_items) or as a table of events, one
a row, and return two of the same kind: what to train on, and what to hold out. Every interaction is in exactly one.

Which interactions of a user are held out: the last by `time`, or random ones. To keep whole users or items from
training, split the events with ``sklearn.model_selection.GroupShuffleSplit``, the users or items being the groups.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_random_state

from fastfm_ext._common.arrays import Int64
from fastfm_ext._common.checks import is_real, kind_of
from fastfm_ext._tables.coding import Coded
from fastfm_ext._tables.read import column_names, read_columns
from fastfm_ext._validation.matrices import check_interactions, checked_csr

__all__ = ["leave_one_out", "split_by_user"]

# From the number of interactions of each user (n_users,) to how many of them are held out (n_users,).
CountRule = Callable[[Int64], Int64]


def leave_one_out(
    interactions: Any, *, user: str | None = None, time: Any = None, random_state: Any = None
) -> tuple[Any, Any]:
    """Hold out one interaction of each user: the last, or a random one.

    A user's only interaction stays in training.

    Parameters
    ----------
    interactions : sparse matrix of shape (n_users, n_items), or pandas or polars DataFrame
        Nonzeros, or rows, are interactions.
    user : str, optional
        With a table, and only then: the column that tells the user.
    time : sparse matrix of shape (n_users, n_items) or str, optional
        Hold out the last interaction. With a matrix: another with the time of each interaction; with a table: the
        column that tells the time, as numbers or dates, not as text. Among equal times, the one further down (to the
        right in a matrix) is the last. By default a random interaction is held out.
    random_state : int, RandomState instance or None, default=None
        Without `time`: the same integer gives the same split.

    Returns
    -------
    train, held_out : csr_array of shape (n_users, n_items), or DataFrame
        Values and rows are those of `interactions`, in their order.

    Raises
    ------
    TypeError
        If `interactions` or `time` is of another kind.
    ValueError
        If a column is not there or has gaps, or `time` does not have one entry an interaction.

    Notes
    -----
    The protocol of He et al., "Neural Collaborative Filtering" (WWW 2017), with `time`.

    A row of a table is an interaction, so that a user who came back to an item can have it on both sides;
    `fastfm_ext.evaluation.evaluate` does not count such items. Drop duplicates first to split items, not visits.

    Examples
    --------
    >>> from scipy import sparse
    >>> from fastfm_ext.model_selection import leave_one_out
    >>> interactions = sparse.csr_array([[1, 0, 1, 1], [0, 1, 0, 0]])
    >>> time = sparse.csr_array([[300, 0, 500, 400], [0, 100, 0, 0]])
    >>> train, held_out = leave_one_out(interactions, time=time)
    >>> held_out.toarray().tolist()
    [[0, 0, 1, 0], [0, 0, 0, 0]]
    """
    return _split(interactions, _one, user, time, random_state)


def split_by_user(
    interactions: Any,
    test_size: float = 0.2,
    *,
    user: str | None = None,
    time: Any = None,
    random_state: Any = None,
) -> tuple[Any, Any]:
    """Hold out a share of each user's interactions: the last, or random ones.

    Of n interactions ``floor(n * test_size + 1/2)`` are held out, and always at least one is left in training.

    Parameters
    ----------
    interactions : sparse matrix of shape (n_users, n_items), or pandas or polars DataFrame
        Nonzeros, or rows, are interactions.
    test_size : float, default=0.2
        Share to hold out, above 0 and below 1.
    user, time, random_state
        As for `leave_one_out`.

    Returns
    -------
    train, held_out : csr_array of shape (n_users, n_items), or DataFrame
        Values and rows are those of `interactions`, in their order.

    Raises
    ------
    TypeError, ValueError
        As for `leave_one_out`; ValueError for a `test_size` out of range, too.

    Notes
    -----
    With 0.2 and no `time`, the protocol of Wang et al., "Neural Graph Collaborative Filtering" (SIGIR 2019).

    Examples
    --------
    >>> import pandas as pd
    >>> from fastfm_ext.model_selection import split_by_user
    >>> events = pd.DataFrame({"user": list("aaaab"), "item": list("vwxyz")})
    >>> train, held_out = split_by_user(events, 0.5, user="user", random_state=0)
    >>> train["user"].tolist(), held_out["user"].tolist()
    (['a', 'a', 'b'], ['a', 'a'])
    """
    if not is_real(0, open_at_low=True, high=1)(test_size):
        raise ValueError(f"test_size must be a number above 0 and below 1, got {test_size!r}.")
    return _split(interactions, partial(_share, share=float(test_size)), user, time, random_state)


def _one(counts: Int64) -> Int64:
    return (counts > 1).astype(np.int64)


def _share(counts: Int64, share: float) -> Int64:
    return np.minimum((counts * share + 0.5).astype(np.int64), counts - 1)


def _split(interactions: Any, n_held: CountRule, user: str | None, time: Any, random_state: Any) -> tuple[Any, Any]:
    if sparse.issparse(interactions):
        if user is not None:
            raise ValueError(f"user={user!r} names a column, but interactions is a matrix: its rows are the users.")
        return _split_matrix(check_interactions(interactions, "interactions"), n_held, time, random_state)
    return _split_table(interactions, n_held, user, time, random_state)


def _split_matrix(
    interactions: sparse.csr_array, n_held: CountRule, time: Any, random_state: Any
) -> tuple[sparse.csr_array, sparse.csr_array]:
    users = np.repeat(np.arange(interactions.shape[0]), np.diff(interactions.indptr))
    keys: NDArray[Any] = _random_keys(len(users), random_state) if time is None else _times_of(interactions, time)
    held = _last_of_each(users, keys, n_held)
    return _entries(interactions, users, ~held), _entries(interactions, users, held)


def _times_of(interactions: sparse.csr_array, time: Any) -> NDArray[Any]:
    if not sparse.issparse(time):
        raise TypeError(
            f"time must be a sparse matrix with the time of each interaction, as interactions is one; got a "
            f"{type(time).__name__}."
        )
    times = checked_csr(time, "time")
    same = times.shape == interactions.shape and np.array_equal(times.indptr, interactions.indptr)
    if not same or not np.array_equal(times.indices, interactions.indices):
        raise ValueError(
            f"time must have the shape and the entries of interactions: one time for each of the {interactions.nnz} "
            f"interactions of shape {interactions.shape}; got {times.nnz} of shape {times.shape}."
        )
    missing = np.isnan(times.data) if times.dtype.kind == "f" else np.zeros(0, dtype=bool)
    if missing.any():
        raise ValueError("time holds NaN. Leave out interactions whose time is unknown, or split at random.")
    values: NDArray[Any] = times.data
    return values


def _entries(matrix: sparse.csr_array, rows: NDArray[np.intp], chosen: NDArray[np.bool_]) -> sparse.csr_array:
    """Return the chosen (nnz,) entries of a matrix, whose rows are `rows` (nnz,)."""
    indptr = np.append(0, np.cumsum(np.bincount(rows[chosen], minlength=matrix.shape[0])))
    return sparse.csr_array((matrix.data[chosen], matrix.indices[chosen], indptr), shape=matrix.shape)


def _split_table(
    events: Any, n_held: CountRule, user: str | None, time: str | None, random_state: Any
) -> tuple[Any, Any]:
    names = _names_of(events)
    if user is None:
        raise ValueError(f"user must name the column of the table that tells the user; it has {names}.")
    wanted = {"user": user} if time is None else {"user": user, "time": time}
    for argument, name in wanted.items():
        if name not in names:
            raise ValueError(f"{argument}={name!r} is not a column of the table; it has {names}.")
    columns, n_rows = read_columns(events, wanted.values(), may_be_empty=True)
    users = _without_gaps(columns[user].coded, user)
    keys = _random_keys(n_rows, random_state) if time is None else _ranks_in_time(columns[time].coded, time)
    held = _last_of_each(users, keys, n_held)
    rows = events.iloc if hasattr(events, "iloc") else events
    return rows[np.flatnonzero(~held)], rows[np.flatnonzero(held)]


def _names_of(events: Any) -> list[Any]:
    is_lazy = hasattr(events, "collect")
    if is_lazy or not (hasattr(events, "columns") and hasattr(events, "shape")):
        hint = " Call its collect() first." if is_lazy else ""
        raise TypeError(
            "interactions must be a SciPy sparse matrix of shape (n_users, n_items) or a pandas or polars DataFrame, "
            f"got {kind_of(events)}.{hint}"
        )
    return column_names(events)


def _without_gaps(column: Coded, name: str) -> Int64:
    missing = np.flatnonzero(column.codes < 0)
    if len(missing):
        raise ValueError(f"column {name!r} has no value in row {missing[0]}. Drop such rows, or fill them in.")
    return column.codes.astype(np.int64)


def _ranks_in_time(times: Coded, name: str) -> NDArray[Any]:
    codes = _without_gaps(times, name)
    if times.values.dtype.kind in "OUT" and any(isinstance(value, str) for value in times.values):
        raise TypeError(
            f"column {name!r} holds text, which has another order than the times it tells. Turn it into dates or "
            "numbers, as pandas.to_datetime does."
        )
    try:
        order = np.argsort(times.values, kind="stable")
    except TypeError as error:
        raise TypeError(f"column {name!r} holds values that have no order: {error}.") from error
    return np.argsort(order)[codes]


def _random_keys(n: int, random_state: Any) -> NDArray[np.float64]:
    return np.random.default_rng(check_random_state(random_state).randint(2**31)).random(n)


def _last_of_each(users: NDArray[Any], keys: NDArray[Any], n_held: CountRule) -> NDArray[np.bool_]:
    """Return the mask (n,) of each user's interactions with the largest keys, among equal keys the later ones.

    `users` (n,) has the number of each interaction's user, `keys` (n,) the order among them.
    """
    counts = np.bincount(users).astype(np.int64)
    order = np.lexsort((keys, users))
    starts = np.cumsum(counts) - counts
    owner = users[order]
    held = np.zeros(len(users), dtype=bool)
    held[order] = np.arange(len(users)) - starts[owner] >= (counts - n_held(counts))[owner]
    return held
