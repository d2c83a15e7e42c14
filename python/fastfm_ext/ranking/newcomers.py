"""Newcomers of a ranking: users who came after training, and, by least squares, items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._estimators.vectors import PooledRows
from fastfm_ext._learning.losses import PairsLoss
from fastfm_ext._learning.solvers.newcomers import KnownRows, WholeDataTerms
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.matrices import to_csr
from fastfm_ext.ranking.exact_fold_in import fold_in_items, fold_in_users
from fastfm_ext.ranking.fold_in import check_vectors, fold_in, read_histories


class NewcomersMixin:
    """The part of `FMRanker` that serves users and items who came after training."""

    loss: str
    fit_linear: bool
    unobserved_weight_: float
    _scorers: Scorers
    _units: Units
    _loss: Any
    _as_it_is: Any
    _check_params: Callable[[], None]
    _settings: Any
    _pool_users: Callable[[Any], PooledRows]
    _pool_items: Callable[[Any], PooledRows]

    def fold_in(
        self, history: Any, item_vectors: ArrayLike, X_user: Any = None, *, random_state: int | None = 0
    ) -> Float32:
        """Return the vectors of users who came after training, from what they chose.

        A few steps on the users' factors alone, the items as they are, on the loss of training (BPR's for WARP) with
        its L2: what training would have learned for a feature that only this user has. Least squares are solved
        exactly, as one system of `n_factors` + 1 equations a user. With `user_history`, the vectors are sums, those
        that `user_vector` returns for rows of `with_history`.

        Parameters
        ----------
        history : {array-like of int, sparse matrix of shape (n_users, n_items)}
            The rows of `item_vectors` that one user chose, or weights of what several users chose. Those of several who
            chose nothing get the vectors of their known features.
        item_vectors : ndarray of shape (n_items, n_factors + 1)
            What `item_vector` returns for all items; fastest as C-ordered float32. With `user_history`, of the items of
            `fit`.
        X_user : {array-like, sparse matrix} of shape (n_users, n_features), optional
            The features of these users that training knew, without an id.
        random_state : int or None, default=0
            Seed of the items drawn to stand against the chosen ones, of which least squares and sums of vectors need
            none; None takes a new one. A vector depends on the seed and on what its user chose, not on who else is
            folded in.

        Returns
        -------
        ndarray of shape (n_factors + 1,) for one user, or (n_users, n_factors + 1), float32
            User vectors, as those of `user_vector`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For items that do not exist, an empty history of one user, vectors of another width, or users who chose
            everything.

        See Also
        --------
        user_vector : For a new user of whom only features are known.
        fold_in_items : The same for items, by least squares.
        """
        check_is_fitted(self, "_scorers")
        self._check_params()
        model = self._as_it_is()
        loss, similarity = model._loss, model._similarity
        if isinstance(loss, PairsLoss):
            return model._fold_in_exactly(history, item_vectors, X_user)  # type: ignore[no-any-return]
        if hasattr(model, "n_items_in_"):
            n_factors, relative = model._scorers[0].n_factors, model._units.relative
            chosen, single = read_histories(history, len(check_vectors(item_vectors, n_factors)), relative, None)
            vectors: Float32 = model.user_vector(model.with_history(as_scipy(chosen), X_user))
            return vectors[0] if single else vectors
        known = None if X_user is None else model._pool(X_user, lambda units: units.centers).sum_vx
        l2, n_factors, relative = model._settings().l2_V, model._scorers[0].n_factors, model._units.relative
        return fold_in(history, item_vectors, known, loss, similarity, l2, n_factors, random_state, relative)

    def fold_in_items(self, interactions: Any, X_user: Any, X_item: Any = None) -> Float32:
        """Return the vectors of items that came after training, from who chose them.

        Exactly what a step on items of least squares gives for a feature that only this item has, the users as they
        are: one system of `n_factors` + 1 equations an item.

        Parameters
        ----------
        interactions : {array-like, sparse matrix} of shape (n_users, n_items)
            Who chose the new items, as in `fit`. An item that nobody chose gets the vector of its known features.
        X_user : {array-like, sparse matrix} of shape (n_users, n_features)
            The users, those who chose none of these items, too.
        X_item : {array-like, sparse matrix} of shape (n_items, n_features), optional
            The features of these items that training knew, without an id.

        Returns
        -------
        ndarray of shape (n_items, n_factors + 1), float32
            Item vectors, as those of `item_vector`, for `ItemIndex.add`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            Unless `loss` is "squared", or for input that `fit` would refuse.

        See Also
        --------
        item_vector : For a new item of which only features are known.

        Examples
        --------
        >>> import numpy as np
        >>> from fastfm_ext import FMRanker
        >>> features = np.eye(10)  # 4 users, then 6 items
        >>> chosen = np.array(
        ...     [[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]
        ... )
        >>> model = FMRanker(2, loss="squared", unobserved_weight=0.1, tol=1e-3, random_state=0)
        >>> model = model.fit(features[:4], features[4:], chosen)
        >>> new_items = model.fold_in_items([[1, 0], [1, 0], [0, 1], [0, 1]], features[:4])
        >>> (model.user_vector(features[:4]) @ new_items.T).argmax(
        ...     axis=1
        ... ).tolist()  # which is better for each user
        [0, 0, 1, 1]
        """
        check_is_fitted(self, "_scorers")
        self._check_params()
        if not isinstance(self._loss, PairsLoss):
            raise ValueError(f'fold_in_items needs loss="squared"; got loss={self.loss!r}.')
        known = None
        if X_item is not None:
            items = self._pool_items(X_item)
            known = KnownRows(items.sum_vx, items.own)
        users = self._known_users(X_user)
        return fold_in_items(interactions, users, known, self._whole_data_terms(), self._units.relative)

    def _fold_in_exactly(self, history: Any, item_vectors: ArrayLike, X_user: Any) -> Float32:
        """Return the vectors of users: see `FMRanker.fold_in`."""
        users = None if X_user is None else self._known_users(X_user)
        n_factors, relative = self._scorers[0].n_factors, self._units.relative
        return fold_in_users(history, item_vectors, users, self._whole_data_terms(), n_factors, relative)

    def _known_users(self, X_user: Any) -> KnownRows:
        """Return the vectors and the linear terms of users, which have no pair terms of their own here."""
        model = self._as_it_is()
        csr = to_csr(model, X_user, name="X_user", centers=model._units.centers)
        own = as_scipy(csr) @ model._scorers[0].w
        return KnownRows(model._pool_users(X_user).sum_vx, own.astype(np.float32))

    def _whole_data_terms(self) -> WholeDataTerms:
        if not hasattr(self, "unobserved_weight_"):
            raise ValueError(f"loss is now {self.loss!r}, and the model was trained with another. Train it anew.")
        settings = self._settings()
        return WholeDataTerms(self.unobserved_weight_, settings.l2_w, settings.l2_V, self.fit_linear)
