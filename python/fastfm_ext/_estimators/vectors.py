"""Bias, weights and factors of a fitted model, and the user and item vectors that retrieval searches with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.validation import check_is_fitted

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._validation.matrices import check_no_overflow, to_csr


class VectorsMixin:
    """The parameters in `_scorers`, one entry a score, as attributes and as vectors of users and items."""

    _scorers: Scorers
    _as_it_is: Any
    n_jobs: int | None

    @property
    def w0_(self) -> float | Float32:
        """Bias: a number, or (n_classes,) for more than two classes."""
        w0: float | Float32 = self._per_output(lambda params: params.w0)
        return w0

    @property
    def w_(self) -> Float32:
        """Linear weights: (n_features,), or (n_classes, n_features) for more than two classes.

        Of a single score it is a view, which `partial_fit` changes: copy it to keep it.
        """
        w: Float32 = self._per_output(lambda params: params.w)
        return w

    @property
    def V_(self) -> Float32:
        """Factors: (n_features, n_factors), or (n_classes, n_features, n_factors) for more than two classes.

        Of a single score it is a view, which `partial_fit` changes: copy it to keep it.
        """
        V: Float32 = self._per_output(lambda params: params.V)
        return V

    def _per_output(self, get: Callable[[Parameters], Any]) -> Any:
        if "_scorers" not in vars(self):
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        values = [get(params) for params in self._scorers]
        return values[0] if len(values) == 1 else np.stack(values)

    def user_vector(self, X: Any) -> Float32:
        """Return the vectors of users: rows that hold the features of a user (and of the request) and no item's.

        ``predict(user + item) = user_bias(user) + <user_vector(user), item_vector(item)>``, where predict means the
        score before the link. So the inner product alone ranks the items for a user.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_factors + 1), float32
            ``[1 ; sum_i v_i x_i]`` of each row.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For a classifier of more than two classes, or if X has NaN, infinite values, no rows, another number of
            features than in `fit`, or values so large that what is computed of them is beyond float32.

        References
        ----------
        Rendle, "Factorization Machines" (2010), lemma 3.1, with the sum split into the user's and the item's features.
        """
        return _user_vectors(self._pool(X)[1])

    def item_vector(self, X: Any) -> Float32:
        """Return the vectors of items: rows that hold the features of an item and no user's.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_factors + 1), float32
            ``[sum_i w_i x_i + 1/2 sum_f ((sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2) ; sum_i v_i x_i]`` of each row: what
            the item scores by itself, then its pooled factors.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For a classifier of more than two classes, or if X has NaN, infinite values, no rows, another number of
            features than in `fit`, or values so large that what is computed of them is beyond float32.

        See Also
        --------
        user_vector : The other side, and what the inner product means.
        """
        own, sum_vx, _ = self._pool(X)
        return np.column_stack([own, sum_vx])

    def user_bias(self, X: Any) -> Float32:
        """Return what rows of user features score by themselves, w0 included: the same for every item.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,), float32

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For a classifier of more than two classes, or if X has NaN, infinite values, no rows, another number of
            features than in `fit`, or values so large that what is computed of them is beyond float32.
        """
        own, _, w0 = self._pool(X)
        return w0 + own

    def user_vectors_and_bias(self, X: Any) -> tuple[Float32, Float32]:
        """Return `user_vector` and `user_bias` of the same rows, which are read only once for both.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        vectors : ndarray of shape (n_rows, n_factors + 1), float32
            As `user_vector` returns them.
        bias : ndarray of shape (n_rows,), float32
            As `user_bias` returns it.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `user_vector`.
        """
        own, sum_vx, w0 = self._pool(X)
        return _user_vectors(sum_vx), w0 + own

    def _pool(self, X: Any) -> tuple[Float32, Float32, np.float32]:
        """Return what each row scores by itself, (n_rows,), its summed factors, (n_rows, n_factors), and w0."""
        model = self._as_it_is()
        check_is_fitted(model, "_scorers")
        scorers: Scorers = model._scorers
        if len(scorers) > 1:
            raise ValueError(
                f"user and item vectors need a single score, and this model has one for each of {len(scorers)} "
                "classes. Train a regressor or a two-class model to rank by."
            )
        csr = to_csr(model, X)
        with scorers.access.reading():
            own, sum_vx = _engine.pool(csr, scorers[0], effective_n_jobs(self.n_jobs))
            w0 = np.float32(scorers[0].w0)
        check_no_overflow(own, csr, "score")
        check_no_overflow(sum_vx, csr, "vector")
        return own, sum_vx, w0


def _user_vectors(sum_vx: Float32) -> Float32:
    """Put a 1, which meets an item's own score, before the summed factors: (n_rows, n_factors + 1)."""
    return np.column_stack([np.ones(len(sum_vx), dtype=np.float32), sum_vx])
