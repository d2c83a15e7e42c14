"""Answers of a fitted recommender: the best items of users, the best users of items, and what is alike."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastfm_ext._common.arrays import AnyArray, Bools, Float32, Int64, object_array
from fastfm_ext._common.checks import errors_that_name, is_bool
from fastfm_ext._tables.identity import unified
from fastfm_ext._tables.read import as_table, column_names, read_columns
from fastfm_ext._validation.vectors import check_count
from fastfm_ext.encoding.by_side import encoded_groups
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.recommender.known import Known
from fastfm_ext.recommender.result_table import SCORE, result_table
from fastfm_ext.recommender.side_table import as_ids
from fastfm_ext.retrieval.ids import plain_ids, shorten
from fastfm_ext.retrieval.index import ItemIndex
from fastfm_ext.retrieval.user_items import mask_of

UNKNOWN = ("warn", "popular", "error")
_BATCH_USERS = 4096


class Best(NamedTuple):
    """The best items of users, one a row.

    Attributes
    ----------
    ranks : ndarray of shape (n_rows,), int64
        From 1, for each user anew.
    columns : dict of str to ndarray of shape (n_rows,)
        Columns of the table that `FMRecommender.recommend` returns.
    strangers : list
        Users of whom nothing is known.
    """

    ranks: Int64
    columns: dict[str, AnyArray]
    strangers: list[Any]


class ServesRecommendations:
    """The part of `FMRecommender` that answers."""

    model: Any
    index: ItemIndex
    encoder: FMEncoder | None
    _known: Known | None

    def recommend(
        self,
        user_ids: Any = None,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        among: Collection[Any] | None = None,
        context: Any = None,
        unknown: str = "warn",
    ) -> Any:
        """Find the best items of users.

        A user is served by what is known: an id that training knew, features, and what was folded in. Users of whom
        nothing is known get the most popular items: then the score is the number of users who chose the item.

        Parameters
        ----------
        user_ids : id or iterable of ids, optional
            One user or several; all that are known by default.
        n : int, default=10
            Items a user, at least 1. Users for whom fewer are left get fewer.
        exclude_seen : bool, default=True
            Leave out what a user has chosen already, in any context.
        among : collection of ids or boolean array of shape (n_items,), optional
            The items to choose from, such as those in stock; a mask is in the order of ``index.ids``.
        context : mapping of column to value, or table with a row for each of `user_ids`, optional
            The situation, for a recommender that was fitted with one. What is missing has no influence.
        unknown : {"warn", "popular", "error"}, default="warn"
            Whether to warn of users of whom nothing is known, to serve them without a word, or to raise an error.

        Returns
        -------
        table
            Of the kind that `fit` was given, with the ids of users and items in their columns, "score", and the title
            where items have one. The rows of a user stand together, best first.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError
            If an argument is of another kind.
        ValueError
            If an argument is out of its range, `context` does not fit, or users are unknown and must not be.

        Warns
        -----
        UserWarning
            If nothing is known of a user, unless `unknown` says otherwise.
        """
        best = self._best(user_ids, n, exclude_seen, among, context, unknown)
        return result_table(self._fitted().columns.kind, best.columns)

    def _best(
        self, user_ids: Any, n: int, exclude_seen: bool, among: Collection[Any] | None, context: Any, unknown: str
    ) -> Best:
        known, n = self._fitted(), check_count(n, "n")
        if unknown not in UNKNOWN:
            raise ValueError(f"unknown must be one of {list(UNKNOWN)}, got {unknown!r}.")
        if not is_bool(exclude_seen):
            raise ValueError(f"exclude_seen must be True or False, got {exclude_seen!r}.")
        given, users = self._users_of(user_ids)
        X_context = self._encoded_context(context, given)
        is_known = known.knows_request(users, X_context)
        self._check_known(given, is_known, unknown)
        mask = _mask(among, self.index)
        n = min(n, len(self.index))
        ids = np.empty((len(given), n), dtype=self.index.ids.dtype)
        scores = np.full((len(given), n), -np.inf, dtype=np.float32)
        for start in range(0, len(given), _BATCH_USERS):
            batch = np.arange(start, min(start + _BATCH_USERS, len(given)))
            for rows in (batch[is_known[batch]], batch[~is_known[batch]]):
                if len(rows):
                    X = None if X_context is None else X_context[rows]
                    index, vectors = self._search_of(users[rows], X, are_known=bool(is_known[rows[0]]))
                    seen = known.seen_by(users[rows], self.index.ids) if exclude_seen else None
                    ids[rows], scores[rows] = index.search(vectors, n, seen, only=mask)
        rows, places = np.nonzero(scores > -np.inf)
        found = ids[rows, places]
        columns = {known.users.name: given[rows], known.items.name: found, SCORE: scores[rows, places]}
        return Best(places + 1, columns | self._titles(found), given[~is_known].tolist())

    def recommend_to(
        self,
        item_ids: Any,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        among: Collection[Any] | None = None,
        weigh_activity: bool = True,
    ) -> Any:
        """Find the users who are likeliest to choose items: whom to tell of them.

        Parameters
        ----------
        item_ids : id or iterable of ids
            Items in the index.
        n : int, default=10
            Users an item, at least 1.
        exclude_seen : bool, default=True
            Leave out users who have chosen the item already.
        among : collection of ids, optional
            The users to choose from.
        weigh_activity : bool, default=True
            Whether to add ``log(1 + choices)`` of the user to the score of the pair. Scores rank the items of one user,
            and say little about how much a user chooses at all.

        Returns
        -------
        table
            Of the kind that `fit` was given, with the ids of items and users in their columns, and "score". The rows of
            an item stand together, best first. Users of whom nothing is known are not among them.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If an item is not in the index, or `n` is out of its range.
        """
        known, n = self._fitted(), check_count(n, "n")
        items = self._items_at(as_ids(_listed(item_ids, "item_ids"), "item_ids"), "item_ids")
        wanted = known.items.ids[items]
        users = np.flatnonzero(known.knows_user)
        index = known.found("users with activity", self._users_with_activity)
        weights = np.full(len(items), float(bool(weigh_activity)))
        queries = np.column_stack([self.model.item_vector(known.items.X[items]), weights])
        chosen_by = sparse.csr_array(known.interactions[:, items][users].T.tocsr())
        n = min(n, len(users))
        ids, scores = index.search(queries, n, chosen_by if exclude_seen else None, only=_mask(among, index))
        rows, places = np.nonzero(scores > -np.inf)
        columns = {known.items.name: wanted[rows], known.users.name: ids[rows, places], SCORE: scores[rows, places]}
        return result_table(known.columns.kind, columns)

    def similar_items(self, item_ids: Any, n: int = 10, *, among: Collection[Any] | None = None) -> Any:
        """Find the items most similar to items, by the cosine of their vectors.

        Parameters
        ----------
        item_ids : id or iterable of ids
            Items in the index.
        n : int, default=10
            Neighbors of each, at least 1. An item is not its own neighbor.
        among : collection of ids or boolean array of shape (n_items,), optional
            The items to choose from; a mask is in the order of ``index.ids``.

        Returns
        -------
        table
            Of the kind that `fit` was given: the item's id, that of the neighbor in ``"similar_" + column``, "score"
            (the cosine), and the neighbor's title where items have one.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If an item is not in the index, or `n` is out of its range.
        """
        known, n = self._fitted(), check_count(n, "n")
        wanted = known.items.ids[self._items_at(as_ids(_listed(item_ids, "item_ids"), "item_ids"), "item_ids")]
        ids, scores = self.index.similar_items(wanted, min(n, len(self.index)), only=_mask(among, self.index))
        return self._neighbors(known.items.name, wanted, ids, scores, with_titles=True)

    def similar_users(self, user_ids: Any, n: int = 10, *, among: Collection[Any] | None = None) -> Any:
        """Find the users most similar to users, by the cosine of their vectors.

        Parameters
        ----------
        user_ids : id or iterable of ids
            Users of whom something is known.
        n : int, default=10
            Neighbors of each, at least 1. A user is not their own neighbor.
        among : collection of ids, optional
            The users to choose from.

        Returns
        -------
        table
            Of the kind that `fit` was given: the user's id, that of the neighbor in ``"similar_" + column``, and
            "score" (the cosine).

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If nothing is known of a user, or `n` is out of its range.
        """
        known, n = self._fitted(), check_count(n, "n")
        wanted = as_ids(_listed(user_ids, "user_ids"), "user_ids")
        index = known.found("users", self._users)
        strangers = [user for user in wanted.tolist() if user not in index]
        if strangers:
            raise ValueError(f"user_ids: nothing is known of {shorten(strangers)}; fold in what they chose.")
        wanted = known.users.ids[known.users.find(wanted.tolist(), "user_ids")]
        ids, scores = index.similar_items(wanted, min(n, len(index)), only=_mask(among, index))
        return self._neighbors(known.users.name, wanted, ids, scores, with_titles=False)

    def _search_of(
        self, users: Int64, X_context: sparse.csr_array | None, *, are_known: bool
    ) -> tuple[ItemIndex, AnyArray]:
        """Return the index to search for users (n,), and their vectors (n, d); strangers get what many chose."""
        known = self._fitted()
        if are_known:
            return self.index, known.vectors_of(self.model, users, X_context)
        popularity = known.found_for(self.index.ids, "popularity", self._popularity)
        return popularity, np.ones((len(users), 1), dtype=np.float32)

    def _popularity(self) -> ItemIndex:
        """Return an index of how many users chose each item, which ranks by it."""
        known, item_ids = self._fitted(), self.index.ids
        n_users_of = np.append(known.n_users_of, 0)[known.places_of(item_ids)]
        return ItemIndex(n_jobs=self.index.n_jobs).fit(n_users_of[:, None], ids=item_ids)

    def _users(self) -> ItemIndex:
        """Return an index of the users of whom something is known."""
        known = self._fitted()
        users = np.flatnonzero(known.knows_user)
        return ItemIndex(n_jobs=self.index.n_jobs).fit(known.vectors_of(self.model, users), ids=known.users.ids[users])

    def _users_with_activity(self) -> ItemIndex:
        """Return an index of these users with one more coordinate: the logarithm of 1 + their choices."""
        known = self._fitted()
        users = np.flatnonzero(known.knows_user)
        activity = np.log1p(np.diff(known.interactions.indptr)[users])
        vectors = np.column_stack([known.vectors_of(self.model, users), activity])
        return ItemIndex(n_jobs=self.index.n_jobs).fit(vectors, ids=known.users.ids[users])

    def _neighbors(self, name: str, wanted: AnyArray, ids: AnyArray, scores: Float32, *, with_titles: bool) -> Any:
        rows, places = np.nonzero(scores > -np.inf)
        found = ids[rows, places]
        columns = {name: wanted[rows], f"similar_{name}": found, SCORE: scores[rows, places]}
        return result_table(self._fitted().columns.kind, columns | (self._titles(found) if with_titles else {}))

    def _titles(self, item_ids: AnyArray) -> dict[str, AnyArray]:
        """Return the column of the titles of items (n_rows,); nothing if items have none."""
        known = self._fitted()
        if known.items.titles is None:
            return {}
        places = known.items.find(item_ids.tolist(), "items")
        return {str(known.columns.title): np.append(known.items.titles, object_array([None]))[places]}

    def _users_of(self, user_ids: Any) -> tuple[AnyArray, Int64]:
        """Return users' ids (n,) as they are given back, and their positions, -1 for unknown ones."""
        known = self._fitted()
        if user_ids is None:
            return known.users.ids, np.arange(len(known.users))
        listed = plain_ids(_listed(user_ids, "user_ids"))
        users = known.users.find(listed, "user_ids")
        own = known.users.ids[users].tolist()
        given = unified(
            [value if user < 0 else own[at] for at, (value, user) in enumerate(zip(listed, users, strict=True))]
        )
        return as_ids(given, "user_ids") if {*map(type, given)} == {int} else object_array(given), users

    def _encoded_context(self, context: Any, given: AnyArray) -> sparse.csr_array | None:
        """Return the features (n_users, n_features) of the contexts of these users, (n_users,)."""
        known = self._fitted()
        names = known.columns.context
        if context is None:
            return None
        if not names or self.encoder is None:
            raise ValueError("context: this recommender was fitted without one; name its columns in fit(context=...).")
        if isinstance(context, Mapping) and all(np.ndim(value) == 0 for value in context.values()):
            wrong = [name for name in context if name not in names]
            if wrong:
                raise ValueError(f"context has {wrong[0]!r}, which is none of the columns {list(names)} of fit.")
            context = {name: object_array([value] * len(given)) for name, value in context.items()}
        with errors_that_name("context"):
            table = as_table(context)
            columns, n_rows = read_columns(table, [name for name in column_names(table) if name in names])
            if n_rows != len(given) or not columns:
                found = f"{n_rows} rows" if columns else "none of them"
                raise ValueError(f"context must have the columns {list(names)} and {len(given)} rows; it has {found}.")
            nothing = object_array([None] * n_rows)
            rows = {name: columns.get(name, nothing) for name in names} | {known.users.name: given}
            return encoded_groups(self.encoder, rows, ("context",))

    def _check_known(self, given: AnyArray, is_known: Bools, unknown: str) -> None:
        strangers = given[~is_known].tolist()
        if not strangers or unknown == "popular":
            return
        what = f"nothing is known of {len(strangers)} of {len(given)} users: {shorten(strangers)}"
        if unknown == "error":
            raise ValueError(f"user_ids: {what}. Fold in what they chose, or add what is known of them.")
        warnings.warn(
            f"{what}. They get what is popular; fold_in takes what they chose, add_users what is known of them, and "
            'unknown="popular" silences this.',
            UserWarning,
            stacklevel=4,
        )

    def _items_at(self, wanted: AnyArray, argument: str) -> Int64:
        """Return the positions of items (n,), or raise ValueError if one is not in the index."""
        missing = [item for item in wanted.tolist() if item not in self.index]
        if missing:
            raise ValueError(f"{argument}: not in the index: {shorten(missing)}.")
        return self._fitted().items.find(wanted.tolist(), argument)

    def _fitted(self) -> Known:
        known = self._known
        if known is None:
            raise NotFittedError(f"This {type(self).__name__} is not fitted yet: call fit first.")
        return known


def _mask(among: Collection[Any] | None, index: ItemIndex) -> Bools | None:
    """Return what to choose from as a mask in the order of an index, (n,), or None for all.

    Raises
    ------
    TypeError, ValueError
        If it is neither ids nor a mask.
    """
    return None if among is None else mask_of(among, "among", index._items_to_search().position)


def _listed(ids: Any, argument: str) -> list[Any]:
    """Return ids of a user's argument as a list; one id is a list of one."""
    if hasattr(ids, "columns"):  # iterating over a frame gives the names of its columns
        raise TypeError(f"{argument} is a {type(ids).__name__}: pass its column of ids.")
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable) or getattr(ids, "ndim", 1) == 0:
        return [ids.item() if isinstance(ids, np.ndarray) else ids]
    if isinstance(ids, Mapping):
        raise TypeError(f"{argument} must be an id or several, got a {type(ids).__name__}.")
    values = ids.to_numpy() if hasattr(ids, "to_numpy") else ids
    return list(values.tolist() if isinstance(values, np.ndarray) else values)
