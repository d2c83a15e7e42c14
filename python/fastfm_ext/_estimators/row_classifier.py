"""Base of the classifiers that learn a class for each row: labels, probabilities, and the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray, Float32, Float64, Int64
from fastfm_ext._engine.options import Options
from fastfm_ext._estimators.batch_methods import if_on_batches
from fastfm_ext._estimators.class_weights import weighted_by_class
from fastfm_ext._estimators.labels import check_labels, chosen_by, classes_of, codes_of, encoded, named_classes
from fastfm_ext._estimators.negative_sampling import log_rate
from fastfm_ext._estimators.probabilities import probabilities_of
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scoring_form import Link
from fastfm_ext._learning.losses import LOGISTIC, MULTINOMIAL, JointLoss, Loss
from fastfm_ext._learning.units import TargetUnits
from fastfm_ext._validation.rows import CountedRows


class RowClassifier(RowEstimator):
    """Base of the classifiers that learn a class for each row, whatever the model computes of a row."""

    def __init__(
        self,
        n_factors: int,
        *,
        multi_class: Literal["ovr", "multinomial"],
        class_weight: Mapping[Any, float] | Literal["balanced"] | None,
        negative_sampling_rate: float | None,
        **of_rows: Any,
    ) -> None:
        super().__init__(n_factors, **of_rows)
        self.multi_class = multi_class
        self.class_weight = class_weight
        self.negative_sampling_rate = negative_sampling_rate

    @if_on_batches
    def partial_fit(
        self, X: Any, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train one epoch on these rows, going on from what has been learned.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        classes : array-like, optional
            All classes that will ever come. Needed in the first call if its `y` does not hold every class.
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on, fewer features than before (a sparse X of more lets the model
            `grow`), or a changed `solver` or `n_factors`; if `classes` are not those of the first call, or `y` holds a
            class that is not among them.
        DivergenceError
            When a score stops being finite. After an error, the model is as it was before the call.
        """
        named = None if classes is None else self._check_classes(classes, first=not hasattr(self, "_scorers"))
        return self._partial_fit((X, y, sample_weight, named))

    def predict(self, X: Any) -> AnyArray:
        """Return the most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,)
            Of the type of `classes_`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        model = self._as_it_is()
        return chosen_by(model._raw_predictions(X), model.classes_)

    def decision_function(self, X: Any) -> Float32:
        """Return the score of each row, the log odds.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes), float32
            Of the second of two classes, or of each of more classes: against the rest, or with "multinomial" up to a
            number that is the same for all classes of a row.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        scores = self._as_it_is()._raw_predictions(X)
        return scores[0] if len(scores) == 1 else np.ascontiguousarray(scores.T)

    def predict_proba(self, X: Any) -> Float64:
        """Return the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of `classes_`. With more than two classes, the softmax of the scores with "multinomial", and
            else the probabilities of the one-versus-rest models, divided by their sum.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        ValueError
            If X has NaN, infinite values, no rows, another number of features than in `fit`, or values so large that
            what is computed of them is beyond float32.
        """
        model = self._as_it_is()
        return probabilities_of(model._raw_predictions(X), is_softmax=isinstance(model._loss, JointLoss))

    # --- what the base asks ------------------------------------------------------------------------------------------

    @property
    def _loss(self) -> Loss:
        is_softmax = self.multi_class == "multinomial" and len(getattr(self, "classes_", ())) > 2
        return MULTINOMIAL if is_softmax else LOGISTIC

    @property
    def _link(self) -> Link:
        return Link("softmax" if isinstance(self._loss, JointLoss) else "logistic", classes=self.classes_)

    @property
    def _score_offset(self) -> float:
        return log_rate(self.negative_sampling_rate, len(self.classes_))

    def _check_classes(self, classes: Any, *, first: bool) -> AnyArray:
        return named_classes(classes, None if first else self.classes_)

    def _check_target(self, y: Any, name: str) -> Any:
        check_labels(y, name)
        return y

    def _learn_target(self, y: AnyArray, sample_weight: Float32 | None, classes: Any) -> TargetUnits:
        self.classes_ = classes_of(y) if classes is None else classes
        return TargetUnits()

    def _take_in(self, rows: CountedRows, *, is_batch: bool) -> CountedRows:
        return weighted_by_class(rows, self.class_weight, self.classes_, is_batch=is_batch)

    def _first_w0(self, targets: Float32, sample_weight: Float32 | None, visited: Int64, options: Options) -> Float64:
        w0 = super()._first_w0(targets, sample_weight, visited, options)
        # A batch that lacks a class says nothing of its rate, and far from even odds w0 would stay for long.
        is_lacking = targets.min(axis=1) == targets.max(axis=1)
        w0[is_lacking | (isinstance(self._loss, JointLoss) and is_lacking.any())] = 0.0
        return w0

    def _encode_target(self, y: AnyArray, name: str) -> Float32:
        return encoded(y, self.classes_, name)

    def _check_learned_target(self) -> None:
        n_classes = len(self.classes_)
        if n_classes < 2 or len(self._scorers) != (1 if n_classes == 2 else n_classes):
            raise ValueError(f"{n_classes} classes with {len(self._scorers)} scorers")

    def _strata(self, targets: Float32) -> AnyArray:
        return codes_of(targets, len(self.classes_))
