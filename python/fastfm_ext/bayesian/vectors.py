"""User and item vectors of one machine for all draws, or of one draw, for exploration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.validation import check_is_fitted, validate_data

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.checks import is_integer
from fastfm_ext._engine.block_columns import in_one_block
from fastfm_ext._engine.blocks import Blocks
from fastfm_ext._engine.centers import Centers
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext._estimators.vectors import PooledRows, VectorsMixin, check_single_score
from fastfm_ext._learning.units import Units
from fastfm_ext._validation.matrices import to_csr
from fastfm_ext.bayesian.centered import CenteredForm
from fastfm_ext.bayesian.draws import PosteriorDraws
from fastfm_ext.bayesian.rows import Rows, check_scores, pooled_blocks
from fastfm_ext.blocks.matrix import BlockMatrix


class SampledVectorsMixin(VectorsMixin):
    """The parameters of one machine as attributes, and vectors of users and items by them or by a draw.

    Ranking by one draw, the same on both sides, explores: an item is on top as often as it is the best one, for all
    that is known (Thompson sampling).
    """

    _means: list[Parameters] | None
    _draws: list[PosteriorDraws] | None
    _centered: CenteredForm | None

    def user_vector(self, X: Any, *, sample: int | None = None) -> Float32:
        """Return the vectors of users: rows that hold the features of a user (and of the request) and no item's.

        ``score(user + item) = user_bias(user) + <user_vector(user), item_vector(item)>`` of the same parameters, where
        score means the prediction before the link. So the inner product alone ranks the items for a user.

        Parameters
        ----------
        X : {array-like, sparse matrix, BlockMatrix} of shape (n_rows, n_features)
        sample : int, optional
            Number of a kept draw, below `n_samples_`, to take the parameters of; the same is to be named for the items.
            Default: the machine of `w0_`, `w_` and `V_`.

        Returns
        -------
        ndarray of shape (n_rows, n_factors + 1), float32
            ``[1 ; sum_i v_i x_i]`` of each row.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For more than two classes, a draw that was not kept, or an X that cannot be predicted.

        References
        ----------
        Thompson, "On the likelihood that one unknown probability exceeds another" (Biometrika 1933). Rendle,
        "Factorization Machines" (2010), lemma 3.1, with the sum split into the user's and the item's features.
        """
        return VectorsMixin.user_vector(self._with_draw(sample), X)

    def item_vector(self, X: Any, *, sample: int | None = None) -> Float32:
        """Return the vectors of items: rows that hold the features of an item and no user's.

        Parameters
        ----------
        X : {array-like, sparse matrix, BlockMatrix} of shape (n_rows, n_features)
        sample : int, optional
            As for `user_vector`.

        Returns
        -------
        ndarray of shape (n_rows, n_factors + 1), float32
            ``[sum_i w_i x_i + 1/2 sum_f ((sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2) ; sum_i v_i x_i]`` of each row: what
            the item scores by itself, then its pooled factors. A row without any feature is 0, also in the centered
            form, where `predict` takes what it lacks for an unknown id.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `user_vector`.

        See Also
        --------
        user_vector : The other side, and what the inner product means.
        """
        return VectorsMixin.item_vector(self._with_draw(sample), X)

    def user_bias(self, X: Any, *, sample: int | None = None) -> Float32 | Float64:
        """Return what rows of user features score by themselves, w0 included: the same for every item.

        Parameters
        ----------
        X : {array-like, sparse matrix, BlockMatrix} of shape (n_rows, n_features)
        sample : int, optional
            As for `user_vector`.

        Returns
        -------
        ndarray of shape (n_rows,), float32 or float64

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            As for `user_vector`.
        """
        return VectorsMixin.user_bias(self._with_draw(sample), X)

    def user_vectors_and_bias(self, X: Any, *, sample: int | None = None) -> tuple[Float32, Float32 | Float64]:
        """Return `user_vector` and `user_bias` of the same rows, which are read only once for both.

        Parameters
        ----------
        X : {array-like, sparse matrix, BlockMatrix} of shape (n_rows, n_features)
        sample : int, optional
            As for `user_vector`.

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
        return VectorsMixin.user_vectors_and_bias(self._with_draw(sample), X)

    def _pool(
        self, X: Any, of_z: Callable[[Units], Centers] | None = None, pool: Callable[..., Any] = _engine.pool
    ) -> PooledRows:
        model: Self = self._as_it_is()
        check_is_fitted(model, "_scorers")
        rows = model._blocks_of(X)
        if model._centered is not None:
            return model._pool_centered(to_csr(model, X) if rows is None else rows, model._centered)
        if rows is None:
            return VectorsMixin._pool(model, X.tocsr() if isinstance(X, BlockMatrix) else X, of_z, pool)
        return model._pool_blocks(rows)

    def _pool_centered(self, rows: Rows, form: CenteredForm) -> PooledRows:
        """Return the terms of rows that have nothing of a block where they have none of its features.

        Such a row may be of the other side. Rows that have the same blocks are pooled together.
        """
        blocks = in_one_block(rows) if isinstance(rows, Csr) else rows
        patterns, pattern_of = np.unique(form.present(blocks), axis=0, return_inverse=True)
        parts = [np.flatnonzero(pattern_of.ravel() == number) for number in range(len(patterns))]
        pooled = [
            self._pool_blocks(form.applied(blocks.take(part), pattern))
            for part, pattern in zip(parts, patterns, strict=True)
        ]
        back = np.argsort(np.concatenate(parts))
        return PooledRows(*(np.concatenate(terms)[back] for terms in zip(*pooled, strict=True)))

    def _pool_blocks(self, rows: Blocks) -> PooledRows:
        check_single_score(self._scorers)
        (params,) = self._scorers
        own, sum_vx = pooled_blocks(rows, params, effective_n_jobs(self.n_jobs))
        check_scores(own, rows)
        check_scores(sum_vx, rows, "vector")
        return PooledRows(own, sum_vx, self._units.with_target_center(np.float32(params.w0) + own))

    def _blocks_of(self, X: Any) -> Blocks | None:
        """Return the blocks of a matrix that can be scored as they are; None for one that is to be written out."""
        if not isinstance(X, BlockMatrix) or len(self._units.centers):
            return None
        validate_data(self, X, reset=False, skip_check_array=True)
        return X.to_blocks()

    def _per_output(self, get: Callable[[Parameters, Units], Any]) -> Any:
        form = vars(self).get("_centered")
        if form is None:
            return super()._per_output(get)
        columns = np.arange(form.n_features)  # without those of unknown ids
        return super()._per_output(lambda params, units: get(Parameters(params.part(columns), params.n_factors), units))

    def _scoring_form(self) -> ScoringForm:
        """Return what the machine of the draws computes of a row.

        Raises
        ------
        ValueError
            For the centered form, whose features within a block do not interact.
        """
        if self._centered is not None:
            raise ValueError(
                'form="centered" is no single factorization machine of the features, and cannot be exported to ONNX: '
                'fit with form="fm", or serve the model file.'
            )
        return VectorsMixin._scoring_form(self)

    @property
    def n_samples_(self) -> int:
        """Draws that are kept for predictions; 0 unless ``keep="samples"``."""
        attributes = vars(self)
        if "_draws" not in attributes:
            raise AttributeError(f"This {type(self).__name__} is not fitted yet; call fit first.")
        draws = attributes["_draws"]
        return 0 if draws is None else len(draws[0])

    def _with_draw(self, sample: int | None) -> Self:
        """Return the model of a draw; of the mean for None."""
        model: Self = self._as_it_is()
        check_is_fitted(model, "_scorers")
        if sample is None:
            return model
        n = model.n_samples_
        if not is_integer(0)(sample) or sample >= n:
            which = f"0 to {n - 1}" if n else 'and the model keeps none: fit with keep="samples"'
            raise ValueError(f"sample must be the number of a kept draw, {which}; got {sample!r}.")
        assert model._draws is not None
        assert model._means is not None
        pairs = zip(model._draws, model._means, strict=True)
        model._scorers = Scorers(draws.parameters(int(sample), mean) for draws, mean in pairs)
        return model
