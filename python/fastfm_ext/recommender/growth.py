"""Growth of a fitted recommender without training: new items, new users, new choices."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float32, Int64
from fastfm_ext._common.checks import errors_that_name, kind_of
from fastfm_ext._validation.matrices import checked_csr
from fastfm_ext.encoding.by_side import encoded_groups
from fastfm_ext.recommender.interactions import Interactions, interactions_from_table
from fastfm_ext.recommender.known import Known
from fastfm_ext.recommender.roster import Roster
from fastfm_ext.recommender.serving import ServesRecommendations
from fastfm_ext.recommender.side_table import SideTable, as_ids
from fastfm_ext.recommender.training_data import encoded_users
from fastfm_ext.retrieval.ids import as_id_array, shorten


class LearnsOfMore(ServesRecommendations):
    """The part of `FMRecommender` that takes in what came after training."""

    def add_items(self, items: Any, *, ids: Any = None) -> Self:
        """Take in items that came after training, ranked by their features; known items get new features.

        Parameters
        ----------
        items : table, or matrix of shape (n_new, n_features)
            As `fit` was given it: with the column of ids, the columns that describe items, and the title if there is
            one.
        ids : iterable of hashables, optional
            With a matrix, and only then: an id for each row.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            If a column is missing, an id is missing or there twice, or the features are not those of `fit`.

        Warns
        -----
        UserWarning
            If items have no feature that training knew: nothing can be said of them, and nobody gets them.
        """
        known = self._fitted()
        new_ids, X, titles = self._read_side("items", known.items, items, ids)
        grown = self._widened(replace(known, items=known.items.with_rows(new_ids, X, titles)))
        places = grown.items.find(new_ids.tolist(), "items")
        self._index_items(grown, places)
        self._known = grown
        return self

    def add_users(self, users: Any, *, ids: Any = None) -> Self:
        """Take in users who came after training, served by their features; known users get new features.

        Parameters
        ----------
        users : table, or matrix of shape (n_new, n_features)
            As `fit` was given it: with the column of ids and the columns that describe users.
        ids : iterable of hashables, optional
            With a matrix, and only then: an id for each row.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            If a column is missing, an id is missing or there twice, or the features are not those of `fit`.
        """
        known = self._fitted()
        new_ids, X, _ = self._read_side("users", known.users, users, ids)
        grown = self._widened(replace(known, users=known.users.with_rows(new_ids, X, None)))
        again = np.intersect1d(grown.users.find(new_ids.tolist(), "users"), list(known.folded)).astype(np.int64)
        self._known = self._with_folded(grown, again)
        return self

    def fold_in(self, events: Any) -> Self:
        """Take in new choices of known and of new users, without training: see `FMRanker.fold_in`.

        A new user's vector is that of the features that are known (`add_users`) and of what the user chose. A known
        user's is the mean of the trained vector and of one folded in from all choices, old and new, in proportion to
        the choices that each of the two knows alone. Items stay as they are. A ranker with `user_history` makes the
        vectors of old and new users alike of all that they chose, exactly.

        Parameters
        ----------
        events : table, or sparse matrix of shape (n_users, n_items)
            As `fit` was given it, but for the context, which is not looked at. The rows of a matrix are the users of
            `fit`, and behind them new ones.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As for `fit`, or if a user has chosen every item.

        Warns
        -----
        UserWarning
            If events are of unknown items, which are passed over: `add_items` comes before.
        """
        known = self._fitted()
        found = self._new_interactions(known, events)
        if found.n_left_out:
            warnings.warn(
                f"{found.n_left_out} events are of items that are not known, and are passed over; add_items takes "
                "items in.",
                UserWarning,
                stacklevel=2,
            )
        nothing = sparse.csr_array((len(found.user_ids), known.users.X.shape[1]), dtype=np.float32)
        is_new = known.users.find(found.user_ids.tolist(), f"column {known.users.name!r}") < 0
        roster = known.users.with_rows(found.user_ids[is_new], nothing[is_new], None)
        grown = self._widened(replace(known, users=roster))
        users = roster.find(found.user_ids.tolist(), f"column {known.users.name!r}")
        grown = self._with_choices(grown, users, found)
        self._known = self._with_folded(grown, users[np.diff(found.matrix.indptr) > 0])
        return self

    def _new_interactions(self, known: Known, events: Any) -> Interactions:
        if not sparse.issparse(events):
            columns = known.columns
            return interactions_from_table(
                events,
                user=columns.user,
                item=columns.item,
                weight=columns.weight,
                item_ids=known.items.ids,
            )
        if self.encoder is not None:
            raise TypeError("events must be a table, as in fit; got a sparse matrix.")
        matrix = checked_csr(events, "events")
        if matrix.shape[1] != len(known.items):
            raise ValueError(f"events must have a column for each of {len(known.items)} items; got {matrix.shape}.")
        return Interactions(matrix.astype(np.float64), np.arange(matrix.shape[0]), known.items.ids)

    def _with_choices(self, known: Known, users: Int64, found: Interactions) -> Known:
        """Add the choices of users at these positions, (n_given_users,)."""
        new = found.matrix.tocoo()
        rows, columns = users[new.coords[0]], new.coords[1]
        added = sparse.coo_array((new.data, (rows, columns)), shape=known.interactions.shape).tocsr()
        return replace(known, interactions=sparse.csr_array(known.interactions + added))

    def _with_folded(self, known: Known, users: Int64) -> Known:
        """Give users at these positions vectors from all that they chose, unless these follow from it anyway."""
        if not len(users) or known.in_histories is not None:
            return known
        vectors = self._folded(known, users)
        return replace(known, folded={**known.folded, **dict(zip(users.tolist(), vectors, strict=True))})

    def _folded(self, known: Known, users: Int64) -> Float32:
        items, item_vectors = known.items_of_fold_in(self.model)
        history = sparse.csr_array(known.interactions[users][:, items])
        X = known.users.X[users]
        # What only one user of training had, such as the id, is what folding in learns anew.
        is_shared = np.bincount(known.users.X.indices, minlength=X.shape[1]) > 1
        shared = sparse.csr_array(X @ sparse.diags_array((is_shared & known.trained).astype(np.float32)))
        folded: Float32 = self.model.fold_in(history, item_vectors, shared)
        trained = self.model.user_vector(X)
        n_choices = np.maximum(np.diff(known.interactions.indptr)[users], 1)
        share = np.minimum(known.n_trained_on[users] / n_choices, 1.0).astype(np.float32)[:, None]
        mixed: Float32 = share * trained + (1 - share) * folded
        return mixed

    def _widened(self, known: Known) -> Known:
        """Let the matrices have a row for each user and a column for each item."""
        shape = len(known.users), len(known.items)
        interactions = known.interactions.copy()
        interactions.resize(shape)
        n_more = len(known.users) - len(known.n_trained_on)
        counts = np.append(known.n_trained_on, np.zeros(n_more, dtype=np.int64))
        return replace(known, interactions=interactions, n_trained_on=counts)

    def _index_items(self, known: Known, places: Int64) -> None:
        """Put items at these positions into the index, but those of which nothing is known."""
        is_known = known.items.is_known(known.trained)[places]
        if not is_known.all():
            strangers = shorten(known.items.ids[places[~is_known]].tolist())
            warnings.warn(
                f"items without a feature that training knew, which nobody gets: {strangers}", UserWarning, stacklevel=3
            )
        places = places[is_known]
        ids = known.items.ids[places]
        is_there = np.array([item in self.index for item in ids.tolist()], dtype=bool)
        vectors = self.model.item_vector(known.items.X[places]) if len(places) else np.zeros((0, 1))
        if is_there.any():
            self.index.update(ids[is_there], vectors[is_there])
        if (~is_there).any():
            self.index.add(vectors[~is_there], ids[~is_there])

    def _read_side(
        self, argument: str, roster: Roster, given: Any, ids: Any
    ) -> tuple[AnyArray, sparse.csr_array, AnyArray | None]:
        """Return the ids (n,), the features (n, n_features) and the titles (n,), or None, of users or items."""
        if self.encoder is None:
            if not (sparse.issparse(given) or isinstance(given, np.ndarray)) or ids is None:
                raise TypeError(
                    f"{argument} must be a matrix of features with ids=, as fit was given matrices; got "
                    f"{kind_of(given)}{' without ids' if ids is None else ''}."
                )
            with errors_that_name(argument):
                X = checked_csr(sparse.csr_array(given), argument)
            found = as_ids(ids, "ids")
            if X.shape != (len(found), roster.X.shape[1]):
                wanted = f"({len(found)}, {roster.X.shape[1]})"
                raise ValueError(
                    f"{argument} must have a row for each id and the features of fit, {wanted}; got {X.shape}."
                )
            if len(set(found.tolist())) < len(found):
                raise ValueError(f"ids must be unique; got {shorten(found.tolist())}.")
            return found, sparse.csr_array(X.astype(np.float32)), None
        if ids is not None:
            raise ValueError(f"ids goes with a matrix; the ids of a table are in its column {roster.name!r}.")
        side = SideTable.read(given, roster.name, argument)
        title = self._fitted().columns.title if argument == "items" else None
        columns = side.columns_for(side.ids)
        with errors_that_name(argument):
            if argument == "items":
                X = encoded_groups(self.encoder, columns, ("item",))
            else:
                X = encoded_users(self.encoder, columns, len(side.ids))
        return as_id_array(side.ids), X, side.titles_of(side.ids, title)
