"""Rows of a Spark DataFrame as blocks: vectors, labels, weights and ids to partition by, checked on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastfm_ext._common.arrays import Bools, Float32, Float64, Int64
from fastfm_ext._common.checks import kind_of
from fastfm_ext.spark.arrow import partition
from fastfm_ext.spark.packing import BLOCK_ROWS, PACKED_SCHEMA, SampleBlock, extended, joined, packed_block
from fastfm_ext.spark.vectors import BadRowError, checked_size, csr_of_vectors, flags_of, numbers_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Packed rows as they are read, before they are partitioned: `part` and `block` are those of the DataFrame that was
# read. `keys` are int64 (n_rows,), null without a column to partition by; `lowest` and `highest` are of the labels.
SOURCE_SCHEMA = f"{PACKED_SCHEMA}, keys binary, lowest double, highest double"


class SourceColumns(NamedTuple):
    """Columns of a DataFrame to read.

    Attributes
    ----------
    features : str
    label : str
    weight : str, optional
    key : str, optional
        Rows of equal values here shall lie in one partition.
    held_out : str, optional
        Whether a row is to validate on.
    """

    features: str
    label: str
    weight: str | None = None
    key: str | None = None
    held_out: str | None = None


class LabelRule(NamedTuple):
    """What labels can be.

    Attributes
    ----------
    n_classes : int
        0 for any number; else they are 0, 1, ... below it.
    """

    n_classes: int = 0

    def check(self, labels: Float64, name: str) -> None:
        """Raise `BadRowError` for the first label that is none."""
        if not self.n_classes:
            return
        good = (labels >= 0) & (labels < self.n_classes) & (labels == np.floor(labels))
        if not good.all():
            row = int(np.argmin(good))
            wanted = " or ".join(str(number) for number in range(self.n_classes))
            raise BadRowError(row, f"the label in column {name!r} is {labels[row]}, and has to be {wanted}")


class KeyedBlock(NamedTuple):
    """Samples of a block, with the keys to partition them by, (n_rows,), if there are any."""

    block: SampleBlock
    keys: Int64 | None

    def part(self, chosen: Bools, *, held_out: bool) -> KeyedBlock:
        """Return the samples that are `chosen`, (n_rows,)."""
        if chosen.all():
            return KeyedBlock(self.block._replace(held_out=held_out), self.keys)
        rows = np.flatnonzero(chosen)
        keys = None if self.keys is None else self.keys[rows]
        return KeyedBlock(self.block.take(rows)._replace(held_out=held_out), keys)


class Reader:
    """Packs the rows of one partition of a DataFrame, in a worker.

    Parameters
    ----------
    columns : SourceColumns
    n_features : int
    labels : LabelRule
    """

    def __init__(self, columns: SourceColumns, n_features: int, labels: LabelRule) -> None:
        self._columns = columns
        self._n_features = n_features
        self._labels = labels

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give the packed rows of Arrow batches of `selected` columns.

        Raises
        ------
        ValueError
            For a row that cannot be trained on; the message names it.
        """
        part = partition()
        waiting: dict[bool, list[KeyedBlock]] = {False: [], True: []}
        n_rows = number = 0
        for batch in batches:
            try:
                read = self._blocks(batch)
            except BadRowError as error:
                raise row_error(error, n_rows, part, batch) from None
            n_rows += batch.num_rows
            for keyed in read:
                if not keyed.block.n_rows:
                    continue
                pieces = waiting[keyed.block.held_out]
                pieces.append(keyed)
                if sum(piece.block.n_rows for piece in pieces) >= BLOCK_ROWS:
                    yield self._packed(part, number, pieces)
                    pieces.clear()
                    number += 1
        for pieces in waiting.values():
            if pieces:
                yield self._packed(part, number, pieces)
                number += 1

    def _blocks(self, batch: Any) -> Iterator[KeyedBlock]:
        """Give the rows of positive weight of a batch: those to train on, and those that are held out."""
        columns = self._columns
        X = csr_of_vectors(batch.column("features"), self._n_features)
        labels = numbers_of(batch.column("label"), f"the label in column {columns.label!r}")
        self._labels.check(labels, columns.label)
        weights = None if columns.weight is None else _checked_weights(batch.column("weight"), columns.weight)
        counted = np.ones(len(labels), dtype=bool) if weights is None else weights > 0
        keys = None if columns.key is None else batch.column("key").to_numpy(zero_copy_only=False)
        whole = KeyedBlock(SampleBlock(X, labels, weights), keys)
        if columns.held_out is None:
            return iter([whole.part(counted, held_out=False)])
        flags = flags_of(batch.column("held_out"), f"the indicator in column {columns.held_out!r}")
        return iter([whole.part(counted & (flags == flag), held_out=flag) for flag in (False, True)])

    def _packed(self, part: int, number: int, pieces: list[KeyedBlock]) -> Any:
        """Return one row of `SOURCE_SCHEMA`."""
        block = joined([piece.block for piece in pieces], self._n_features)
        keys = None if self._columns.key is None else np.concatenate([piece.keys for piece in pieces])
        lowest, highest = float(block.labels.min()), float(block.labels.max())
        return extended(packed_block(part, number, block), keys=keys, lowest=lowest, highest=highest)


