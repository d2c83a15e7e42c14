"""Bias, weights and factors of a fitted model, and the user and item vectors that retrieval searches with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.threads import n_threads_of
from fastfm_ext._engine.centers import Centers
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.matrices import check_no_overflow, to_csr, with_present_centered
from fastfm_ext._validation.quick_checks import check_fitted


class PooledRows(NamedTuple):
    """Terms of rows apart from each other, as an inner product of vectors needs them.

    Attributes
    ----------
    own : ndarray of shape (n_rows,)
        The linear and pair terms of each row, without w0.
    sum_vx : ndarray of shape (n_rows, n_factors)
        The sums S_f.
    bias : ndarray of shape (n_rows,)
        The score of each row.
    """

    own: Float32
    sum_vx: Float32
    bias: Float32 | Float64


class VectorsMixin:
    """The parameters in `_scorers`, one entry a score, as attributes and as vectors of users and items."""

    _scorers: Scorers
    _units: Units
    _as_it_is: Any
    # What becomes of the scores of a row, a `Link`.
    _link: Any
    n_jobs: int | None

    @property
    def w0_(self) -> float | Float32:
        """Bias: a number, or (n_classes,) for more than two classes."""
        w0: float | Float32 = self._per_output(
            lambda params, units: units.centers.w0(params) + units.target_center + units.score_offset
        )
        return w0

    @property
    def w_(self) -> Float32:
        """Linear weights: (n_features,), or (n_classes, n_features) for more than two classes.

        Of a single score without centered columns it is a view, which `partial_fit` changes: copy it to keep it.
        """
        w: Float32 = self._per_output(lambda params, units: units.centers.w(params))
        return w

    @property
    def V_(self) -> Float32:
        """Factors: (n_features, n_factors), or (n_classes, n_features, n_factors) for more than two classes.

        Of a single score it is a view, which `partial_fit` changes: copy it to keep it.
        """
        V: Float32 = self._per_output(lambda params, units: params.V)
        return V

    def _per_output(self, get: Callable[[Parameters, Units], Any]) -> Any:
        attributes = vars(self)  # a fit in another thread replaces them all at once
        if "_scorers" not in attributes:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        values = [get(params, attributes["_units"]) for params in attributes["_scorers"]]
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
            ``[1 ; sum_i v_i x_i]`` of each row; of a ranker by cosines, the sum is brought to length 1 / temperature.

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
        return _user_vectors(self._pool_users(X).sum_vx)

    def item_vector(self, X: Any) -> Float32:
        """Return the vectors of items: rows that hold the features of an item and no user's.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows, n_factors + 1), float32
            ``[sum_i w_i x_i + 1/2 sum_f ((sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2) ; sum_i v_i x_i]`` of each row: what
            the item scores by itself, then its pooled factors. Of a ranker by cosines, without the pair terms, and the
            factors at length 1.

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
        rows = self._pool_items(X)
        return np.column_stack([rows.own, rows.sum_vx])

    def user_bias(self, X: Any) -> Float32 | Float64:
        """Return what rows of user features score by themselves, w0 included: the same for every item.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        ndarray of shape (n_rows,), float32
            float64 where `predict` is.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For a classifier of more than two classes, or if X has NaN, infinite values, no rows, another number of
            features than in `fit`, or values so large that what is computed of them is beyond float32.
        """
        return self._pool_users(X).bias

    def user_vectors_and_bias(self, X: Any) -> tuple[Float32, Float32 | Float64]:
        """Return `user_vector` and `user_bias` of the same rows, which are read only once for both.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_rows, n_features)

        Returns
        -------
        vectors : ndarray of shape (n_rows, n_factors + 1), float32
            As `user_vector` returns them.
        bias : ndarray of shape (n_rows,), float32 or float64
            As `user_bias` returns it.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `user_vector`.
        """
        rows = self._pool_users(X)
        return _user_vectors(rows.sum_vx), rows.bias

    def _scoring_form(self) -> ScoringForm:
        """Return what the model computes of a row, as arrays of its own.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        """
        model = self._as_it_is()
        check_fitted(model)
        scorers: Scorers = model._scorers
        with scorers.access.reading():
            return ScoringForm.of(scorers, model._units, model._link)

    def _pool_users(self, X: Any) -> PooledRows:
        return self._pool(X)

    def _pool_items(self, X: Any) -> PooledRows:
        return self._pool(X)

    def _pool(
        self, X: Any, of_z: Callable[[Units], Centers] | None = None, pool: Callable[..., Any] = _engine.pool
    ) -> PooledRows:
        """Return the terms of rows apart from each other: of x, or of z = x less the centers that `of_z` gives."""
        model = self._as_it_is()
        check_fitted(model)
        check_single_score(model._scorers)
        units: Units = model._units
        if of_z is None:
            csr, is_zero = with_present_centered(to_csr(model, X), X, units.centers)
        else:
            csr, is_zero = to_csr(model, X, centers=of_z(units)), None
        return model._pool_rows(csr, is_zero, pool)  # type: ignore[no-any-return]

    def _pool_rows(self, csr: Csr, is_zero: Float64 | None, pool: Callable[..., Any] = _engine.pool) -> PooledRows:
        """Return the terms of validated rows; `is_zero` as `with_present_centered` returns it."""
        scorers, units = self._scorers, self._units
        with scorers.access.reading():
            own, sum_vx = pool(csr, scorers[0], n_threads_of(self.n_jobs))
            bias = own
            if is_zero is not None:
                own, sum_vx, bias = units.centers.uncentered(own, sum_vx, is_zero, scorers[0])
            w0 = np.float32(scorers[0].w0 + units.score_offset)
        check_no_overflow(own, csr, "score")
        check_no_overflow(sum_vx, csr, "vector")
        return PooledRows(own, sum_vx, units.with_target_center(w0 + bias))


def check_single_score(scorers: Scorers) -> None:
    """Raise ValueError for more than one."""
    if len(scorers) > 1:
        raise ValueError(
            f"user and item vectors need a single score, and this model has one for each of {len(scorers)} "
            "classes. Train a regressor or a two-class model to rank by."
        )


def _user_vectors(sum_vx: Float32) -> Float32:
    """Put a 1, which meets an item's own score, before the summed factors: (n_rows, n_factors + 1)."""
    return np.column_stack([np.ones(len(sum_vx), dtype=np.float32), sum_vx])
