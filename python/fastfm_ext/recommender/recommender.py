"""Recommender: one object from a table of events to the best items of each user."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, Self

from scipy import sparse
from sklearn.base import BaseEstimator, clone

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import kind_of
from fastfm_ext._estimators.listeners import Callback
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.model_io.saved import load_model, save_model
from fastfm_ext.ranking.ranker import FMRanker
from fastfm_ext.recommender.growth import LearnsOfMore
from fastfm_ext.recommender.judgement import JudgesRecommendations
from fastfm_ext.recommender.known import Known
from fastfm_ext.recommender.saving import known_of, state_of
from fastfm_ext.recommender.training_data import FitArguments, data_of_matrices, data_of_tables
from fastfm_ext.retrieval.ids import shorten
from fastfm_ext.retrieval.index import ItemIndex


class FMRecommender(JudgesRecommendations, LearnsOfMore, BaseEstimator):
    """Recommender from implicit feedback: who clicked, bought, played or watched what.

    From a table of events, and tables of users and items where there are some, it makes features, trains a ranker,
    fills an index, and answers with tables. It adds nothing to these three but ids, and hides none of them.

    Parameters
    ----------
    model : FMRanker, optional
        The ranker to train, with its hyperparameters; by default ``FMRanker()``.
    index : ItemIndex, optional
        The index to fill, such as ``ItemIndex("ivf")`` for a million items; by default ``ItemIndex()``.

    Attributes
    ----------
    model : FMRanker
        After `fit` the trained one. `fit` trains and fills copies, so that what was passed stays as it was.
    index : ItemIndex
        After `fit` with the vectors of the items. Items that are removed from it are recommended to nobody.
    encoder : FMEncoder or None
        After `fit`, the encoder of the tables, with the user's, the item's and the context's columns; None where
        features came as matrices.
    user_ids_, item_ids_ : ndarray of shape (n_users,), (n_items,)
        All that are known.
    interactions_ : csr_array of shape (n_users, n_items)
        Weights of what each user chose, added up.

    See Also
    --------
    FMRanker : The ranker by itself, on matrices.
    interactions_from_table : Events as a matrix, for own evaluations and splits.

    Notes
    -----
    Only users who chose something and items that somebody chose are trained on: others are ranked by the features that
    they share with these. An item of which nothing is known is recommended to nobody, and `fit` warns of it. For users
    of whom nothing is known see `recommend`.

    With ``FMRanker(user_history=True)``, users are represented by what they chose, and by the columns that describe
    them, but not by their ids: `fold_in` is then an addition, and what was chosen since training counts exactly as it
    would have in it. Only items of training count in histories.

    ``set_params(model__n_factors=32)`` and scikit-learn's `clone` work as for a Pipeline.

    Examples
    --------
    >>> from fastfm_ext import FMRanker, FMRecommender
    >>> clicks = {
    ...     "user_id": ["ann", "ann", "bob", "bob", "cat", "cat", "dan", "dan"],
    ...     "item_id": [1, 2, 1, 3, 4, 5, 4, 6],
    ... }
    >>> items = {
    ...     "item_id": [1, 2, 3, 4, 5, 6, 7],
    ...     "title": ["Alien", "Dune", "Solaris", "Heat", "Ronin", "Thief", "Brazil"],
    ...     "genre": ["SciFi", "SciFi", "SciFi", "Crime", "Crime", "Crime", "SciFi"],
    ... }
    >>> recommender = FMRecommender(FMRanker(n_factors=4, l2_V=0.01, random_state=0)).fit(
    ...     clicks, items=items
    ... )
    >>> sorted(recommender.recommend("ann", n=2)["title"].tolist())
    ['Brazil', 'Solaris']
    >>> recommender = recommender.fold_in({"user_id": ["eve", "eve"], "item_id": [4, 5]})
    >>> recommender.recommend("eve", n=1)["title"].tolist()
    ['Thief']
    """

    _known: Known | None = None
    encoder: FMEncoder | None = None

    def __init__(self, model: FMRanker | None = None, *, index: ItemIndex | None = None) -> None:
        # Made here, so that set_params(model__n_factors=...) finds one.
        self.model = FMRanker() if model is None else model
        self.index = ItemIndex() if index is None else index

    def fit(
        self,
        events: Any,
        *,
        user: str | Sequence[str | ColumnSpec] = "user_id",
        item: str | Sequence[str | ColumnSpec] = "item_id",
        context: str | Sequence[str | ColumnSpec] | None = None,
        users: Any = None,
        items: Any = None,
        weight: str | None = None,
        title: str | None = None,
        callback: Callback | None = None,
    ) -> Self:
        """Train on events.

        Parameters
        ----------
        events : table with n_events rows, or sparse matrix of shape (n_users, n_items)
            Each row says that a user chose an item: a pandas or polars DataFrame, an Arrow table, or a mapping of
            column name to array. In a matrix, nonzeros are weights; its rows and columns are numbered from 0.
        user, item : str or list of column specs, default="user_id", "item_id"
            The columns of ids. With a name alone, all other columns of `users` or `items` are features, too, encoded by
            what they hold (see `FMEncoder`). A list says which columns are, and how: first the ids, then the others, as
            in ``["film", multi("genres", sep="|")]``; without `users` or `items`, they are columns of `events`.
        context : list of column specs, optional
            Columns of `events` that tell the situation, such as the hour or the device.
        users, items : table, or matrix of shape (n_users, n_features), (n_items, n_features), optional
            What is known of users and items: a row for each, joined by the column of ids. With a matrix of events,
            matrices of features as `FMRanker` takes them; ids alone by default.
        weight : str, optional
            Column of weights, such as play counts. Those of a pair are added up.
        title : str, optional
            Column of `items` that names an item to people. By default ``"title"`` or ``"name"``, if there is one. It is
            no feature, unless `item` lists it.
        callback : callable, optional
            As for `FMRanker.fit`.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If an argument is of another kind.
        ValueError
            For a missing column, ids with gaps, side tables with an id twice, columns of one name in both side tables,
            weights below 0, or no events at all; the message names the argument.
        DivergenceError
            As for `FMRanker.fit`.

        Warns
        -----
        UserWarning
            If items have neither events nor features that items with events have.
        """
        self._check_parts()
        if sparse.issparse(events):
            named = {"user": user, "item": item, "context": context, "weight": weight, "title": title}
            _check_matrix_arguments(named)
            data = data_of_matrices(events, users, items, by_history=self.model.user_history)
        else:
            arguments = events, user, item, context, users, items, weight, title
            data = data_of_tables(FitArguments(*arguments, by_history=self.model.user_history))
        model = clone(self.model).fit(data.X_user, data.X_item, data.chosen, callback=callback)
        known = data.known
        is_known = known.items.is_known(known.trained)
        vectors = model.item_vector(known.items.X[is_known])
        index = clone(self.index, safe=False).fit(vectors, ids=known.items.ids[is_known])
        self.model, self.index, self.encoder, self._known = model, index, data.encoder, known
        if not is_known.all():
            strangers = known.items.ids[~is_known].tolist()
            warnings.warn(
                f"{len(strangers)} items have neither events nor known features, and nobody gets them: "
                f"{shorten(strangers)}",
                UserWarning,
                stacklevel=2,
            )
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recommender, with its model, encoder and index, to one file: see `fastfm_ext.save_model`.

        Parameters
        ----------
        path : path-like
            The file to write; an existing one is replaced.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        TypeError
            If ids or titles are of a type that a file cannot hold; int, float, str, bool and tuples of these are
            possible.
        OSError
            If the file cannot be written.
        """
        save_model(path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = False) -> FMRecommender:
        """Read a recommender from a file.

        Parameters
        ----------
        path : path-like
            The file.
        mmap : bool, default=False
            As for `fastfm_ext.load_model`.

        Returns
        -------
        FMRecommender

        Raises
        ------
        fastfm_ext.model_io.ModelFileError
            If the file is damaged or of another kind.
        ValueError
            If it holds no recommender.
        OSError
            If the file cannot be opened.
        """
        loaded = load_model(path, mmap=mmap).model
        if not isinstance(loaded, FMRecommender):
            raise ValueError(f"{path} holds {kind_of(loaded)}, and not an FMRecommender: load_model loads it.")
        return loaded

    @property
    def user_ids_(self) -> AnyArray:
        """Ids of the users that are known."""
        return self._known_attribute("user_ids_").users.ids

    @property
    def item_ids_(self) -> AnyArray:
        """Ids of the items that are known, in the index or not."""
        return self._known_attribute("item_ids_").items.ids

    @property
    def interactions_(self) -> sparse.csr_array:
        """Weights of what each user chose, added up: (n_users, n_items)."""
        return self._known_attribute("interactions_").interactions

    def _known_attribute(self, name: str) -> Known:
        if self._known is None:
            raise AttributeError(f"{name}: this {type(self).__name__} is not fitted yet; call fit first.")
        return self._known

    def _check_parts(self) -> None:
        for name, kind in (("model", FMRanker), ("index", ItemIndex)):
            part = getattr(self, name)
            if not isinstance(part, kind):
                raise TypeError(f"{name} must be an {kind.__name__}, got {kind_of(part)}.")

    def __sklearn_is_fitted__(self) -> bool:
        return self._known is not None

    def _parts(self) -> dict[str, Any]:
        """Return the parts that a file holds beside what `_to_state` returns."""
        parts = {"model": self.model, "encoder": self.encoder, "index": self.index}
        return {name: part for name, part in parts.items() if part is not None}

    def _put_together(self, parts: dict[str, Any]) -> Self:
        """Take back the parts of `_parts`.

        Raises
        ------
        KeyError, ValueError
            If one is missing, or does not fit the others.
        """
        self.model, self.index, self.encoder = parts["model"], parts["index"], parts.get("encoder")
        self._check_parts()
        n_features = len(self._fitted().trained)
        of_histories = self._fitted().in_histories
        n_items = None if of_histories is None else len(of_histories)
        if getattr(self.model, "n_items_in_", None) != n_items:
            raise ValueError("a model of other histories than those of the recommender")
        found = {self.model.n_features_in_} | ({self.encoder.n_features_out_} if self.encoder is not None else set())
        if found != {n_features}:
            raise ValueError(f"parts of {sorted(found)} features for a recommender of {n_features}")
        return self

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        return state_of(self._fitted())

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self:
        recommender = cls()
        recommender._known = known_of(meta, arrays)
        return recommender


def _check_matrix_arguments(named: dict[str, Any]) -> None:
    """Raise ValueError if a column is named of a matrix, which has none."""
    for name, value in named.items():
        if value is not None and not (name in ("user", "item") and value == f"{name}_id"):
            raise ValueError(f"{name}={value!r} names a column, but events is a matrix: its rows are the users.")