def selected(frame: DataFrame, columns: SourceColumns) -> DataFrame:
    """Return a frame of the columns "features", "label" and, where they are named, "weight", "key" and "held_out".

    Raises
    ------
    ValueError
        For a column that is not there, or is of another type.
    """
    from pyspark.sql import functions

    wanted: list[Column] = [vectors_of(frame, columns.features)]
    for name, column in (("label", columns.label), ("weight", columns.weight)):
        if column is not None:
            check_is_numeric(frame, column)
            wanted.append(functions.col(quoted(column)).cast("double").alias(name))
    if columns.key is not None:
        check_is_there(frame, columns.key)
        wanted.append(functions.xxhash64(quoted(columns.key)).alias("key"))
    if columns.held_out is not None:
        check_is_there(frame, columns.held_out)
        kind = frame.schema[columns.held_out].dataType
        if kind.typeName() != "boolean":
            raise ValueError(f"column {columns.held_out!r} holds {kind.simpleString()}, and booleans are needed.")
        wanted.append(functions.col(quoted(columns.held_out)).alias("held_out"))
    return frame.select(*wanted)


def vectors_of(frame: DataFrame, column: str) -> Column:
    """Return the column of vectors, as a struct under the name "features".

    Raises
    ------
    ValueError
        If it is not there, or holds something else.
    """
    from pyspark.sql import functions

    check_holds_vectors(frame, column)
    return functions.unwrap_udt(functions.col(quoted(column))).alias("features")


def check_holds_vectors(frame: DataFrame, column: str) -> None:
    """Raise ValueError unless a column is there and holds vectors."""
    from pyspark.ml.linalg import VectorUDT

    check_is_there(frame, column)
    kind = frame.schema[column].dataType
    if not isinstance(kind, VectorUDT):
        raise ValueError(
            f"column {column!r} holds {kind.simpleString()}, and vectors are needed. Assemble them with "
            "pyspark.ml.feature.VectorAssembler, or array_to_vector of pyspark.ml.functions."
        )


def check_is_frame(frame: Any) -> None:
    """Raise TypeError unless this is a DataFrame of Spark."""
    from pyspark.sql import DataFrame

    if not isinstance(frame, DataFrame):
        raise TypeError(f"a pyspark.sql.DataFrame is needed, got {kind_of(frame)}: see spark.createDataFrame.")


def check_is_there(frame: DataFrame, column: str) -> None:
    """Raise ValueError for a column that the frame lacks."""
    check_is_frame(frame)
    if column not in frame.columns:
        raise ValueError(f"column {column!r} is not in the DataFrame, whose columns are {', '.join(frame.columns)}.")


def check_is_numeric(frame: DataFrame, column: str) -> None:
    """Raise ValueError unless a column holds numbers."""
    from pyspark.sql.types import NumericType

    check_is_there(frame, column)
    kind = frame.schema[column].dataType
    if not isinstance(kind, NumericType):
        raise ValueError(f"column {column!r} holds {kind.simpleString()}, and numbers are needed.")


def quoted(column: str) -> str:
    """Return the name of a column as Spark reads it literally, dots and all."""
    return "`" + column.replace("`", "``") + "`"


def size_of_vectors(frame: DataFrame, column: str) -> int:
    """Return the size of the vectors in a column: from its metadata, or from the first row.

    Raises
    ------
    ValueError
        For a frame without rows, a null, or a size that no model can have.
    """
    from pyspark.sql import functions

    check_holds_vectors(frame, column)
    metadata = frame.schema[column].metadata.get("ml_attr", {})
    if "num_attrs" in metadata:
        return checked_size(int(metadata["num_attrs"]))
    vectors = frame.select(vectors_of(frame, column))
    sizes = vectors.select(functions.coalesce("features.size", functions.size("features.values")).alias("size"))
    first = sizes.head()
    if first is None:
        raise ValueError("the DataFrame has no rows.")
    if first["size"] is None or first["size"] < 0:
        raise ValueError(f"the first row of column {column!r} is null. Leave out or mend such rows.")
    return checked_size(int(first["size"]))


def _checked_weights(column: Any, name: str) -> Float32:
    """Return weights, (n_rows,).

    Raises
    ------
    BadRowError
        For a null, NaN, an infinite or a negative value, or one that float32 cannot hold.
    """
    numbers = numbers_of(column, f"the weight in column {name!r}")
    with np.errstate(over="ignore", under="ignore"):
        weights = numbers.astype(np.float32)
    good = (numbers >= 0) & np.isfinite(weights) & ((weights > 0) | (numbers == 0))
    if not good.all():
        row = int(np.argmin(good))
        raise BadRowError(row, f"the weight in column {name!r} is {numbers[row]}, and has to be at least 0")
    return weights


def row_error(error: BadRowError, n_rows_before: int, part: int, batch: Any) -> ValueError:
    """Return the error that names a row and shows it.

    Parameters
    ----------
    error : BadRowError
    n_rows_before : int
        Rows of the partition before the batch.
    part : int
        The partition.
    batch : pyarrow.RecordBatch
    """
    row = f"Row {n_rows_before + error.row} (from 0) of partition {part}"
    return ValueError(f"{row}: {error.reason}. {_shown(batch, error.row)} Leave out or mend such rows.")


def _shown(batch: Any, row: int) -> str:
    """Return the row as a message shows it, long vectors in part."""
    shown = []
    for name in batch.schema.names:
        if name == "key":
            continue
        value = batch.column(name)[row]
        shown.append(f"{name} {_shown_vector(value) if hasattr(value, 'items') else value}")
    return f"The row: {', '.join(shown)}."


def _shown_vector(vector: Any) -> str:
    if not vector.is_valid:
        return "null"
    size, indices, values = (vector[name].as_py() for name in ("size", "indices", "values"))
    dots = ", ..." if len(values) > 8 else ""
    listed = ", ".join(str(value) for value in values[:8]) + dots
    if indices is None:
        return f"[{listed}]"
    return f"({size}, [{', '.join(str(index) for index in indices[:8])}{dots}], [{listed}])"
