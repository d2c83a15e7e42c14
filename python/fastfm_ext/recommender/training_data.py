"""Training data of a recommender: rosters, features and interactions, from tables or from matrices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Bools, Float64, Int64
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._tables.column import Column
from fastfm_ext._tables.read import as_column
from fastfm_ext._validation.matrices import check_interactions, checked_csr
from fastfm_ext.encoding.by_side import encoded_groups, fitted_by_side
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.categorical import Categorical
from fastfm_ext.encoding.declare import checked_specs
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.recommender.interactions import (
    event_columns,
    positions_in,
    weights_of,
)
from fastfm_ext.recommender.known import EventColumns, Known
from fastfm_ext.recommender.result_table import SCORE, kind_of_table
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


class FitArguments(NamedTuple):
    """Arguments of `FMRecommender.fit` that say what the tables hold."""

    events: Any
    user: Any
    item: Any
    context: Any
    users: Any
    items: Any
    weight: str | None
    title: str | None
    by_history: bool = False  # users are represented by what they chose, without their ids


@dataclass(frozen=True)
class _Tables:
    """Events by positions of users and items, (n_events,) each, and the tables of both sides.

    Attributes
    ----------
    named : EventColumns
    users, items : ndarray of shape (n_events,), int64
    weights : ndarray of shape (n_events,)
    user_ids, item_ids : ndarray of shape (n_users,), (n_items,)
    columns : dict of str to Column
        Of the events.
    user_side, item_side : SideTable
    """

    named: EventColumns
    users: Int64
    items: Int64
    weights: Float64
    user_ids: AnyArray
    item_ids: AnyArray
    columns: dict[str, Column]
    user_side: SideTable
    item_side: SideTable

    @classmethod
    def read(cls, given: FitArguments, context: Sequence[str]) -> _Tables:
        """Read the tables, with these columns of the context.

        Raises
        ------
        TypeError, ValueError
        """
        user, item = id_column("user", given.user), id_column("item", given.item)
        if user == item:
            raise ValueError(f"user and item both name the column {user!r}; they are two columns of the events.")
        if SCORE in (user, item):
            side = "user" if user == SCORE else "item"
            raise ValueError(f"{side}={SCORE!r} is the name of the scores in answers; rename the column of ids.")
        # Without a table of their own, users and items are described by the events.
        of_user = [] if given.users is not None or isinstance(given.user, str) else _names(given.user)
        of_item = [] if given.items is not None or isinstance(given.item, str) else _names(given.item)
        if given.items is None and given.title is not None:
            of_item.append(given.title)
        arguments = [("user", user), ("item", item), ("weight", given.weight)]
        arguments += [("context", name) for name in context] + [("user", name) for name in of_user]
        columns = event_columns(given.events, [*arguments, *(("item", name) for name in of_item)])
        users, user_ids = positions_in(columns[user], "user")
        items, item_ids = positions_in(columns[item], "item")
        weights = np.ones(len(users)) if given.weight is None else weights_of(columns[given.weight])
        if not weights.any():
            raise ValueError(f"weight={given.weight!r}: no event has a weight above 0; there is nothing to learn from.")
        user_side, item_side = (
            SideTable.of_events({name: columns[name] for name in names if name != id_name}, codes, ids, id_name)
            if table is None
            else _joinable(SideTable.read(table, id_name, argument), ids)
            for argument, table, id_name, codes, ids, names in (
                ("users", given.users, user, users, user_ids, of_user),
                ("items", given.items, item, items, item_ids, of_item),
            )
        )
        title = item_side.title_column(given.title, (user, item, SCORE))
        kind = kind_of_table(given.events)
        named = EventColumns(user, item, given.weight, title, tuple(context), kind)
        return cls(named, users, items, weights, user_ids, item_ids, columns, user_side, item_side)

    def columns_of(self, group: str, spec: ColumnSpec) -> dict[str, Column]:
        """Return the columns that a spec learns from, for `fitted_by_side`.

        Ids and context are learned from events; what describes a user or an item, from the table of these.

        Raises
        ------
        ValueError
            If the spec reads another column.
        """
        side = {"user": self.user_side, "item": self.item_side}.get(group)
        if side is None or spec.columns == (side.id_name,):
            columns = self.columns
        else:
            columns = side.columns | {side.id_name: as_column(side.id_name, side.ids)}
        for name in spec.columns_to_fit:
            if name not in columns:
                raise ValueError(f"{group}: {spec!r} needs {name!r} beside it; there are {', '.join(columns)}")
        return columns

    def summed(self, rows: Int64, shape: tuple[int, int]) -> sparse.csr_array:
        """Return the weights of events, those of a row (n_events,) and an item added up."""
        matrix = sparse.coo_array((self.weights, (rows, self.items)), shape=shape).tocsr()
        matrix.eliminate_zeros()
        return matrix


def data_of_tables(given: FitArguments) -> TrainingData:
    """Return the training data of a table of events and the tables of users and items.

    Raises
    ------
    TypeError, ValueError
        For what cannot be trained on; the message names the argument.
    """
    in_context = checked_specs("context", [given.context] if isinstance(given.context, str) else given.context)
    if in_context and given.by_history:
        raise ValueError("context does not go with user_history=True: a history is what a user chose in all contexts.")
    tables = _Tables.read(given, _names(in_context))
    named, user_side, item_side = tables.named, tables.user_side, tables.item_side
    specs = {"user": user_side.specs("user", given.user, None)[int(given.by_history) :]}
    specs["item"] = item_side.specs("item", given.item, named.title)
    _check_apart(specs | {"user": [Categorical(named.user), *specs["user"]]})
    encoder = fitted_by_side(FMEncoder(**specs, context=in_context or None), tables.columns_of)
    user_ids, item_ids = _joined(tables.user_ids, user_side.ids), _joined(tables.item_ids, item_side.ids)
    X_user = encoded_users(encoder, user_side.columns_for(user_ids), len(user_ids))
    X_item = encoded_groups(encoder, item_side.columns_for(item_ids), ("item",))
    users, items = Roster(named.user, user_ids, X_user), Roster(named.item, item_ids, X_item)
    items = replace(items, titles=item_side.titles_of(item_ids, named.title))
    shape = len(users), len(items)
    matrix = tables.summed(tables.users, shape)
    data = _data(named, users, items, matrix, encoder, by_history=given.by_history)
    return _by_request(data, tables, matrix) if in_context else data


def _by_request(data: TrainingData, tables: _Tables, matrix: sparse.csr_array) -> TrainingData:
    """Let the rows of training be users in a context."""
    assert data.encoder is not None
    names = tables.named.context
    X_context = encoded_groups(data.encoder, {name: tables.columns[name] for name in names}, ("context",))
    columns, rows = [tables.columns[name] for name in names], np.arange(len(tables.users))
    request_of, first = requests_of(tables.users, columns, rows)
    X = sparse.csr_array(data.known.users.X[tables.users[first]] + X_context[first])
    chosen = tables.summed(request_of, (len(first), matrix.shape[1]))[:, _is_chosen(matrix)]
    trained = data.known.trained.copy()
    trained[X.indices] = True
    return data._replace(X_user=X, chosen=sparse.csr_array(chosen), known=replace(data.known, trained=trained))


def data_of_matrices(interactions: Any, users: Any, items: Any, *, by_history: bool = False) -> TrainingData:
    """Return the training data of a matrix of interactions and of the features of its rows and columns.

    With ``by_history``, users need no features.

    Raises
    ------
    TypeError, ValueError
        For what cannot be trained on; the message names the argument.
    """
    matrix = check_interactions(interactions, "events")
    n_users, n_items = matrix.shape
    if (users is None) != (items is None) and not (by_history and users is None):
        raise ValueError("users and items must both be matrices of features, or both be None for ids alone.")
    if by_history and users is None:
        X_item = sparse.eye_array(n_items, format="csr") if items is None else _features(items, "items", n_items)
        X_user = sparse.csr_array((n_users, X_item.shape[1]), dtype=np.float32)
    elif users is None:
        X_user = sparse.eye_array(n_users, n_users + n_items, dtype=np.float32, format="csr")
        X_item = sparse.eye_array(n_items, n_users + n_items, k=n_users, dtype=np.float32, format="csr")
    else:
        X_user, X_item = _features(users, "users", n_users), _features(items, "items", n_items)
    if X_user.shape[1] != X_item.shape[1]:
        raise ValueError(
            f"users and items must have features in the same columns; got {X_user.shape[1]} and {X_item.shape[1]}."
        )
    rosters = Roster("user_id", np.arange(n_users), X_user), Roster("item_id", np.arange(n_items), X_item)
    return _data(EventColumns(), *rosters, matrix.astype(np.float64), None, by_history=by_history)


def _data(
    columns: EventColumns,
    users: Roster,
    items: Roster,
    matrix: sparse.csr_array,
    encoder: FMEncoder | None,
    *,
    by_history: bool,
) -> TrainingData:
    """Leave out of training who chose nothing and what nobody chose."""
    n_of_user, is_chosen = np.diff(matrix.indptr), _is_chosen(matrix)
    X_user, X_item = users.X[n_of_user > 0], items.X[is_chosen]
    trained = np.zeros(items.X.shape[1], dtype=bool)
    trained[X_user.indices] = trained[X_item.indices] = True
    known = Known(columns, users, items, matrix, trained, n_of_user.astype(np.int64))
    if by_history:
        known = replace(known, in_histories=np.flatnonzero(is_chosen))
    return TrainingData(X_user, X_item, sparse.csr_array(matrix[n_of_user > 0][:, is_chosen]), known, encoder)


def encoded_users(encoder: FMEncoder, table: dict[str, Any], n_users: int) -> sparse.csr_array:
    """Return the features of users, (n_users, n_features), without the context; of none, where they have no columns."""
    if not encoder._layout.columns_of(("user",)):
        return sparse.csr_array((n_users, encoder.n_features_out_), dtype=np.float32)
    return encoded_groups(encoder, table, ("user",))


def _is_chosen(matrix: sparse.csr_array) -> Bools:
    """Return whether anybody chose each item, (n_items,)."""
    return np.bincount(matrix.indices, minlength=matrix.shape[1]) > 0


def _joinable(side: SideTable, ids: AnyArray) -> SideTable:
    """Return a side table that has one of these ids, (n_ids,), or raise ValueError."""
    if (side.rows_of(ids) < 0).all():
        shown = f"{shorten(side.ids.tolist(), 3)} there, and {shorten(ids.tolist(), 3)} in events"
        raise ValueError(
            f"{side.argument} has none of the {side.argument} in events, by column {side.id_name!r}: {shown}."
        )
    return side


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


def _joined(ids: AnyArray, others: AnyArray) -> AnyArray:
    """Return ids, and behind them those of `others` that are not among them."""
    return as_id_array(dict.fromkeys(as_id_array([*ids.tolist(), *others.tolist()]).tolist()))


def _names(specs: Any) -> list[str]:
    """Return the columns of specs, each once."""
    return list(dict.fromkeys(name for spec in checked_specs("columns", specs) for name in spec.columns))


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
