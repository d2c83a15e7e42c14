"""Interactions from a table of events: ids of users and items as a sparse matrix of who chose what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float64, Int64
from fastfm_ext._common.checks import errors_that_name
from fastfm_ext._tables.column import Column
from fastfm_ext._tables.read import as_table, column_names, read_columns
from fastfm_ext.retrieval.ids import IdPositions, as_id_array, positions_by_id


class Interactions(NamedTuple):
    """Who chose what.

    Attributes
    ----------
    matrix : csr_array of shape (n_users, n_items), float64
        The weights of each pair's events, added up; without weights their number.
    user_ids, item_ids : ndarray of shape (n_users,), (n_items,)
        Ids of the rows and columns, int64 where all are integers, else objects.
    times : csr_array of shape (n_users, n_items), float64, or None
        The time of each pair's last event, with the entries of `matrix`; dates in seconds since 1970.
    n_left_out : int
        Events of users and items that are not among those asked for.

    Examples
    --------
    >>> from fastfm_ext import interactions_from_table
    >>> found = interactions_from_table({"user_id": ["ann", "bob"], "item_id": [7, 9]})
    >>> found.matrix.shape, found.user_ids.tolist(), found.item_ids.tolist(), found.n_left_out
    ((2, 2), ['ann', 'bob'], [7, 9], 0)
    """

    matrix: sparse.csr_array
    user_ids: AnyArray
    item_ids: AnyArray
    times: sparse.csr_array | None = None
    n_left_out: int = 0


def interactions_from_table(
    events: Any,
    *,
    user: str = "user_id",
    item: str = "item_id",
    weight: str | None = None,
    time: str | None = None,
    user_ids: Iterable[Any] | None = None,
    item_ids: Iterable[Any] | None = None,
) -> Interactions:
    """Turn a table of events, one a row, into a sparse matrix of users and items.

    Parameters
    ----------
    events : pandas or polars DataFrame, Arrow table, or mapping of column name to array, with n_events rows
    user, item : str, default="user_id", "item_id"
        Columns that say who chose what.
    weight : str, optional
        Column of weights, such as play counts: finite and not negative. A pair whose weights add up to 0 is none.
    time : str, optional
        Column of times, as numbers or dates.
    user_ids, item_ids : iterable of hashables, optional
        The ids of rows and columns, in their order, such as those of earlier interactions. Events of others are left
        out and counted. By default the ids in `events`, sorted.

    Returns
    -------
    Interactions
        A named tuple with the fields `matrix`, `user_ids`, `item_ids`, `times` and `n_left_out`.

    Raises
    ------
    TypeError
        If `events` is no table, or ids cannot be categories.
    ValueError
        If a column is missing or has gaps, a weight is negative, or an id is given twice.

    Examples
    --------
    >>> from fastfm_ext.recommender import interactions_from_table
    >>> plays = {
    ...     "user_id": ["ann", "bob", "ann", "ann"],
    ...     "item_id": [7, 7, 9, 7],
    ...     "plays": [2, 1, 5, 1],
    ... }
    >>> found = interactions_from_table(plays, weight="plays")
    >>> found.matrix.toarray().tolist(), found.user_ids.tolist(), found.item_ids.tolist()
    ([[3.0, 5.0], [1.0, 0.0]], ['ann', 'bob'], [7, 9])
    >>> interactions_from_table(plays, item_ids=[9, 10]).matrix.toarray().tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    columns = event_columns(events, [("user", user), ("item", item), ("weight", weight), ("time", time)])
    users, user_ids = positions_in(columns[user], "user_ids", user_ids)
    items, item_ids = positions_in(columns[item], "item_ids", item_ids)
    kept = (users >= 0) & (items >= 0)
    values = np.ones(len(users)) if weight is None else weights_of(columns[weight])
    pairs = users[kept], items[kept]
    shape = len(user_ids), len(item_ids)
    matrix = sparse.coo_array((values[kept], pairs), shape=shape).tocsr()
    times = None
    if time is not None:
        chosen = values[kept] > 0
        times = latest(pairs[0][chosen], pairs[1][chosen], numbers_without_gaps(columns[time])[kept][chosen], shape)
    matrix.eliminate_zeros()
    return Interactions(matrix, user_ids, item_ids, times, int((~kept).sum()))


