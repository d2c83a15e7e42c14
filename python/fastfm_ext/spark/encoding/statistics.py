"""Statistics of a Spark DataFrame's columns: counted in the workers, added up by Spark, collected by the driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._tables.coding import Coded
from fastfm_ext._tables.read import as_table, read_columns
from fastfm_ext.encoding.columns.base import ColumnsByName, ColumnSpec
from fastfm_ext.encoding.columns.collisions import HashedValues
from fastfm_ext.encoding.columns.hashed import Hashed
from fastfm_ext.encoding.columns.numeric import Numeric
from fastfm_ext.encoding.columns.statistics import Counts, NumberSummary, Statistics
from fastfm_ext.spark.arrow import map_arrow, partition
from fastfm_ext.spark.encoding.keys import keys_of, values_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A row is a value, or a combination of values, of the spec of this number, and how many rows have it; of a numeric
# column the sums of some rows.
_SCHEMA = "spec int, key array<string>, n bigint"
# The number under which all rows are counted.
_ALL_ROWS = -1
# Rows whose values are counted at a time: each distinct value of them travels once.
_CHUNK_ROWS = 1 << 18


def statistics_of(frame: DataFrame, specs: Sequence[ColumnSpec]) -> tuple[list[Statistics], int]:
    """Find out what specs need to know of the rows of a frame, in one pass over it.

    Parameters
    ----------
    frame : DataFrame
    specs : sequence of ColumnSpec

    Returns
    -------
    statistics : list
        Of each spec.
    n_rows : int

    Raises
    ------
    pyspark.errors.PythonException
        For an infinite number in a numeric column.
    """
    from pyspark.sql import functions

    parts = map_arrow(frame, _Counting(specs), _SCHEMA)
    rows = parts.groupBy("spec", "key").agg(functions.sum("n").alias("n")).toArrow().combine_chunks()
    number_of_spec = rows["spec"].to_numpy()
    order = np.argsort(number_of_spec, kind="stable")
    bounds = np.searchsorted(number_of_spec[order], np.arange(_ALL_ROWS, len(specs) + 1))
    of_specs = [rows.take(order[first:last]) for first, last in pairwise(bounds)]
    total, *of_specs = of_specs
    n_rows = sum(total["n"].to_pylist())
    return [_joined(spec, own) for spec, own in zip(specs, of_specs, strict=True)], n_rows


class _Counting:
    """Counts the rows of a partition, in a worker.

    Parameters
    ----------
    specs : sequence of ColumnSpec
    """

    def __init__(self, specs: Sequence[ColumnSpec]) -> None:
        self._specs = specs

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give the statistics of chunks of Arrow batches, as rows of `_SCHEMA`."""
        for first, chunk in _chunks(batches):
            columns, n_rows = read_columns(as_table(chunk), chunk.schema.names)
            yield _rows(_ALL_ROWS, [keys_of(np.zeros(1, dtype=np.int64))], np.array([n_rows]))
            for number, spec in enumerate(self._specs):
                if isinstance(spec, Numeric):
                    _check_finite(spec.column, columns, first)
                statistics = spec.statistics(columns)
                if isinstance(statistics, NumberSummary) and statistics.n:
                    yield _rows(number, _keys_of_summary(statistics), np.ones(1, dtype=np.int64))
                if isinstance(statistics, HashedValues):
                    yield _rows(number, *_keys_of_hashes(statistics))
                if isinstance(statistics, Counts) and statistics.counts.any():
                    yield _rows(number, *_keys_of_counts(statistics))


def _chunks(batches: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Give Arrow tables of some `_CHUNK_ROWS` rows, each with the number of its first row."""
    import pyarrow as pa

    waiting: list[Any] = []
    first = n_rows = 0
    for batch in batches:
        waiting.append(batch)
        n_rows += batch.num_rows
        if n_rows - first >= _CHUNK_ROWS:
            yield first, pa.Table.from_batches(waiting).combine_chunks()
            first, waiting = n_rows, []
    if n_rows > first:
        yield first, pa.Table.from_batches(waiting).combine_chunks()


def _check_finite(name: str, columns: ColumnsByName, first: int) -> None:
    """Raise ValueError for an infinite number; the rows' numbers begin with `first`."""
    numbers = columns[name].numbers
    is_bad = np.isinf(numbers)
    if is_bad.any():
        row = int(np.argmax(is_bad))
        raise ValueError(
            f"Row {first + row} (from 0) of partition {partition()}: column {name!r} holds {numbers[row]}. "
            "Replace such numbers by null, or clip the column."
        )


def _rows(number: int, keys: Sequence[Any], counts: AnyArray) -> Any:
    """Return the Arrow batch of keys of several parts, each an Arrow array (n,), and how many rows have each (n,)."""
    import pyarrow as pa

    n_parts, n = len(keys), len(counts)
    places = np.arange(n_parts * n).reshape(n_parts, n).T.reshape(-1)
    flat = pa.concat_arrays(keys).take(pa.array(places)) if n_parts > 1 else keys[0]
    lists = pa.ListArray.from_arrays(pa.array(np.arange(n + 1) * n_parts, type=pa.int32()), flat)
    columns = [pa.array(np.full(n, number, dtype=np.int32)), lists, pa.array(counts.astype(np.int64))]
    return pa.RecordBatch.from_arrays(columns, names=["spec", "key", "n"])


def _keys_of_counts(statistics: Counts) -> tuple[list[Any], AnyArray]:
    is_seen = statistics.counts > 0
    return [keys_of(values).take(codes[is_seen]) for codes, values, _ in statistics.columns], statistics.counts[is_seen]


def _keys_of_hashes(statistics: HashedValues) -> tuple[list[Any], AnyArray]:
    import pyarrow as pa

    return [pa.array(statistics.hashes).cast(pa.string())], np.ones(len(statistics.hashes), dtype=np.int64)


def _keys_of_summary(summary: NumberSummary) -> list[Any]:
    import pyarrow as pa

    n_present, *numbers = summary
    return [pa.array([text]) for text in (str(n_present), *(number.hex() for number in numbers))]


def _joined(spec: ColumnSpec, rows: Any) -> Statistics:
    """Return the statistics that stand in these rows of `_SCHEMA`."""
    keys, counts = rows["key"].combine_chunks(), rows["n"].to_numpy()
    if isinstance(spec, Numeric):
        parts = [(_summary(key), n) for key, n in zip(keys.to_pylist(), counts.tolist(), strict=True)]
        return NumberSummary.joined(parts)
    if isinstance(spec, Hashed):
        return HashedValues.of(keys.flatten().cast("uint32").to_numpy())
    n_parts = len(spec.columns_to_fit)
    flat = keys.flatten()
    columns = [_coded(flat.take(np.arange(part, len(flat), n_parts))) for part in range(n_parts)]
    return Counts(tuple(columns), counts)


def _summary(key: list[str]) -> NumberSummary:
    n_present, *numbers = key
    return NumberSummary(int(n_present), *map(float.fromhex, numbers))


def _coded(keys: Any) -> Coded:
    coded = keys.dictionary_encode()
    return Coded(coded.indices.to_numpy().astype(np.int32), values_of(coded.dictionary))
