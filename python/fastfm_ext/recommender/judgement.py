"""Judgement of a fitted recommender: how well it finds held-out events, and why it scores an item as it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from fastfm_ext import evaluation
from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import is_integer, optional
from fastfm_ext.explain.vector_parts import pairs_of, parts_of, with_shares
from fastfm_ext.recommender.explanation import names_of_history
from fastfm_ext.recommender.held_out import GivenVectors, requests_in
from fastfm_ext.recommender.result_table import result_table
from fastfm_ext.recommender.serving import ServesRecommendations
from fastfm_ext.recommender.side_table import as_ids


class JudgesRecommendations(ServesRecommendations):
    """The part of `FMRecommender` that evaluates and explains."""

    def evaluate(
        self,
        events: Any,
        *,
        k: int | Sequence[int] = 20,
        metrics: Sequence[str] = ("recall", "ndcg"),
        exclude_seen: bool = True,
    ) -> dict[str, float]:
        """Rank items for the users of held-out events, and compare: see `fastfm_ext.evaluate`.

        Parameters
        ----------
        events : table, or sparse matrix of shape (n_users, n_items)
            Held-out events, as `fit` was given them. With a context, each user is ranked for in each context apart.
        k : int or sequence of int, default=20
            Places that count.
        metrics : sequence of str, default=("recall", "ndcg")
            As for `fastfm_ext.evaluate`.
        exclude_seen : bool, default=True
            Leave out what users have chosen before, in rankings and in what is to be found.

        Returns
        -------
        dict of str to float
            "recall@20" and so on, "n_users", the number of users (or requests) that were counted, and "n_left_out", the
            number of events of users or items that are not known: they count neither as found nor as missed.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError, ValueError
            As for `fit` and `fastfm_ext.evaluate`, or if nothing is left to find.
        """
        known = self._fitted()
        places = known.places_of(self.index.ids)
        item_ids, places = self.index.ids[places >= 0], places[places >= 0]
        requests = requests_in(events, known, self.encoder, item_ids)
        users = known.vectors_of(self.model, requests.users, requests.context)
        items = self.model.item_vector(known.items.X[places])
        seen = known.seen_by(requests.users, item_ids) if exclude_seen else None
        vectors = GivenVectors(self.model.n_jobs)
        if not requests.relevant.nnz:
            raise ValueError("events has no event of a user and an item that are known: there is nothing to find.")
        found = evaluation.evaluate(vectors, users, items, requests.relevant, seen=seen, k=k, metrics=metrics)
        return found | {"n_left_out": requests.n_left_out}

    def explain(self, user_id: Any, item_id: Any, n: int | None = 10, *, context: Any = None) -> Any:
        """Take the score of an item for a user apart into what features and pairs of features add to it.

        Parameters
        ----------
        user_id, item_id : id
            A user of whom something is known, and an item in the index.
        n : int, optional, default=10
            Rows, those of the largest values; None for all.
        context : mapping of column to value, optional
            As for `recommend`.

        Returns
        -------
        table
            Of the kind that `fit` was given, with "user_feature", "item_feature" and "value", by falling size. All
            values together are the score. ``"(anybody)"`` and ``"(item alone)"`` stand for what the item scores
            whoever asks, ``"(all else)"`` for what no feature gives, such as choices that were folded in. Where
            users are represented by what they chose, items of histories are features: ``"user_id has item_id=4"``.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If nothing is known of the user, the item is not in the index, or `n` is out of its range.
        """
        known = self._fitted()
        if not optional(is_integer(1))(n):
            raise ValueError(f"n must be an integer of at least 1, or None for all; got {n!r}.")
        given, users = self._users_of([user_id])
        X_context = self._encoded_context(context, given)
        if not known.knows_request(users, X_context)[0]:
            raise ValueError(f"user_id: nothing is known of {user_id!r}; fold in what the user chose.")
        item = known.items.X[self._items_at(as_ids([item_id], "item_id"), "item_id")]
        model, names, V = self.model, self._feature_names(item.shape[1]), self.model.V_
        if known.in_histories is None:
            user = known.users.X[users] if users[0] >= 0 else sparse.csr_array((1, item.shape[1]), dtype=np.float32)
            user = user if X_context is None else sparse.csr_array(user + X_context)
        else:
            user = with_shares(known.rows_with_histories(model, users), item.shape[1])
            columns = known.columns.user, known.columns.item
            names = np.append(names, names_of_history(*columns, known.items.ids[known.in_histories]))
            V = np.concatenate([V, model.history_V_])
        vector = known.vectors_of(model, users, X_context)[0]
        of_item = model.item_vector(item)[0]
        of_user = parts_of(model.user_vector, V, user, vector)
        pairs = pairs_of(of_user, parts_of(model.item_vector, model.V_, item, of_item), names, float(of_item[0]))
        return result_table(known.columns.kind, {name: values[:n] for name, values in pairs.items()})

    def _feature_names(self, n_features: int) -> AnyArray:
        if self.encoder is None:
            return np.arange(n_features).astype(str).astype(object)
        return self.encoder.get_feature_names_out()
