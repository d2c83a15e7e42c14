"""Knowledge of a fitted recommender: who and what there is, and who has chosen what so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Bools, Float32, Int64
from fastfm_ext.recommender.roster import Roster, has_any


@dataclass(frozen=True)
class EventColumns:
    """Columns of the tables of events, and the kind of table to answer with.

    Attributes
    ----------
    user, item : str
    weight : str or None
    title : str or None
        Column of the table of items that names an item to people.
    context : tuple of str
    kind : {"mapping", "pandas", "polars", "arrow"}
    """

    user: str = "user_id"
    item: str = "item_id"
    weight: str | None = None
    title: str | None = None
    context: tuple[str, ...] = ()
    kind: str = "mapping"


@dataclass(frozen=True)
class Known:
    """All that a recommender knows beside its model; a change of the recommender replaces it.

    Attributes
    ----------
    columns : EventColumns
    users, items : Roster
    interactions : csr_array of shape (n_users, n_items)
        Weights of what each user chose, added up.
    trained : ndarray of shape (n_features,), bool
        Whether a row of training had the feature; those of which no row had it tell nothing.
    n_trained_on : ndarray of shape (n_users,), int64
        Items that each user had chosen when the model was trained.
    folded : mapping of int to ndarray of shape (n_factors + 1,)
        Vectors of users who chose more since then, by their position.
    in_histories : ndarray of shape (n_items_of_training,), int64, or None
        Positions of the items of histories, where the model represents users by what they chose.
    """

    columns: EventColumns
    users: Roster
    items: Roster
    interactions: sparse.csr_array
    trained: Bools
    n_trained_on: Int64
    folded: Mapping[int, Float32] = field(default_factory=dict)
    in_histories: Int64 | None = None
    _found: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        # What has been found is quickly found again.
        return {name: value for name, value in self.__dict__.items() if name != "_found"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _found={})

    def found(self, name: str, find: Callable[[], Any]) -> Any:
        """Return what `find` returns, found once for all questions until something changes."""
        if name not in self._found:
            self._found[name] = find()
        return self._found[name]

    @cached_property
    def knows_user(self) -> Bools:
        """Whether anything is known of each user, (n_users,)."""
        found = self.users.is_known(self.trained)
        found[list(self.folded)] = True
        if self.in_histories is not None:
            found |= np.diff(self.histories.indptr) > 0
        return found

    @cached_property
    def histories(self) -> sparse.csr_array:
        """What each user chose of the items of histories, (n_users, n_items_of_training)."""
        return sparse.csr_array(self.interactions[:, self.in_histories])

    @cached_property
    def n_users_of(self) -> Int64:
        """Number of users who chose each item, (n_items,)."""
        return np.bincount(self.interactions.indices, minlength=len(self.items)).astype(np.int64)

    @cached_property
    def mean_weight(self) -> float:
        """Mean weight of a choice."""
        return float(self.interactions.data.mean()) if self.interactions.nnz else 1.0

    def items_of_fold_in(self, model: Any) -> tuple[Int64, Float32]:
        """Return the positions of the items that new users may have chosen, (n,), and their vectors."""

        def find() -> tuple[Int64, Float32]:
            items = np.flatnonzero(self.items.is_known(self.trained))
            return items, model.item_vector(self.items.X[items])

        found: tuple[Int64, Float32] = self.found("items of folding in", find)
        return found

    def found_for(self, item_ids: AnyArray, name: str, find: Callable[[], Any]) -> Any:
        """Return what `find` returns, found once for an index with these ids, (n_items,)."""
        kept = self._found.get(name)
        # An index has the same array of ids until its items change.
        if kept is None or kept[0] is not item_ids:
            kept = self._found[name] = item_ids, find()
        return kept[1]

    def places_of(self, item_ids: AnyArray) -> Int64:
        """Return the position of each id of an index, (n_items,), -1 for one that the recommender does not know."""
        places: Int64 = self.found_for(item_ids, "places", lambda: self.items.find(item_ids.tolist(), "items"))
        return places

    def knows_request(self, users: Int64, context: sparse.csr_array | None = None) -> Bools:
        """Return whether anything is known about requests, (n,), that are as `vectors_of` takes them."""
        is_known: Bools = np.append(self.knows_user, False)[users]
        return is_known if context is None else is_known | has_any(context, self.trained)

    def vectors_of(self, model: Any, users: Int64, context: sparse.csr_array | None = None) -> Float32:
        """Return the vectors of requests, (n, n_factors + 1).

        Parameters
        ----------
        model : FMRanker
        users : int ndarray of shape (n,)
            Positions of users, -1 for unknown ones.
        context : csr_array of shape (n, n_features), optional
            Features of the requests' contexts.
        """
        if self.in_histories is not None:
            with_histories: Float32 = model.user_vector(self.rows_with_histories(model, users))
            return with_histories
        X = _rows_of(self.users.X, users)
        vectors: Float32 = model.user_vector(X if context is None else sparse.csr_array(X + context))
        at = np.flatnonzero(np.isin(users, list(self.folded))) if self.folded else np.zeros(0, dtype=np.int64)
        if len(at):
            own = np.stack([self.folded[user] for user in users[at].tolist()])
            # The context adds to a folded vector as it does to the trained one.
            vectors[at] = own if context is None else vectors[at] + (own - model.user_vector(X[at]))
        return vectors

    def rows_with_histories(self, model: Any, users: Int64) -> sparse.csr_array:
        """Return what represents users, (n,), -1 for unknown ones: features and what they chose."""
        rows: sparse.csr_array = model.with_history(_rows_of(self.histories, users), _rows_of(self.users.X, users))
        return rows

    def seen_by(self, users: Int64, item_ids: AnyArray) -> sparse.csr_array:
        """Return what users (n,), -1 for unknown ones, chose of an index's items, (n, n_items): 1 for each."""
        places = self.places_of(item_ids)
        column_of = np.full(len(self.items), -1, dtype=np.int64)
        column_of[places[places >= 0]] = np.flatnonzero(places >= 0)
        seen = self.interactions[np.maximum(users, 0)]
        columns = column_of[seen.indices]
        rows = np.repeat(np.arange(len(users)), np.diff(seen.indptr))
        kept = (columns >= 0) & (users[rows] >= 0)
        entries = np.ones(int(kept.sum()), dtype=np.int8), (rows[kept], columns[kept])
        return sparse.csr_array(sparse.coo_array(entries, shape=(len(users), len(item_ids))))


def _rows_of(X: sparse.csr_array, users: Int64) -> sparse.csr_array:
    """Return the rows of users, (n,), without entries for those who are -1."""
    rows = X[np.maximum(users, 0)]
    if (users < 0).any():
        rows = sparse.csr_array(sparse.diags_array((users >= 0).astype(np.float32)) @ rows)
    return rows
