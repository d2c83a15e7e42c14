"""Base of the regressors that learn a number for each row: its units, its range, and the loss."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float32, Float64
from fastfm_ext._common.checks import check_param
from fastfm_ext._estimators.batch_methods import if_on_batches
from fastfm_ext._estimators.hyperparameters import one_of
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._learning.losses import Loss, losses_of
from fastfm_ext._learning.units import FAR_TARGET, TargetUnits
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext._validation.targets import check_numbers, spread_of


class RowRegressor(RowEstimator):
    """Base of the regressors that learn a number for each row, whatever the model computes of a row."""

    def __init__(self, n_factors: int, *, loss: str, delta: float, clip_predictions: bool, **of_rows: Any) -> None:
        super().__init__(n_factors, **of_rows)
        self.loss = loss
        self.delta = delta
        self.clip_predictions = clip_predictions

    @if_on_batches
    def partial_fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train one epoch on these rows, going on from what has been learned.

        The first call's rows decide the units: of the target, in whose spread step sizes and L2 are given, of each
        numeric column, whose center is taken off, too, and of the rows' norms. So let the first batch be one of many
        rows, taken at random. Weights are relative to the mean weight of that batch.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on, fewer features than before (a sparse X of more lets the model
            `grow`), or a changed `solver` or `n_factors`.
        DivergenceError
            When a score stops being finite. After an error, the model is as it was before the call.
        """
        return self._partial_fit((X, y, sample_weight, None))

    def predict(self, X: Any) -> Float32 | Float64:
        """Return the predicted targets.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), float32
            Within `target_range_` if `clip_predictions` is set. float64 where the mean of the first targets is more
            than 128 times their spread, as with years: float32 would round away what differs between rows.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        model = self._as_it_is()
        scores = model._raw_predictions(X)[0]
        predictions: Float32 | Float64 = model._units.with_target_center(scores)
        return model._clipped(predictions) if model.clip_predictions else predictions

    def _clipped(self, predictions: Float32 | Float64) -> Float32 | Float64:
        """Return predictions, (n_rows,), within `target_range_`."""
        clipped: Float32 | Float64 = predictions.clip(*self._limits.astype(predictions.dtype))
        return clipped

    @property
    def _link(self) -> Link:
        return Link("identity", limits=self._limits if self.clip_predictions else None)

    @property
    def _limits(self) -> Float64:
        """The ends of `target_range_`, (2,)."""
        if not hasattr(self, "target_range_"):
            raise ValueError(
                "clip_predictions needs the range of the targets, and this model has none: it is that of given "
                "parameters, or was saved by an early build. Train anew, or clip what predict returns with numpy.clip."
            )
        return self.target_range_

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _loss(self) -> Loss:
        return next(loss for loss in losses_of("regression") if loss.name == self.loss)

    def _check_params(self) -> None:
        check_param(self, "loss", *one_of(loss.name for loss in losses_of("regression")))
        super()._check_params()

    def _check_target(self, y: Any, name: str) -> Float64:
        return check_numbers(y, name)

    def _learn_target(self, y: Float64, sample_weight: Float32 | None, classes: Any) -> TargetUnits:
        center = float(np.average(y, weights=sample_weight)) if self.fit_intercept else 0.0
        spread = spread_of(y, center, sample_weight)
        self.target_range_ = np.array([y.min(), y.max()])
        return TargetUnits(spread, center if abs(center) > FAR_TARGET * spread else 0.0)

    def _take_in(self, rows: CountedRows, *, is_batch: bool) -> CountedRows:
        if hasattr(self, "target_range_"):  # else it went on from a model of unknown range
            low, high = self.target_range_
            self.target_range_ = np.array([min(low, rows.y.min()), max(high, rows.y.max())])
        return rows

    def _encode_target(self, y: Float64, name: str) -> Float32:
        targets: Float32 = (y - self._units.target_center).astype(np.float32)[None, :]
        return targets

    def _check_classes(self, classes: Any, *, first: bool) -> Any:
        raise ValueError(f"classes is for classifiers; {type(self).__name__} has none.")

    def _check_learned_target(self) -> None:
        if len(self._scorers) != 1:
            raise ValueError(f"a regressor with {len(self._scorers)} scorers")
        limits = getattr(self, "target_range_", np.zeros(2))
        if limits.shape != (2,) or limits.dtype != np.float64 or not -np.inf < limits[0] <= limits[1] < np.inf:
            raise ValueError(f"a range of the targets of {limits}")

    def _strata(self, targets: Float32) -> None:
        return None
