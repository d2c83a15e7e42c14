"""Vectors of users and items of Spark DataFrames, as columns of float arrays that Spark writes as Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastfm_ext.encoding.sides import Side
from fastfm_ext.spark.arrow import map_arrow
from fastfm_ext.spark.serving.rows import ID, SideReader, local_encoder, local_model, side_columns
from fastfm_ext.spark.shipping import Shipped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SIDES = ("user", "item")


def vectors_for_all(
    model: Any,
    frame: DataFrame,
    side: Side,
    *,
    encoder: Any = None,
    idCol: str | None = None,
    featuresCol: str = "features",
) -> DataFrame:
    """Compute the vectors of all users or items of a Spark DataFrame, such as to write them as Parquet.

    Parameters
    ----------
    model : FMRegressor, FMClassifier or FMRanker
        Fitted, of `fastfm_ext` or `fastfm_ext.spark`.
    frame : pyspark.sql.DataFrame
        A row for each user, or item: the id, and the features, with zeros on the other side.
    side : {"user", "item"}
        What the rows are.
    encoder : FMEncoder, optional
        Fitted, of `fastfm_ext` or `fastfm_ext.spark`: then `frame` has the encoder's columns of the side in place of
        `featuresCol`.
    idCol : str, optional
        Column of ids; by default named as the side.
    featuresCol : str, default="features"
        Column of vectors in `frame`.

    Returns
    -------
    pyspark.sql.DataFrame
        Columns ``id``, ``vector`` (array of float), and for users ``bias`` (float), which is to be added to the inner
        products. The columns are those of `fastfm_ext.export_vectors`.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the encoder is not fitted.
    TypeError
        If an argument is something else, or a column is of a type that does not fit.
    ValueError
        If `side` is unknown, a column is missing, or the arguments do not fit each other.

    Examples
    --------
    >>> from fastfm_ext import FMEncoder, FMRegressor
    >>> from fastfm_ext.spark import vectors_for_all
    >>> ratings = {"user": ["ann", "ann", "bob"], "film": ["Alien", "Brazil", "Alien"]}
    >>> encoder = FMEncoder(user=["user"], item=["film"]).fit(ratings)
    >>> V = [[1.0, 0.0], [1.0, 2.0], [2.0, 1.0], [0.0, 2.0]]  # two users, two films
    >>> model = FMRegressor.from_parameters(0.0, [0.0, 0.0, 0.5, 0.25], V)
    >>> films = spark.createDataFrame([("Alien",), ("Brazil",)], ["film"])
    >>> vectors_for_all(model, films, "item", encoder=encoder, idCol="film").show()
    +------+----------------+
    |    id|          vector|
    +------+----------------+
    | Alien| [0.5, 2.0, 1.0]|
    |Brazil|[0.25, 0.0, 2.0]|
    +------+----------------+
    """
    from pyspark.sql.types import ArrayType, FloatType, StructField, StructType

    if side not in _SIDES:
        raise ValueError(f"side must be one of {list(_SIDES)}, got {side!r}.")
    local = local_model(model)
    reader = SideReader(int(local.n_features_in_), local_encoder(encoder), side)
    id_column = idCol or side
    rows = frame.select(*side_columns(frame, id_column, featuresCol, reader))
    fields = [
        StructField("id", frame.schema[id_column].dataType),
        StructField("vector", ArrayType(FloatType(), containsNull=False), nullable=False),
    ]
    if side == "user":
        fields.append(StructField("bias", FloatType(), nullable=False))
    return map_arrow(rows, _Pooling(Shipped(_Pooled(local, reader))), StructType(fields))


class _Pooled(NamedTuple):
    """What workers compute vectors with."""

    model: Any
    reader: SideReader


class _Pooling:
    """Computes the vectors of a partition, in a worker.

    Parameters
    ----------
    task : Shipped of _Pooled
    """

    def __init__(self, task: Shipped[_Pooled]) -> None:
        self._task = task

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give Arrow batches of ids, vectors and, for users, biases."""
        import pyarrow as pa

        model, reader = self._task.get()
        for batch in batches:
            if not batch.num_rows:
                continue
            X = reader.matrix(batch)
            columns = {"id": batch.column(ID)}
            if reader.side == "user":
                vectors, bias = model.user_vectors_and_bias(X)
                columns |= {"vector": _lists(vectors), "bias": pa.array(bias.astype(np.float32))}
            else:
                columns["vector"] = _lists(model.item_vector(X))
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _lists(vectors: Any) -> Any:
    """Return the rows of a matrix (n, d) as an Arrow array of lists."""
    import pyarrow as pa

    n, width = vectors.shape
    flat = np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)
    return pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * width), pa.array(flat))
