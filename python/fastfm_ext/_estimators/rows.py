"""What the estimators of rows and targets share: the way through validation, training and prediction."""

from __future__ import annotations

from abc import abstractmethod
from functools import partial
from typing import Any, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted

from fastfm_ext import _engine
from fastfm_ext._common.arrays import Float32
from fastfm_ext._common.checks import errors_that_name
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Options, Parameters
from fastfm_ext._estimators.base import FMEstimator
from fastfm_ext._estimators.growing import GrowingFeatures
from fastfm_ext._learning import loop
from fastfm_ext._learning.loop import Rows, Run, Schedule
from fastfm_ext._learning.units import FeatureScale
from fastfm_ext._validation.matrices import check_no_overflow, check_weights, to_csr

# With early_stopping="auto", rows are held out from this many training rows on: with fewer, each is worth more.
AUTO_EARLY_STOPPING_ROWS = 10_000


class BaseFM(GrowingFeatures, FMEstimator):
    """Base of the estimators that learn a target for each row.

    A subclass names its loss, turns targets into one row of numbers for each output, and turns scores into
    predictions. Everything else stands here, once.
    """

    # --- what a subclass says ----------------------------------------------------------------------------------------

    @abstractmethod
    def _learn_target(self, y: Any, sample_weight: Float32 | None) -> None:
        """Set the attributes that describe the target (its classes, its spread) from the first targets seen."""

    @abstractmethod
    def _encode_target(self, y: Any, name: str) -> Float32:
        """Return the targets as the loss wants them: (n_outputs, n_rows)."""

    @abstractmethod
    def _best_constants(self, targets: Float32, sample_weight: Float32 | None) -> NDArray[np.float64]:
        """Return for each output the constant score of least loss."""

    @abstractmethod
    def _strata(self, targets: Float32) -> NDArray[Any] | None:
        """Return a small integer for each row, of each of which a hold-out takes the same share; None for no matter."""

    # --- training ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train the model.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
            Trains fastest as CSR. Duplicate entries are summed.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative. Multiplies a row's loss and its share of L2, so weight 2 means "seen twice"; rows of weight 0
            are left out.
        X_val, y_val, sample_weight_val : optional
            Rows to validate on after each epoch. The best epoch's parameters are kept, and training stops when the
            validation loss has not fallen for `n_iter_no_change` epochs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on; the message names the argument.
        DivergenceError
            When a score stops being finite or the loss explodes. The estimator then has the parameters of the best
            epoch, if one was validated before; else it is as it was before.
        """
        self._check_params()
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; only one of them was given.")
        if X_val is None and sample_weight_val is not None:
            raise ValueError("sample_weight_val was given without X_val and y_val.")
        continues = self.warm_start and hasattr(self, "_outputs")
        with self._restored_on_error():
            run = self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), continues)
        run.raise_divergence()
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, val: tuple[Any, Any, Any], continues: bool) -> Run:
        """Become the model that training on these rows gives; return what happened on the way."""
        rows = self._training_rows(X, y, sample_weight, first=not continues)
        rng = self._generator()
        if val[0] is not None:
            train_rows = self._visiting_order(rows, rng)
            validation: Rows | None = self._validation_rows(*val)
        else:
            train_rows, validation = self._hold_out(rows, rng)
        options = self._options()
        outputs = self._outputs_to_go_on_with() if continues else self._initial_outputs(rows, train_rows, options, rng)
        schedule = self._schedule(outputs, rows)
        run = loop.train(outputs, rows, train_rows, validation, options, schedule, rng)
        self._to_user_units(outputs, rows, schedule, run.history.best_epoch)
        self._keep(outputs, run.history)
        return run

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any) -> Self:
        """Make one pass over the rows; on an error of any kind, leave the model as it was."""
        self._check_params()
        first = not hasattr(self, "_outputs")
        with self._restored_on_error() as undo:
            rows = self._training_rows(X, y, sample_weight, first=first)
            rng, options = self._generator(), self._options()
            everything = self._visiting_order(rows, rng)
            touched = _engine.features_in(rows.X, self._feature_scale.columns)
            if first:
                outputs = self._initial_outputs(rows, everything, options, rng)
            else:
                outputs = self._outputs_to_change(touched, undo)
            schedule = self._schedule(outputs, rows, epochs_before=getattr(self, "n_iter_", 0), max_iter=1)
            run = loop.train(outputs, rows, everything, None, options, schedule, rng)
            self._to_user_units(outputs, rows, schedule, 1, touched)
        self._keep_one_more_epoch(outputs, run.history)
        return self

    def _training_rows(self, X: Any, y: Any, sample_weight: Any, *, first: bool) -> Rows:
        """Validate the rows to train on; from the first ones, learn the units of the target and of the features."""
        if not first:
            self._grow_to_fit(X)
        csr, y, weight, counted = self._counted_rows(X, y, sample_weight, first=first)
        if first:
            self._learn_units(csr, y, weight)
        return Rows(self._feature_scale.apply(csr), self._encode_target(y, "y"), weight, counted)

    def _learn_units(self, csr: Csr, y: Any, weight: Float32 | None) -> None:
        self._learn_target(y, weight)
        self._feature_scale = FeatureScale.of(csr)

    def _counted_rows(
        self, X: Any, y: Any, sample_weight: Any, *, first: bool
    ) -> tuple[Csr, Any, Float32 | None, NDArray[np.int64] | None]:
        """Validate; return the rows of positive weight, their targets and weights, and if not all, their numbers."""
        csr = to_csr(self, X, reset=first)
        y = self._check_target(y, csr, "y")
        weight = check_weights(sample_weight, csr, "sample_weight")
        counted = None
        if weight is not None and not weight.all():
            counted = np.flatnonzero(weight).astype(np.int64)
            csr, y, weight = _csr.take_rows(csr, counted), y[counted], weight[counted]
        return csr, y, weight, counted

    def _check_target(self, y: Any, X: Csr, name: str) -> Any:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires {name} to be passed, but the target {name} is None."
            )
        with errors_that_name(name):
            y = column_or_1d(y, warn=True)
        if len(y) != X.n_rows:
            raise ValueError(
                "Found input variables with inconsistent numbers of samples: "
                f"X{name[1:]} has {X.n_rows}, {name} has {len(y)}."
            )
        return y

    def _announce_classes(self, classes: Any, *, first: bool) -> None:
        """Note the classes that will come; not for regression."""
        raise ValueError(f"classes is for classifiers; {type(self).__name__} has none.")

    def _schedule(
        self, outputs: list[Parameters], rows: Rows, *, epochs_before: int = 0, max_iter: int | None = None
    ) -> Schedule:
        typical_loss = loop.mean_loss_of_bias(outputs, rows, self._loss)
        return Schedule(
            max_iter=self.max_iter if max_iter is None else max_iter,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol * self._target_unit() ** 2,
            shuffle=self.shuffle,
            n_threads=effective_n_jobs(self.n_jobs),
            learning_rate=self._chosen().learning_rate,
            typical_loss=max(typical_loss, 0.5 * self._target_unit() ** 2),
            report=partial(self._print_progress, epochs_before) if self.verbose else None,
        )

    def _initial_outputs(
        self, rows: Rows, train_rows: NDArray[np.int64], options: Options, rng: np.random.Generator
    ) -> list[Parameters]:
        weight = None if rows.sample_weight is None else rows.sample_weight[train_rows]
        intercepts = self._best_constants(np.take(rows.targets, train_rows, axis=1, mode="clip"), weight)
        if not self.fit_intercept:
            intercepts = np.zeros_like(intercepts)
        return [
            Parameters.initialise(rows.X.n_features, int(self.n_factors), options, intercept, rng)
            for intercept in intercepts
        ]

    def _validation_rows(self, X_val: Any, y_val: Any, sample_weight_val: Any) -> Rows:
        csr = to_csr(self, X_val, name="X_val")
        targets = self._encode_target(self._check_target(y_val, csr, "y_val"), "y_val")
        weight = check_weights(sample_weight_val, csr, "sample_weight_val")
        return Rows(self._feature_scale.apply(csr), targets, weight)

    def _hold_out(self, rows: Rows, rng: np.random.Generator) -> tuple[NDArray[np.int64], Rows | None]:
        """Split off `validation_fraction` of the rows at random, with the share of each class kept."""
        n = rows.X.n_rows
        wanted = n >= AUTO_EARLY_STOPPING_ROWS if self.early_stopping == "auto" else self.early_stopping
        if not wanted:
            return self._visiting_order(rows, rng), None
        n_val = max(1, round(n * self.validation_fraction))
        if n_val >= n:
            raise ValueError(
                f"early_stopping holds out validation_fraction={self.validation_fraction} of the rows, and of {n} rows "
                "none would be left to train on. Set early_stopping=False or pass X_val and y_val."
            )
        by_stratum = in_random_order = _csr.permutation(n, rng)
        strata = self._strata(rows.targets)
        if strata is not None:
            by_stratum = in_random_order[np.argsort(strata[in_random_order], kind="stable")]
        val_rows = by_stratum[(2 * np.arange(n_val) + 1) * n // (2 * n_val)]
        kept = np.ones(n, dtype=bool)
        kept[val_rows] = False
        train_rows = in_random_order[kept[in_random_order]] if self.shuffle else np.flatnonzero(kept).astype(np.int64)
        return train_rows, rows.take(val_rows)

    def _visiting_order(self, rows: Rows, rng: np.random.Generator) -> NDArray[np.int64]:
        n = rows.X.n_rows
        return _csr.permutation(n, rng) if self.shuffle else np.arange(n, dtype=np.int64)

    # --- prediction --------------------------------------------------------------------------------------------------

    def _raw_predictions(self, X: Any) -> Float32:
        """Return the scores before the link: (n_outputs, n_rows)."""
        check_is_fitted(self, "_outputs")
        csr = to_csr(self, X)
        n_threads = effective_n_jobs(self.n_jobs)
        scores = [_engine.predict(csr, params, n_threads) for params in self._outputs]
        for score in scores:
            check_no_overflow(score, csr, "score")
        return scores[0][None, :] if len(scores) == 1 else np.stack(scores)
