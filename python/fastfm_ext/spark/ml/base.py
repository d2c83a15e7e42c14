"""Base of the estimators and of the models: training, `copy`, and the parameters in the types of `pyspark.ml`."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pyspark.ml.linalg import DenseMatrix, DenseVector, Vector
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext.spark.fitting import FitRequest, fit
from fastfm_ext.spark.ml.params import FMParams, FMSetters, classes_of_kinds
from fastfm_ext.spark.ml.saving import SavedAsModelFile, SavedByParams
from fastfm_ext.spark.reading import SourceColumns
from fastfm_ext.spark.scoring import OutputColumns, scored

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class TrainsOnSpark(FMSetters, FMParams, SavedByParams):
    """An estimator that trains in Spark's workers."""

    _n_classes: ClassVar[int]
    _model_class: ClassVar[type[Any]]

    def _fit(self, dataset: DataFrame) -> Any:
        """Return the model of a DataFrame."""
        columns = SourceColumns(
            features=self.getFeaturesCol(),
            label=self.getLabelCol(),
            weight=self._given("weightCol"),
            key=self._given("partitionCol"),
            held_out=self._given("validationIndicatorCol"),
        )
        for name in ("numWorkers", "numRounds"):
            if self.isDefined(name) and self._given(name) < 1:
                raise ValueError(f"{name} must be at least 1; got {self._given(name)}.")
        request = FitRequest(
            columns, self._n_classes, self._given("numWorkers"), self._given("numRounds"), self._given("checkpoint")
        )
        fitted = fit(self._local_estimator(), dataset, request)
        model = self._copyValues(self._model_class(fitted))
        return model._trained_on(dataset)


class ScoresOnSpark(FMParams, SavedAsModelFile):
    """A model that predicts in Spark's workers.

    Parameters
    ----------
    local : FMRegressor, FMClassifier or field-aware estimator of `fastfm_ext`
        Fitted.
    """

    _local: Any

    @classmethod
    def from_local(cls, model: Any) -> Self:
        """Return the model of Spark that predicts what a fitted estimator of `fastfm_ext` does.

        Parameters
        ----------
        model : FMRegressor, FMClassifier or field-aware estimator of `fastfm_ext`
            Fitted on features that have the order of the vectors'. Later changes to it are not seen here.

        Returns
        -------
        FMRegressionModel or FMClassificationModel

        Raises
        ------
        TypeError
            For an estimator of another class.
        ValueError
            For a classifier of other classes than 0 and 1.
        sklearn.exceptions.NotFittedError
            For an estimator that is not fitted.
        """
        classes = classes_of_kinds(cls._local_class).values()
        if type(model) not in classes:
            names = " or ".join(each.__name__ for each in classes)
            raise TypeError(f"{cls.__name__} is made of a fastfm_ext.{names}; got a {type(model).__name__}.")
        check_is_fitted(model, "n_features_in_")
        result = cls(copy.deepcopy(model))
        result._adopt(model)
        return result

    def to_local(self) -> Any:
        """Return the fitted estimator of `fastfm_ext`, which predicts without Spark.

        Returns
        -------
        FMRegressor, FMClassifier or field-aware estimator of `fastfm_ext`
            A copy: training it on does not change this model.
        """
        return copy.deepcopy(self._local)

    @property
    def intercept(self) -> float:
        """The intercept w0."""
        return float(self._local.w0_)

    @property
    def linear(self) -> DenseVector:
        """The linear weights w, of size n_features."""
        return DenseVector(np.asarray(self._local.w_, dtype=np.float64))

    @property
    def factors(self) -> DenseMatrix:
        """The factors V, of n_features rows and `factorSize` columns; of an FFM, as many for each field in turn."""
        V = np.asarray(self._local.V_, dtype=np.float64)
        V = V.reshape(len(V), -1)
        return DenseMatrix(*V.shape, V.ravel(), 1)  # row by row; a number, as in matrices that come from Java

    @property
    def numFeatures(self) -> int:
        """Features that the model was trained on."""
        return int(self._local.n_features_in_)

    @property
    def history(self) -> dict[str, list[float]]:
        """Losses and seconds of each epoch: `history_` of the estimator."""
        return dict(getattr(self._local, "history_", {}))

    def copy(self, extra: Any = None) -> Self:
        """Return a copy with the same parameters, and with the Params of `extra` set.

        Parameters
        ----------
        extra : dict of Param, optional
            Values by Param, as in `transform`.

        Returns
        -------
        FMRegressionModel or FMClassificationModel
        """
        that: Self = super().copy(extra)
        return that

    def _trained_on(self, dataset: DataFrame) -> Self:
        """Return the model, which may keep what it was trained on for its summary."""
        return self

    @property
    @abstractmethod
    def _outputs(self) -> OutputColumns:
        """The columns that `transform` adds."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        """Return a DataFrame with the predictions of its rows."""
        return scored(dataset, self._local, self.getFeaturesCol(), self._outputs, self._thresholds())

    def _thresholds(self) -> list[float] | None:
        return None

    def _row(self, value: Vector) -> AnyArray:
        """Return a vector as the one row of a matrix."""
        array = value.toArray() if hasattr(value, "toArray") else np.asarray(value, dtype=np.float64)
        return array.reshape(1, -1)
