"""Encoding of a Spark DataFrame: a column of sparse vectors beside those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.spark.arrow import map_arrow
from fastfm_ext.spark.encoding.types import check_readable, columns_named
from fastfm_ext.spark.shipping import Shipped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SPARSE = 0


def encode(
    frame: DataFrame, encoder: FMEncoder, column: str = "features", kept: Sequence[str] | None = None
) -> DataFrame:
    """Append the encoded rows to a Spark DataFrame, as a column of sparse vectors.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        Needs every column of the encoder.
    encoder : fastfm_ext.FMEncoder
        Fitted.
    column : str, default="features"
        Name of the new column.
    kept : sequence of str, optional
        Columns of the frame that stand beside it; all by default. What is not kept need not travel back from Python.

    Returns
    -------
    pyspark.sql.DataFrame
        With the same rows, the columns that are kept, and the new one behind them: vectors of size
        ``encoder.n_features_out_``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the encoder is not fitted.
    TypeError
        If a column is of a type that the encoder cannot read.
    ValueError
        If a column is missing, or there is one of the new name.
    """
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.types import StructField, StructType

    names = columns_to_encode(frame, encoder)
    if kept is None:
        places = list(range(len(frame.columns)))
    else:
        columns_named(frame, kept)
        places = [frame.columns.index(name) for name in kept]
    fields = [frame.schema.fields[place] for place in places]
    if column in (field.name for field in fields):
        raise ValueError(f"the DataFrame has a column {column!r}: choose another name, or drop it")
    n_features = encoder.n_features_out_
    field = StructField(column, VectorUDT(), nullable=False, metadata={"ml_attr": {"num_attrs": n_features}})
    return map_arrow(frame, _Encoding(encoder, names, places), StructType([*fields, field]))


def columns_to_encode(frame: DataFrame, encoder: FMEncoder) -> list[str]:
    """Return the columns that an encoder reads of a frame.

    Raises
    ------
    sklearn.exceptions.NotFittedError, TypeError, ValueError
        As for `encode`.
    """
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(encoder, "fields_")
    names = [str(name) for name in encoder.feature_names_in_]
    columns_named(frame, names)
    for spec in encoder.columns_:
        check_readable(frame, spec, spec.columns)
    return names


class _Encoding:
    """Encodes the rows of a partition, in a worker.

    Parameters
    ----------
    encoder : FMEncoder
    names : list of str
        Its columns.
    kept : list of int
        Places of the columns to give back.
    """

    def __init__(self, encoder: FMEncoder, names: list[str], kept: list[int]) -> None:
        self._encoder = Shipped(encoder)
        self._names = names
        self._kept = kept

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give Arrow batches with one column more."""
        import pyarrow as pa

        encoder = self._encoder.get()
        for batch in batches:
            if not batch.num_rows:
                continue
            places = [batch.schema.names.index(name) for name in self._names]
            vectors = vectors_of_csr(encoder.transform(batch.select(places)))
            columns = [*(batch.column(place) for place in self._kept), vectors]
            yield pa.RecordBatch.from_arrays(columns, names=[str(place) for place in range(len(columns))])


def vectors_of_csr(X: sparse.csr_array) -> Any:
    """Return the rows of a matrix as an Arrow array of what Spark's vectors are made of."""
    import pyarrow as pa

    n_rows, n_features = X.shape
    offsets = pa.array(X.indptr.astype(np.int32, copy=False))
    parts = {
        "type": pa.array(np.full(n_rows, _SPARSE, dtype=np.int8)),
        "size": pa.array(np.full(n_rows, n_features, dtype=np.int32)),
        "indices": pa.ListArray.from_arrays(offsets, pa.array(X.indices)),
        "values": pa.ListArray.from_arrays(offsets, pa.array(X.data.astype(np.float64))),
    }
    return pa.StructArray.from_arrays(list(parts.values()), names=list(parts))