def event_columns(events: Any, named: Sequence[tuple[str, str | None]]) -> dict[str, Column]:
    """Read columns, each named by an argument, by their names; None names none.

    Raises
    ------
    TypeError, ValueError
        If `events` is no table, or a column is not in it; the message names the argument.
    """
    with errors_that_name("events"):
        table = as_table(events)
    present = column_names(table)
    for argument, name in named:
        if name is not None and name not in present:
            listed = ", ".join(map(str, present)) or "no columns"
            raise ValueError(f"{argument}={name!r} is not a column of events; it has {listed}.")
    with errors_that_name("events"):
        return read_columns(table, [name for _, name in named if name is not None])[0]


def positions_in(column: Column, argument: str, ids: Iterable[Any] | None = None) -> tuple[Int64, AnyArray]:
    """Return the position (n_rows,) of each row's id among `ids`, -1 for others, and the ids (n_ids,).

    Without `ids`, the column's own are taken, sorted.

    Raises
    ------
    ValueError
        If a row has no id, or `ids` has one twice or of another kind.
    """
    codes, values, _ = column.coded
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise ValueError(f"column {column.name!r} has no value in row {missing[0]}. Drop such rows, or fill them in.")
    own = as_id_array(values)
    if ids is None:
        used = np.unique(codes)
        order = used[_sorted(own[used])]
        place = np.full(len(own), -1, dtype=np.int64)
        place[order] = np.arange(len(order))
        return place[codes], own[order]
    with errors_that_name(argument):
        known = as_id_array(ids)
        place = places_of(own, positions_by_id(known), f"column {column.name!r}", f"of {argument}")
    return place[codes], known


def places_of(ids: AnyArray, position: IdPositions, what: str, place: str) -> Int64:
    """Return the position of each id, (n,), -1 for unknown ones."""
    return np.array(position.find(ids.tolist(), what, place), dtype=np.int64) if len(ids) else np.zeros(0, np.int64)


def _sorted(ids: AnyArray) -> Int64:
    """Return the order (n,) of ids by value, as they stand if they have none."""
    try:
        return np.argsort(ids, kind="stable").astype(np.int64)
    except TypeError:
        return np.arange(len(ids), dtype=np.int64)


def weights_of(column: Column) -> Float64:
    """Return weights (n_rows,), or raise ValueError for one that is missing, infinite or negative."""
    weights = numbers_without_gaps(column)
    wrong = np.flatnonzero(~((weights >= 0) & np.isfinite(weights)))
    if len(wrong):
        raise ValueError(
            f"column {column.name!r} holds weights, which are finite and not negative; row {wrong[0]} has "
            f"{weights[wrong[0]]}. Leave out what was not liked."
        )
    return weights


def numbers_without_gaps(column: Column) -> Float64:
    """Return the numbers of a column (n_rows,), or raise ValueError for text or a gap."""
    numbers = column.numbers
    missing = np.flatnonzero(np.isnan(numbers))
    if len(missing):
        raise ValueError(f"column {column.name!r} has no value in row {missing[0]}. Drop such rows, or fill them in.")
    return numbers


def latest(rows: Int64, columns: Int64, times: Float64, shape: tuple[int, int]) -> sparse.csr_array:
    """Return the matrix with the largest time of each pair; a time of 0 is an entry, too."""
    order = np.lexsort((times, columns, rows))
    rows, columns, times = rows[order], columns[order], times[order]
    is_last = np.ones(len(rows), dtype=bool)
    is_last[:-1] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    return sparse.csr_array((times[is_last], (rows[is_last], columns[is_last])), shape=shape)
