"""Factorization machine for regression, as `pyspark.ml.regression` has it."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pyspark.ml.linalg import Vector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.regression import RegressionModel, Regressor

from fastfm_ext import fm
from fastfm_ext.spark.ml.base import ScoresOnSpark, TrainsOnSpark
from fastfm_ext.spark.scoring import OutputColumns


class RegressionParams(Params):
    """Params of regression alone."""

    _more: ClassVar[tuple[str, ...]] = ("loss", "delta", "clip_predictions")
    _local_class: ClassVar[type[Any]] = fm.FMRegressor

    loss: Any = Param(Params._dummy(), "loss", "squared, huber or another loss of FMRegressor", TypeConverters.toString)
    delta: Any = Param(Params._dummy(), "delta", "threshold of a loss that has one", TypeConverters.toFloat)
    clip_predictions: Any = Param(
        Params._dummy(), "clip_predictions", "keep predictions in the range of the labels", TypeConverters.toBoolean
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._setDefault(loss="squared", delta=1.0, clip_predictions=False)


class FMRegressor(RegressionParams, TrainsOnSpark, Regressor):
    """Factorization machine for regression on Spark: `pyspark.ml.regression.FMRegressor`, trained by other means.

    Takes the same arguments, so that the import line is all that has to change. Rows are trained on one by one in
    Spark's workers, and the workers' parameters are merged; see `fastfm_ext.FMRegressor` for the model and its solvers.

    Parameters
    ----------
    featuresCol, labelCol, predictionCol : str
        Vectors, numbers, and the column that `transform` adds.
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
        Least gain of an epoch, in units of the loss of labels of unit spread.
    solver : {"adagrad", "sgd", "ftrl", "adam", "als", "adamW", "gd"}, default="adagrad"
        The last two are Spark's, and mean "adagrad". "als" needs all rows at the driver.
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
        A factorization machine, or a field-aware model: see `fastfm_ext.FFMRegressor` and the others.
    fields : list of int, optional
        For a field-aware model: the number of each feature's field, such as `FMEncoderModel.to_local().fields_`. By
        default, up to 256 features are fields of their own.
    normalize : bool, default=False
        For a field-aware model: scale rows to unit length.
    loss, delta, clip_predictions, l2_w, l2_V, l1_w, l1_V, clip_gradient, early_stopping, validation_fraction, \
n_iter_no_change, refit, shuffle, n_jobs
        As in `fastfm_ext.FMRegressor`.

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
    >>> from fastfm_ext.spark import FMRegressor
    >>> rows = [(float(a + 2 * a * b), Vectors.dense([a, b])) for a in (0, 1) for b in (0, 1)]
    >>> frame = spark.createDataFrame(rows * 50, ["label", "features"])
    >>> model = FMRegressor(factorSize=4).fit(frame)
    >>> [round(row.prediction) for row in model.transform(frame.limit(4)).collect()]
    [0, 0, 1, 3]
    """

    _n_classes: ClassVar[int] = 0

    def __init__(
        self,
        *,
        featuresCol: str = "features",
        labelCol: str = "label",
        predictionCol: str = "prediction",
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


class FMRegressionModel(RegressionParams, ScoresOnSpark, RegressionModel):
    """Factorization machine for regression, fitted: `pyspark.ml.regression.FMRegressionModel`.

    Made by `FMRegressor.fit`, `load` and `from_local`.

    Parameters
    ----------
    local : FMRegressor of `fastfm_ext`
        Fitted; it becomes part of the model.

    Attributes
    ----------
    intercept : float
    linear : DenseVector of size n_features
    factors : DenseMatrix of shape (n_features, factorSize)
    numFeatures : int
    history : dict of str to list of float
        Losses and seconds of each epoch: `history_` of the estimator of one machine. Empty for a model without one.

    Examples
    --------
    >>> import fastfm_ext
    >>> from pyspark.ml.linalg import Vectors
    >>> from fastfm_ext.spark import FMRegressionModel
    >>> local = fastfm_ext.FMRegressor.from_parameters(0.5, [1.0, 2.0], [[1.0], [2.0]])
    >>> FMRegressionModel.from_local(local).predict(Vectors.dense([1.0, 1.0]))
    5.5
    """

    def __init__(self, local: Any) -> None:
        super().__init__()
        self._local = local

    def predict(self, value: Vector) -> float:
        """Return the prediction for one vector.

        Parameters
        ----------
        value : Vector
            Of size `numFeatures`.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            For a vector of another size, or with NaN or infinite values.
        """
        return float(self._local.predict(self._row(value))[0])

    @property
    def _outputs(self) -> OutputColumns:
        return OutputColumns(prediction=self.getPredictionCol())


FMRegressor._model_class = FMRegressionModel
