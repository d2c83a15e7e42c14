"""Factorization machine for classification, as `pyspark.ml.classification` has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pyspark.ml.classification import ProbabilisticClassificationModel, ProbabilisticClassifier
from pyspark.ml.linalg import DenseVector, Vector
from pyspark.ml.param import Param, Params, TypeConverters

from fastfm_ext import fm
from fastfm_ext.spark.ml.base import ScoresOnSpark, TrainsOnSpark
from fastfm_ext.spark.ml.summary import ClassificationSummary, TrainingSummary
from fastfm_ext.spark.scoring import OutputColumns, chosen_classes, probabilities

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class ClassificationParams(Params):
    """Params of classification alone."""

    _more: ClassVar[tuple[str, ...]] = ("negative_sampling_rate",)
    _local_class: ClassVar[type[Any]] = fm.FMClassifier

    negative_sampling_rate: Any = Param(
        Params._dummy(), "negative_sampling_rate", "share of the rows of label 0 that were kept", TypeConverters.toFloat
    )


class FMClassifier(ClassificationParams, TrainsOnSpark, ProbabilisticClassifier):
    """Factorization machine for two classes on Spark: `pyspark.ml.classification.FMClassifier`, trained by other means.

    Takes the same arguments, so that the import line is all that has to change. Rows are trained on one by one in
    Spark's workers, and the workers' parameters are merged; see `fastfm_ext.FMClassifier` for the model and its
    solvers.

    Parameters
    ----------
    featuresCol, labelCol : str
        Vectors, and the labels 0 and 1.
    predictionCol, probabilityCol, rawPredictionCol : str
        Columns that `transform` adds: the class, the probabilities of both, and minus and plus the log odds.
    thresholds : list of float, optional
        The class of the largest ratio of probability and threshold is predicted.
    factorSize : int, default=8
        Length of each feature's factor vector.
    fitIntercept, fitLinear : bool, default=True
    regParam : float, optional
        Sets both `l2_w` and `l2_V`. Spark adds it to the mean loss of all rows, once for each parameter; here it is
        paid by a row's features at each visit.
    miniBatchFraction : float
        Accepted, not read.
    initStd : float, optional
        Standard deviation of the first factors. Default: that of the solver.
    maxIter : int, default=100
        Most epochs.
    stepSize : float, optional
        Step size of a solver of this package. Default: that of the solver. With "adamW" and "gd" it is not read, and
        a warning says so: a step there follows a pass over all rows, and here it follows each row.
    tol : float, default=1e-4
        Least gain of an epoch, in units of the loss.
    solver : {"adagrad", "sgd", "ftrl", "adam", "adamW", "gd"}, default="adagrad"
        The last two are Spark's, and mean "adagrad".
    seed : int, default=0
    weightCol : str, optional
        Weights of at least 0; rows of 0 are left out.
    validationIndicatorCol : str, optional
        Booleans: rows to validate on, which are never trained on.
    numWorkers : int, optional
        Partitions that train apart. Default: as many as tasks run at once; and the driver alone, which is faster, for
        up to 2 million rows of up to 16 million values without a `checkpoint`.
    partitionCol : str, optional
        Rows of equal values, such as a user, lie in one partition. Default: the id among the features that has the most
        different values.
    numRounds : int, optional
        How often in an epoch the workers' parameters are merged. Default: by the number of rows.
    checkpoint : str, optional
        A folder of any file system that Spark writes to: the state is written there after each epoch, and the same fit
        goes on from there.
    modelKind : {"fm", "ffm", "fwfm", "fmfm", "fvfm"}, default="fm"
        A factorization machine, or a field-aware model: see `fastfm_ext.FFMClassifier` and the others.
    fields : list of int, optional
        For a field-aware model: the number of each feature's field, such as `FMEncoderModel.to_local().fields_`. By
        default, up to 256 features are fields of their own.
    normalize : bool, default=False
        For a field-aware model: scale rows to unit length.
    negative_sampling_rate, l2_w, l2_V, l1_w, l1_V, clip_gradient, early_stopping, validation_fraction, \
