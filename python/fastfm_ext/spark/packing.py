"""Packed rows: samples of a Spark DataFrame as blocks of binary columns, which move at the speed of memory.

A Spark DataFrame holds a sparse vector as an object with two arrays, and each pass over it turns all of them into Arrow
anew. Packed rows are turned once: a Spark row is a block of up to `BLOCK_ROWS` samples, and its columns are the bytes
of a CSR matrix, its labels and its weights. A pass over them copies a few large buffers for each block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Float64, Int64
from fastfm_ext._engine.csr import Csr, take_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A block of so many samples with 20 ids takes some 6 MB.
BLOCK_ROWS = 1 << 16

# Columns of packed rows, in Spark's words. Arrays are in the machine's byte order.
#   part     the partition that holds the block, from 0
#   block    its number in the partition, from 0
#   held_out whether its samples are to validate on; no block holds both kinds
#   n_rows   its samples
#   nnz      its nonzeros
#   indptr   int64 (n_rows + 1,), from 0
#   indices  int32 (nnz,), ascending in each sample
#   data     float32 (nnz,); null where every value is 1
#   labels   float64 (n_rows,)
#   weights  float32 (n_rows,), positive; null where none were given
PACKED_SCHEMA = (
    "part int, block int, held_out boolean, n_rows int, nnz bigint, "
    "indptr binary, indices binary, data binary, labels binary, weights binary"
)
PACKED_COLUMNS = tuple(column.split()[0] for column in PACKED_SCHEMA.split(", "))


class SampleBlock(NamedTuple):
    """Samples of a block.

    Attributes
    ----------
    X : Csr of shape (n_rows, n_features)
    labels : ndarray of shape (n_rows,)
    weights : ndarray of shape (n_rows,), or None for ones
    held_out : bool
        Whether they are to validate on.
    """

    X: Csr
    labels: Float64
    weights: Float32 | None
    held_out: bool = False

    @property
    def n_rows(self) -> int:
        """Samples."""
        return self.X.n_rows

    def take(self, rows: Int64) -> SampleBlock:
        """Return a copy of these samples, (n_taken,), in this order."""
        weights = None if self.weights is None else self.weights[rows]
        return SampleBlock(take_rows(self.X, rows), self.labels[rows], weights, self.held_out)


@dataclass(frozen=True)
class PackedSamples:
    """Samples of a DataFrame as packed rows, kept by Spark.

    Each partition of the frame holds its own blocks, so that a function of `mapInArrow` sees the blocks of one.

    Attributes
    ----------
    frame : DataFrame
        Of `PACKED_SCHEMA`; persisted.
    n_features : int
    n_partitions : int
    n_rows_of : ndarray of shape (n_partitions, 2)
        Samples of positive weight in each partition: to train on, and held out.
    label_range : tuple of float
        The lowest and the highest label.
    first : SampleBlock
        Samples of all partitions, taken at random: a model learns its units from them.
    """

    frame: DataFrame
    n_features: int
    n_partitions: int
    n_rows_of: Int64
    label_range: tuple[float, float]
    first: SampleBlock

    @property
    def to_train(self) -> DataFrame:
        """The blocks that are not held out, in the same partitions."""
        return self.frame.where("NOT held_out")

    @property
    def held_out(self) -> DataFrame:
        """The blocks that are held out, in the same partitions."""
        return self.frame.where("held_out")

    def unpersist(self) -> None:
        """Let Spark forget the rows."""
        self.frame.unpersist()


def unpacked(batches: Iterable[Any], n_features: int) -> Iterator[SampleBlock]:
    """Give the blocks in Arrow batches of packed rows, over the batches' memory.

    Parameters
    ----------
    batches : iterable of pyarrow.RecordBatch
        With the columns of `PACKED_COLUMNS` from "indptr" on, and "held_out".
    n_features : int
    """
    for batch in batches:
        columns = [batch.column(name) for name in ("indptr", "indices", "data", "labels", "weights")]
        held_out = batch.column("held_out").to_pylist()
        for row in range(batch.num_rows):
            indptr, indices, data, labels, weights = (column[row].as_buffer() for column in columns)
            X = Csr(
                np.frombuffer(indptr, dtype=np.int64),
                np.frombuffer(indices, dtype=np.int32),
                None if data is None else np.frombuffer(data, dtype=np.float32),
                n_features,
            )
            of_rows = None if weights is None else np.frombuffer(weights, dtype=np.float32)
            yield SampleBlock(X, np.frombuffer(labels, dtype=np.float64), of_rows, held_out[row])


def packed_block(part: int, number: int, block: SampleBlock) -> Any:
    """Return a block as a `pyarrow.RecordBatch`, one row of `PACKED_SCHEMA`.

    Parameters
    ----------
    part : int
        Number of its partition.
    number : int
        Its own number there.
    block : SampleBlock
    """
    import pyarrow as pa

    X = block.X
    indptr = X.indptr.astype(np.int64, copy=False)
    arrays = (indptr, X.indices, X.data, block.labels, block.weights)
    values = [part, number, block.held_out, X.n_rows, X.nnz, *(None if a is None else _bytes_of(a) for a in arrays)]
    types = [pa.int32(), pa.int32(), pa.bool_(), pa.int32(), pa.int64(), *[pa.binary()] * len(arrays)]
    columns = [pa.array([value], type=kind) for value, kind in zip(values, types, strict=True)]
    return pa.record_batch(columns, names=list(PACKED_COLUMNS))


def extended(row: Any, **more: AnyArray | int | float | None) -> Any:
    """Return a packed row with more columns: of bytes for an array or None, else int32 or double by the number.

    Parameters
    ----------
    row : pyarrow.RecordBatch
    **more
        Values by the names of their columns.
    """
    import pyarrow as pa

    columns = []
    for value in more.values():
        if value is None or isinstance(value, np.ndarray):
            columns.append(pa.array([None if value is None else _bytes_of(value)], type=pa.binary()))
        else:
            columns.append(pa.array([value], type=pa.int32() if isinstance(value, int) else pa.float64()))
    return pa.record_batch([*row.columns, *columns], names=[*row.schema.names, *more])


def _bytes_of(array: AnyArray) -> memoryview:
    """Return the bytes of an array, over its memory where it lies in one piece."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def joined(blocks: Iterable[SampleBlock], n_features: int) -> SampleBlock:
    """Return the samples of all blocks, one below the other; either all are held out, or none is.

    Parameters
    ----------
    blocks : iterable of SampleBlock
    n_features : int
        Of the result where there is no block.
    """
    from fastfm_ext._learning.samples import concat_csr, concat_weights

    parts = list(blocks)
    if not parts:
        empty = Csr(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32), None, n_features)
        return SampleBlock(empty, np.zeros(0), None)
    weights = [part.weights for part in parts]
    all_ones = all(w is None for w in weights)
    return SampleBlock(
        concat_csr([part.X for part in parts]),
        np.concatenate([part.labels for part in parts]),
        None if all_ones else concat_weights(weights, [part.n_rows for part in parts]),
        parts[0].held_out,
    )
