"""Training data of a recommender: rosters, features and interactions, from tables or from matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float64, Int64
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._tables.column import Column
from fastfm_ext._tables.read import as_column
from fastfm_ext._validation.matrices import check_interactions, checked_csr
from fastfm_ext.encoding.by_side import encoded_groups, fitted_by_side
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.declare import checked_specs
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.recommender.interactions import (
    event_columns,
    latest,
    numbers_without_gaps,
    positions_in,
    weights_of,
)
from fastfm_ext.recommender.known import EventColumns, Known
from fastfm_ext.recommender.result_table import kind_of_table
from fastfm_ext.recommender.roster import Roster
from fastfm_ext.recommender.side_table import SideTable, id_column
from fastfm_ext.retrieval.ids import as_id_array, shorten


class TrainingData(NamedTuple):
    """What a model is trained on.

    Attributes
    ----------
    X_user : csr_array of shape (n_rows, n_features)
        Users who chose something, or their requests.
    X_item : csr_array of shape (n_trained_items, n_features)
        Items that somebody chose.
    chosen : csr_array of shape (n_rows, n_trained_items)
    known : Known
    encoder : FMEncoder or None
        None where the features came as matrices.
    """

    X_user: sparse.csr_array
    X_item: sparse.csr_array
    chosen: sparse.csr_array
    known: Known
    encoder: FMEncoder | None


@dataclass(frozen=True)
class _Events:
    """Events by positions of users and items, (n_events,) each."""

    users: Int64
    items: Int64
    weights: Float64
    user_ids: AnyArray
    item_ids: AnyArray
    columns: dict[str, Column]

    @classmethod
    def read(cls, events: Any, named: EventColumns, others: Sequence[tuple[str, str]]) -> _Events:
        arguments = [("user", named.user), ("item", named.item), ("weight", named.weight), ("time", named.time)]
        columns = event_columns(events, [*arguments, *others])
        users, user_ids = positions_in(columns[named.user], "user")
        items, item_ids = positions_in(columns[named.item], "item")
        weights = np.ones(len(users)) if named.weight is None else weights_of(columns[named.weight])
        if not weights.any():
            raise ValueError(f"weight={named.weight!r}: no event has a weight above 0; there is nothing to learn from.")
        return cls(users, items, weights, user_ids, item_ids, columns)

    def latest(self, times: Column, shape: tuple[int, int]) -> sparse.csr_array:
        """Return the time of each pair's last event."""
        counts = self.weights > 0
        return latest(self.users[counts], self.items[counts], numbers_without_gaps(times)[counts], shape)


def data_of_tables(
    events: Any,
    user: Any,
    item: Any,
    context: Any,
    users: Any,
    items: Any,
    weight: str | None,
    time: str | None,
    title: str | None,
) -> TrainingData:
    """Return the training data of a table of events and the tables of users and items, as `FMRecommender.fit` has it.

    Raises
    ------
    TypeError, ValueError
        For what cannot be trained on; the message names the argument.
    """
    user_name, item_name = id_column("user", user), id_column("item", item)
    if user_name == item_name:
        raise ValueError(f"user and item both name the column {user_name!r}; they are two columns of the events.")
    in_context = checked_specs("context", [context] if isinstance(context, str) else context)
    context_names = _names(in_context)
    of_user = () if users is not None or isinstance(user, str) else _names(checked_specs("user", user))
    of_item = () if items is not None or isinstance(item, str) else _names(checked_specs("item", item))
    if items is None and title is not None:
        of_item = tuple(dict.fromkeys([*of_item, title]))
    named = EventColumns(user_name, item_name, weight, time, None, context_names, kind_of_table(events))
    others = {"context": context_names, "user": of_user, "item": of_item}
    found = _Events.read(events, named, [(side, name) for side, names in others.items() for name in names])
    user_side = _side(users, "users", user_name, found, found.users, found.user_ids, of_user)
    item_side = _side(items, "items", item_name, found, found.items, found.item_ids, of_item)
    title = item_side.title_column(title)
    specs = {"user": user_side.specs("user", user, None), "item": item_side.specs("item", item, title)}
    _check_apart(specs)
    encoder = FMEncoder(**specs, context=in_context or None)
    fitted_by_side(encoder, _columns_of(found, user_side, item_side))
    all_users, all_items = _joined(found.user_ids, user_side.ids), _joined(found.item_ids, item_side.ids)
    X_user = encoded_groups(encoder, user_side.columns_for(all_users), ("user",))
    X_item = encoded_groups(encoder, item_side.columns_for(all_items), ("item",))
    titles = item_side.titles_of(all_items, title)
    times = None
    shape = len(all_users), len(all_items)
    if time is not None:
        counts = found.weights > 0
        times = latest(
            found.users[counts], found.items[counts], numbers_without_gaps(found.columns[time])[counts], shape
        )
    columns = replace(named, title=None if titles is None else title)
    matrix = _summed(found.weights, found.users, found.items, shape)
    rosters = Roster(user_name, all_users, X_user), Roster(item_name, all_items, X_item, titles)
    if not in_context:
        return _data(columns, *rosters, matrix, times, encoder)
    context_rows = {name: found.columns[name] for name in context_names}
    X_context = encoded_groups(encoder, context_rows, ("context",))
    rows = np.arange(len(found.users))
    request_of, first = requests_of(found.users, [found.columns[name] for name in context_names], rows)
    X_request = sparse.csr_array(X_user[found.users[first]] + X_context[first])
    chosen = _summed(found.weights, request_of, found.items, (len(first), len(all_items)))
    return _data(columns, *rosters, matrix, times, encoder, X_request, chosen)


