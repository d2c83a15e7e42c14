"""More features than before: the model grows, and what it has learned stays as it is."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.growth import grown


class GrowingFeatures:
    """Mixin of the estimators: features that come later, as ids do that nobody has seen before."""

    _outputs: list[Parameters]
    n_features_in_: int
    _check_params: Any
    _check_can_continue: Any
    _options: Any
    _seed: Any

    def grow(self, n_features: int) -> Self:
        """Make room for features that come later, as an encoder that has met new ids gives them.

        What has been learned stays as it is, to the bit: a row without new features is predicted as before. The new
        features have w = 0 and factors drawn as those of a new model, and their values are taken to be of unit size.

        `partial_fit`, a warm `fit` and `fit_stream` do this by themselves for a sparse X of more columns. Call it to
        predict rows with new features before training on any, or once for many, since each call copies the parameters.

        Parameters
        ----------
        n_features : int
            At least as many as now.

        Returns
        -------
        self

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            For fewer features than the model has, a model that was trained on named columns, or a changed `solver` or
            `n_factors`.

        Examples
        --------
        >>> from fastfm_ext import FMRegressor
        >>> model = FMRegressor(n_factors=2, random_state=0).fit([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0])
        >>> before = model.predict([[1.0, 0.0]])
        >>> bool(model.grow(5).predict([[1.0, 0.0, 0.0, 0.0, 0.0]]) == before)
        True
        """
        check_is_fitted(self, "_outputs")
        self._check_params()
        is_count = isinstance(n_features, int | np.integer) and not isinstance(n_features, bool)
        if not is_count or not self.n_features_in_ <= n_features <= MAX_INT32:
            raise ValueError(
                f"n_features must be an integer from {self.n_features_in_}, which the model has, to {MAX_INT32}; "
                f"got {n_features!r}."
            )
        if n_features == self.n_features_in_:
            return self
        if hasattr(self, "feature_names_in_"):
            raise ValueError(
                f"The model was trained on {self.n_features_in_} named columns, and cannot grow to {n_features}. Train "
                "it on a sparse matrix, as an encoder gives it, to let it grow."
            )
        self._check_can_continue()
        rng = np.random.default_rng([self._seed(), self.n_features_in_])
        self._outputs = [grown(params, int(n_features), self._options(), rng) for params in self._outputs]
        self.n_features_in_ = int(n_features)
        return self

    def _grow_to_fit(self, X: Any) -> None:
        """Grow for a sparse matrix of more columns; a dense one with another column is a mistake, and refused later."""
        if sp.issparse(X) and X.ndim == 2 and self.n_features_in_ < X.shape[1] <= MAX_INT32:
            self.grow(X.shape[1])
