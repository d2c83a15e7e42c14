"""Scores of the rows of a Spark DataFrame, computed by the kernels in its Python workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastfm_ext._common.arrays import Float64
from fastfm_ext.spark.arrow import in_settled_worker, partition
from fastfm_ext.spark.reading import quoted, row_error, vectors_of
from fastfm_ext.spark.shipping import Shipped
from fastfm_ext.spark.vectors import BadRowError, VectorArrays, VectorColumns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


_SCORE = "__fastfm_ext_score__"


class OutputColumns(NamedTuple):
    """Columns that scoring adds, in this order; an empty name leaves one out.

    Attributes
    ----------
    raw : str
        Scores before the link as a vector, one for each class.
    probability : str
        Probabilities of the classes as a vector.
    prediction : str
        Predicted target, or predicted class.
    """

    raw: str = ""
    probability: str = ""
    prediction: str = ""


class Scorer:
    """Scores vectors, in a worker: the prediction of a regressor, the log odds of a classifier.

    Parameters
    ----------
    model : FMRegressor or FMClassifier
        Fitted.
    features : str
        The column of vectors, for messages.
    """

    def __init__(self, model: Any, features: str) -> None:
        self._model: Shipped[Any] = Shipped(model)
        self._n_features = int(model.n_features_in_)
        self._features = features

    def __call__(self, pieces: Iterable[tuple[Any, Any, Any]]) -> Iterator[Any]:
        """Give the scores of the vectors of one partition, which come in pieces, as the parts of `VectorColumns`.

        Raises
        ------
        ValueError
            For a row that cannot be scored; the message names it.
        """
        import pyarrow as pa

        part, model, n_rows = partition(), self._model.get(), 0
        for piece in pieces:
            vectors = VectorColumns(*piece)
            try:
                scores = scores_of(model, vectors.arrays(self._n_features))
            except BadRowError as error:
                row = pa.record_batch([pa.StructArray.from_arrays(piece, vectors._fields)], [self._features])
                raise row_error(error, n_rows, part, row) from None
            n_rows += len(scores)
            yield pa.array(scores)


def scored(
    frame: DataFrame, model: Any, features: str, outputs: OutputColumns, thresholds: list[float] | None = None
) -> DataFrame:
    """Return the frame with the columns that a model adds.

    Only vectors travel to the workers, and only a number for each comes back.

    Parameters
    ----------
    frame : DataFrame
    model : FMRegressor or FMClassifier
        Fitted.
    features : str
        The column of vectors.
    outputs : OutputColumns
    thresholds : list of float, optional
        The class of the largest ratio of probability and threshold is predicted.

    Raises
    ------
    ValueError
        For a column of features that is not there or holds no vectors, and for a name that a column has already.
    """
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions

    column = vectors_of(frame, features)
    # Spark writes three columns for Arrow in less time than one of structs.
    vectors = [column[name] for name in VectorColumns._fields]
    names = [name for name in outputs if name]
    for name in names:
        if name in frame.columns:
            raise ValueError(f"column {name!r} is in the DataFrame already; drop or rename it, or name another.")
    score_of_row = _as_function_of_spark(Scorer(model, features))
    if not hasattr(model, "classes_"):
        return frame.withColumn(outputs.prediction, score_of_row(*vectors)) if names else frame
    # Spark keeps apart what is used several times, so that a row is scored once.
    scores = frame.withColumn(_SCORE, score_of_row(*vectors))
    score = functions.col(_SCORE)
    zero, one = (1.0 / (1.0 + functions.exp(sign)) for sign in (score, -score))
    made = {
        outputs.raw: array_to_vector(functions.array(-score, score)),
        outputs.probability: array_to_vector(functions.array(zero, one)),
        outputs.prediction: _is_class_one(score, zero, one, thresholds).cast("double"),
    }
    columns = [functions.col(quoted(name)) for name in frame.columns]
    return scores.select(*columns, *(made[name].alias(name) for name in names))


def _as_function_of_spark(scorer: Scorer) -> Any:
    import pyarrow as pa
    from pyspark.sql.functions import arrow_udf

    def score(pieces: Any) -> Any:
        return in_settled_worker(scorer(pieces))

    # Spark reads the kind of the function from its annotations, as objects.
    score.__annotations__ = {
        "pieces": Iterator[tuple[pa.Array, pa.Array, pa.Array]],
        "return": Iterator[pa.Array],
    }
    return arrow_udf(score, "double")


def _is_class_one(score: Any, zero: Any, one: Any, thresholds: list[float] | None) -> Any:
    """Return the column that says whether class 1 is predicted; see `chosen_classes`."""
    from pyspark.sql import functions

    if thresholds is None:
        return score > 0
    if 0 in thresholds:
        return functions.lit(thresholds[1] == 0)
    return one / thresholds[1] > zero / thresholds[0]


def scores_of(model: Any, X: VectorArrays) -> Float64:
    """Return the predictions of a regressor or the log odds of a classifier, (n_rows,)."""
    if len(X.indptr) == 1:
        return np.zeros(0)
    method = model.decision_function if hasattr(model, "classes_") else model.predict
    try:
        scores: Float64 = method(X.matrix).astype(np.float64)
    except ValueError:
        X.csr()  # raises the error that names the row, if it is one row's fault
        raise
    return scores


def probabilities(scores: Float64) -> Float64:
    """Return the probabilities of classes, (n_rows, 2), of their scores."""
    from scipy.special import expit

    of_classes: Float64 = expit(scores)
    return of_classes


def chosen_classes(probability: Float64, thresholds: list[float] | None) -> Float64:
    """Return the class, (n_rows,), whose ratio of probability, (n_rows, n_classes), and threshold is the largest."""
    if thresholds is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            # A threshold of 0 makes its class certain.
            probability = np.where(np.asarray(thresholds) == 0, np.inf, probability / np.asarray(thresholds))
    chosen: Float64 = probability.argmax(axis=1).astype(np.float64)
    return chosen