def data_of_matrices(interactions: Any, users: Any, items: Any) -> TrainingData:
    """Return the training data of a matrix of interactions and of the features of its rows and columns.

    Raises
    ------
    TypeError, ValueError
        For what cannot be trained on; the message names the argument.
    """
    matrix = check_interactions(interactions, "events")
    n_users, n_items = matrix.shape
    if (users is None) != (items is None):
        raise ValueError("users and items must both be matrices of features, or both be None for ids alone.")
    if users is None:
        X_user = sparse.eye_array(n_users, n_users + n_items, dtype=np.float32, format="csr")
        X_item = sparse.eye_array(n_items, n_users + n_items, k=n_users, dtype=np.float32, format="csr")
    else:
        X_user, X_item = _features(users, "users", n_users), _features(items, "items", n_items)
    if X_user.shape[1] != X_item.shape[1]:
        raise ValueError(
            f"users and items must have features in the same columns; got {X_user.shape[1]} and {X_item.shape[1]}."
        )
    rosters = Roster("user_id", np.arange(n_users), X_user), Roster("item_id", np.arange(n_items), X_item)
    return _data(EventColumns(), *rosters, matrix.astype(np.float64), None, None)


def _data(
    columns: EventColumns,
    users: Roster,
    items: Roster,
    matrix: sparse.csr_array,
    times: sparse.csr_array | None,
    encoder: FMEncoder | None,
    X_request: sparse.csr_array | None = None,
    chosen: sparse.csr_array | None = None,
) -> TrainingData:
    """Leave out of training who chose nothing and what nobody chose; without requests, users are the rows."""
    n_of_user, n_of_item = np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=len(items))
    if chosen is None or X_request is None:
        X_request, chosen = users.X[n_of_user > 0], matrix[n_of_user > 0]
    X_item = items.X[n_of_item > 0]
    trained = np.zeros(items.X.shape[1], dtype=bool)
    trained[X_request.indices] = trained[X_item.indices] = True
    known = Known(columns, users, items, matrix, times, trained, n_of_user.astype(np.int64))
    return TrainingData(X_request, X_item, sparse.csr_array(chosen[:, n_of_item > 0]), known, encoder)


def _side(
    table: Any, argument: str, id_name: str, found: _Events, codes: Int64, ids: AnyArray, names: Sequence[str]
) -> SideTable:
    if table is not None:
        side = SideTable.read(table, id_name, argument)
        if (side.rows_of(ids) < 0).all():
            shown = f"{shorten(side.ids.tolist(), 3)} there, and {shorten(ids.tolist(), 3)} in events"
            raise ValueError(f"{argument} has none of the {argument} in events, by column {id_name!r}: {shown}.")
        return side
    return SideTable.of_events({n: found.columns[n] for n in names if n != id_name}, codes, ids, id_name)


def _columns_of(found: _Events, users: SideTable, items: SideTable) -> Any:
    """Return the function by which `fitted_by_side` finds the columns of a spec.

    Ids and context are learned from events; what describes a user or an item, from the table of these.
    """

    def columns_of(group: str, spec: ColumnSpec) -> dict[str, Column]:
        side = {"user": users, "item": items}.get(group)
        if side is None or spec.columns == (side.id_name,):
            return {name: found.columns[name] for name in spec.columns}
        return side.columns | {side.id_name: as_column(side.id_name, side.ids)}

    return columns_of


def requests_of(users: Int64, context: Sequence[Column], rows: Int64) -> tuple[Int64, Int64]:
    """Return the request of each event, a user in a context, and the first event of each request.

    Parameters
    ----------
    users : ndarray of shape (n_events,)
        Position of each event's user.
    context : sequence of Column
        That tell the context.
    rows : ndarray of shape (n_events,)
        Row of each event in these columns.

    Returns
    -------
    request_of : ndarray of shape (n_events,), int64
    first : ndarray of shape (n_requests,), int64
    """
    keys = [users]
    for column in context:
        try:
            keys.append(column.coded.codes[rows].astype(np.int64))
        except TypeError:  # lists, of which each is a context of its own
            keys.append(np.arange(len(users)))
    _, first, request_of = np.unique(np.stack(keys, axis=1), axis=0, return_index=True, return_inverse=True)
    return request_of.reshape(-1), first


def _summed(weights: Float64, rows: Int64, columns: Int64, shape: tuple[int, int]) -> sparse.csr_array:
    matrix = sparse.coo_array((weights, (rows, columns)), shape=shape).tocsr()
    matrix.eliminate_zeros()
    return matrix


def _joined(ids: AnyArray, others: AnyArray) -> AnyArray:
    """Return ids, and behind them those of `others` that are not among them."""
    return as_id_array(dict.fromkeys(as_id_array([*ids.tolist(), *others.tolist()]).tolist()))


def _names(specs: Sequence[ColumnSpec]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for spec in specs for name in spec.columns))


def _check_apart(specs: dict[str, list[ColumnSpec]]) -> None:
    both = set(_names(specs["user"])) & set(_names(specs["item"]))
    if both:
        raise ValueError(f"users and items both have a column {min(both)!r}; rename one, so that features have a name.")


def _features(X: Any, name: str, n_rows: int) -> sparse.csr_array:
    """Return a matrix of features as CSR; the estimator checks its values."""
    if not (sparse.issparse(X) or isinstance(X, np.ndarray)):
        raise TypeError(
            f"{name} must be a matrix of features, as events is a matrix, with a row for each; got {kind_of(X)}."
        )
    if X.ndim != 2 or X.shape[0] != n_rows:
        raise ValueError(f"{name} must have a row for each of the {n_rows} in events; got shape {X.shape}.")
    with errors_that_name(name):
        return checked_csr(sparse.csr_array(X), name)