n_iter_no_change, refit, shuffle, n_jobs
        As in `fastfm_ext.FMClassifier`.

    Raises
    ------
    ValueError
        From `fit`, for a Param of an invalid value, and columns that are not there or of another type.
    pyspark.errors.PythonException
        From `fit`, for a row that cannot be trained on; the message names it.
    DivergenceError
        From `fit`, when training diverges.

    Examples
    --------
    >>> from pyspark.ml.linalg import Vectors
    >>> from fastfm_ext.spark import FMClassifier
    >>> rows = [
    ...     (float(a == b), Vectors.sparse(4, [a, 2 + b], [1.0, 1.0]))
    ...     for a in (0, 1)
    ...     for b in (0, 1)
    ... ]
    >>> frame = spark.createDataFrame(
    ...     rows * 10, ["label", "features"]
    ... )  # neither feature decides it alone
    >>> model = FMClassifier(factorSize=4).fit(frame)
    >>> [row.prediction for row in model.transform(frame.limit(4)).collect()]
    [1.0, 0.0, 0.0, 1.0]
    """

    _n_classes: ClassVar[int] = 2

    def __init__(
        self,
        *,
        featuresCol: str = "features",
        labelCol: str = "label",
        predictionCol: str = "prediction",
        probabilityCol: str = "probability",
        rawPredictionCol: str = "rawPrediction",
        factorSize: int | None = None,
        fitIntercept: bool | None = None,
        fitLinear: bool | None = None,
        regParam: float | None = None,
        miniBatchFraction: float | None = None,
        initStd: float | None = None,
        maxIter: int | None = None,
        stepSize: float | None = None,
        tol: float | None = None,
        solver: str | None = None,
        thresholds: list[float] | None = None,
        seed: int | None = None,
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        numWorkers: int | None = None,
        partitionCol: str | None = None,
        numRounds: int | None = None,
        checkpoint: str | None = None,
        **more: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in {"self", "more", "__class__"}}
        super().__init__()
        self._set_given(given | more)

    def setParams(self, **params: Any) -> Self:
        """Set Params by their names.

        Parameters
        ----------
        **params
            As in the constructor.
        """
        return self._set_given(params)


class FMClassificationModel(ClassificationParams, ScoresOnSpark, ProbabilisticClassificationModel):
    """Factorization machine for two classes, fitted: `pyspark.ml.classification.FMClassificationModel`.

    Made by `FMClassifier.fit`, `load` and `from_local`.

    Parameters
    ----------
    local : FMClassifier of `fastfm_ext`
        Fitted; it becomes part of the model.

    Attributes
    ----------
    intercept : float
    linear : DenseVector of size n_features
    factors : DenseMatrix of shape (n_features, factorSize)
    numFeatures : int
    history : dict of str to list of float
        Losses and seconds of each epoch: `history_` of the estimator of one machine. Empty for a model without one.
    numClasses : int
        2.
    hasSummary : bool
        Whether the model was trained in this process, so that `summary` knows how.

    Raises
    ------
    ValueError
        For a classifier of other classes than 0 and 1.

    Examples
    --------
    >>> import fastfm_ext
    >>> from pyspark.ml.linalg import Vectors
    >>> from fastfm_ext.spark import FMClassificationModel
    >>> local = fastfm_ext.FMClassifier.from_parameters(0.5, [1.0, 2.0], [[1.0], [2.0]])
    >>> model = FMClassificationModel.from_local(local)
    >>> model.predictRaw(Vectors.dense([1.0, 1.0])), model.predict(Vectors.dense([1.0, 1.0]))
    (DenseVector([-5.5, 5.5]), 1.0)
    """

    def __init__(self, local: Any) -> None:
        super().__init__()
        if not np.array_equal(local.classes_, [0, 1]):
            raise ValueError(f"a model on Spark has the classes 0 and 1; got {local.classes_}.")
        self._local = local
        self._training_rows: DataFrame | None = None

    @property
    def numClasses(self) -> int:
        """2."""
        return 2

    def predict(self, value: Vector) -> float:
        """Return the class of one vector.

        Parameters
        ----------
        value : Vector
            Of size `numFeatures`.

        Returns
        -------
        float
            0 or 1.

        Raises
        ------
        ValueError
            For a vector of another size, or with NaN or infinite values.
        """
        return float(chosen_classes(self.predictProbability(value).toArray()[None, :], self._thresholds())[0])

    def predictRaw(self, value: Vector) -> DenseVector:
        """Return minus and plus the log odds of the class 1.

        Parameters
        ----------
        value : Vector
            Of size `numFeatures`.

        Returns
        -------
        DenseVector of size 2

        Raises
        ------
        ValueError
            For a vector of another size, or with NaN or infinite values.
        """
        score = float(self._local.decision_function(self._row(value))[0])
        return DenseVector([-score, score])

    def predictProbability(self, value: Vector) -> DenseVector:
        """Return the probabilities of the classes.

        Parameters
        ----------
        value : Vector
            Of size `numFeatures`.

        Returns
        -------
        DenseVector of size 2

        Raises
        ------
        ValueError
            For a vector of another size, or with NaN or infinite values.
        """
        return DenseVector(probabilities(self.predictRaw(value).toArray()))

    def evaluate(self, dataset: DataFrame) -> ClassificationSummary:
        """Return how well the model does on labeled rows.

        Parameters
        ----------
        dataset : DataFrame

        Returns
        -------
        ClassificationSummary

        Raises
        ------
        TypeError
            For anything but a DataFrame.
        """
        if not hasattr(dataset, "sparkSession"):
            raise TypeError(f"dataset must be a DataFrame but got {type(dataset)}.")
        return ClassificationSummary(self, dataset)

    @property
    def hasSummary(self) -> bool:
        """Whether the model was trained in this process, so that `summary` knows how."""
        return self._training_rows is not None

    def summary(self) -> TrainingSummary:
        """Return how training went, and how well the model does on the rows that it was trained on.

        Returns
        -------
        TrainingSummary

        Raises
        ------
        RuntimeError
            For a model that was loaded, or made of another one.
        """
        if self._training_rows is None:
            raise RuntimeError(
                "there is no training summary for this model, which was not trained in this process; history has its "
                "losses, and evaluate takes any rows."
            )
        return TrainingSummary(self, self._training_rows)

    def _trained_on(self, dataset: DataFrame) -> Self:
        self._training_rows = dataset
        return self

    @property
    def _outputs(self) -> OutputColumns:
        return OutputColumns(self.getRawPredictionCol(), self.getProbabilityCol(), self.getPredictionCol())

    def _thresholds(self) -> list[float] | None:
        if not self.isDefined(self.thresholds):
            return None
        thresholds = [float(value) for value in self.getThresholds()]
        if len(thresholds) != 2 or min(thresholds) < 0 or sum(value == 0 for value in thresholds) > 1:
            raise ValueError(f"thresholds must hold two numbers of at least 0, and at most one 0; got {thresholds}.")
        return thresholds


FMClassifier._model_class = FMClassificationModel
