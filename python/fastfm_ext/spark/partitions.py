"""Partitions of training rows: rows with one id, such as those of a user, lie in one partition.

Workers train apart and their parameters are merged: what only one of them touches is never averaged. Rows are packed
where they lie, blocks are cut by the ids of their rows, and only packed rows are shuffled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Int64
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.orders import permutation
from fastfm_ext.spark.arrow import map_plain
from fastfm_ext.spark.packing import (
    BLOCK_ROWS,
    PACKED_SCHEMA,
    PackedSamples,
    SampleBlock,
    extended,
    joined,
    packed_block,
    unpacked,
)
from fastfm_ext.spark.reading import SOURCE_SCHEMA, LabelRule, Reader, SourceColumns, selected

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# Rows from which a model learns its units.
FIRST_ROWS = 1 << 16
# With fewer rows a partition, starting a task takes longer than its training, and merging costs quality.
LEAST_ROWS_OF_PARTITION = 20_000
# Rows that are mixed at a time.
MIXED_ROWS = 1 << 20
# Places of the ids in a row among which the one to partition by is looked for.
_MOST_PLACES = 64
# Blocks on their way to their partition: `key` is a number that Spark's hash sends there.
_CUT_SCHEMA = f"{PACKED_SCHEMA}, key int, source int"


class Partitioning(NamedTuple):
    """How rows are to be partitioned.

    Attributes
    ----------
    n_partitions : int, optional
        Default: as many as tasks run at once, but no more than one for each `LEAST_ROWS_OF_PARTITION` rows.
    share_held_out : float
        Share of the rows to hold out at random.
    seed : int
    """

    n_partitions: int | None = None
    share_held_out: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class PackedSource:
    """Rows of a DataFrame, checked and packed where they lie, kept by Spark.

    Attributes
    ----------
    frame : DataFrame
        Of `SOURCE_SCHEMA`; persisted.
    n_features : int
    n_rows, n_held_out : int
        Samples of positive weight: to train on, and held out.
    nnz : int
        Nonzeros of both.
    label_range : tuple of float
        The lowest and the highest label.
    n_parts : int
        Partitions of the DataFrame that have rows.
    """

    frame: DataFrame
    n_features: int
    n_rows: int
    n_held_out: int
    nnz: int
    label_range: tuple[float, float]
    n_parts: int

    def collected(self) -> tuple[SampleBlock, SampleBlock]:
        """Return all rows to train on, and all held-out ones, in the order of the DataFrame."""
        table = self.frame.drop("keys", "lowest", "highest").orderBy("part", "block").toArrow()
        blocks = list(unpacked(table.to_batches(), self.n_features))
        kinds = ([block for block in blocks if block.held_out is flag] for flag in (False, True))
        rows, held_out = (joined(kind, self.n_features) for kind in kinds)
        return rows, held_out

    def unpersist(self) -> None:
        """Let Spark forget the rows."""
        self.frame.unpersist()


def packed_source(frame: DataFrame, columns: SourceColumns, n_features: int, labels: LabelRule) -> PackedSource:
    """Return the rows of a DataFrame, checked and packed; the caller unpersists them.

    The DataFrame is computed once.

    Parameters
    ----------
    frame : DataFrame
    columns : SourceColumns
    n_features : int
    labels : LabelRule

    Raises
    ------
    ValueError
        For columns that are not there or of another type, and where no row to train on is of positive weight.
    pyspark.errors.PythonException
        For a row that cannot be trained on; the message names it.
    """
    from pyspark.sql import functions

    reader = Reader(columns, n_features, labels)
    rows = map_plain(selected(frame, columns), reader, SOURCE_SCHEMA).persist()
    is_held_out = functions.col("held_out")
    try:
        total = rows.agg(
            functions.sum(functions.when(~is_held_out, functions.col("n_rows"))).alias("n_rows"),
            functions.sum(functions.when(is_held_out, functions.col("n_rows"))).alias("n_held_out"),
            functions.sum("nnz").alias("nnz"),
            functions.min("lowest").alias("lowest"),
            functions.max("highest").alias("highest"),
            functions.countDistinct("part").alias("n_parts"),
        ).first()
        if total is None or not total["n_rows"]:
            if total is not None and total["n_held_out"]:
                raise ValueError(f"column {columns.held_out!r} holds out all rows, and leaves none to train on.")
            raise ValueError("the DataFrame has no rows of positive weight to train on.")
    except BaseException:
        rows.unpersist()
        raise
    n_rows, n_held_out, nnz, n_parts = (int(total[name] or 0) for name in ("n_rows", "n_held_out", "nnz", "n_parts"))
    return PackedSource(rows, n_features, n_rows, n_held_out, nnz, (total["lowest"], total["highest"]), n_parts)


def pack_rows(
    frame: DataFrame, columns: SourceColumns, n_features: int, labels: LabelRule, partitioning: Partitioning
) -> PackedSamples:
    """Return the rows of a DataFrame, checked, partitioned and packed: `packed_source` and `partitioned` in one."""
    source = packed_source(frame, columns, n_features, labels)
    try:
        return partitioned(source, partitioning)
    finally:
        source.unpersist()


def partitioned(source: PackedSource, partitioning: Partitioning) -> PackedSamples:
    """Return the rows in partitions, in random order; the caller unpersists them.

    Without keys, rows are partitioned by the id that has the most different values among the ids at one place of each
    row, which is the user in rows of users, items and their properties; and at random where there is none.

    Parameters
    ----------
    source : PackedSource
    partitioning : Partitioning
    """
    from pyspark.sql import functions

    n_features, n_rows, seed = source.n_features, source.n_rows, partitioning.seed
    n_partitions = partitioning.n_partitions or min(
        _tasks_at_once(source.frame, source.n_parts), max(1, n_rows // LEAST_ROWS_OF_PARTITION)
    )
    sampler = _Sampler(n_features, min(1.0, FIRST_ROWS / n_rows), seed)
    to_train = source.frame.where("NOT held_out")
    table = map_plain(to_train, sampler, PACKED_SCHEMA).orderBy("part", "block").toArrow()
    first = joined(unpacked(table.to_batches(), n_features), n_features)
    place = place_of_most_ids(first.X, n_partitions)
    cutter = _Cutter(n_features, n_partitions, place, partitioning.share_held_out, seed)
    cut = (
        map_plain(source.frame, cutter, _CUT_SCHEMA)
        .repartition(n_partitions, "key")
        .sortWithinPartitions(functions.xxhash64("source", "block"), "held_out")
    )
    frame = map_plain(cut, _Mixer(n_features, seed), PACKED_SCHEMA).persist()
    n_rows_of = np.zeros((n_partitions, 2), dtype=np.int64)
    for part, held_out, count in frame.groupBy("part", "held_out").agg(functions.sum("n_rows")).collect():
        n_rows_of[part, int(held_out)] = count
    return PackedSamples(frame, n_features, n_partitions, n_rows_of, source.label_range, first)


def _tasks_at_once(frame: DataFrame, n_parts: int) -> int:
    """Return how many tasks run at once, or the number of partitions of a frame where Spark Connect hides it."""
    from pyspark.errors import PySparkException

    try:
        return int(frame.sparkSession.sparkContext.defaultParallelism)
    except (AttributeError, PySparkException):
        return n_parts


def place_of_most_ids(X: Csr, n_partitions: int) -> int | None:
    """Return the place in each row whose features are the most different, or None if none has enough of them.

    Parameters
    ----------
    X : Csr of shape (n_rows, n_features)
    n_partitions : int
        Partitions that the features are to fill about evenly.
    """
    n_places = min(int(np.diff(X.indptr).min(initial=_MOST_PLACES)), _MOST_PLACES)
    most: int = 8 * n_partitions
    best = None
    for place in range(n_places):
        counts = np.bincount(X.indices[X.indptr[:-1] + place])
        n_different = int(np.count_nonzero(counts))
        if n_different > most and counts.max() <= X.n_rows / (4 * n_partitions):
            most, best = n_different, place
    return best


class _Sampler:
    """Takes a share of the rows to train on at random, and gives the blocks with as many rows."""

    def __init__(self, n_features: int, share: float, seed: int) -> None:
        self._n_features = n_features
        self._share = share
        self._seed = seed

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            numbers = zip(batch.column("part").to_pylist(), batch.column("block").to_pylist(), strict=True)
            for (part, number), block in zip(numbers, unpacked([batch], self._n_features), strict=True):
                rng = np.random.default_rng([self._seed, part, number])
                chosen = np.flatnonzero(rng.random(block.n_rows) < self._share)
                if len(chosen):
                    yield packed_block(part, number, block.take(chosen))


class _Cutter:
    """Cuts blocks by the partition that each row goes to, and by whether it is held out."""

    def __init__(self, n_features: int, n_partitions: int, place: int | None, share: float, seed: int) -> None:
        self._n_features = n_features
        self._place = place
        self._share = share
        self._seed = seed
        self._key_of_part = keys_by_partition(n_partitions)

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        n_parts = len(self._key_of_part)
        for batch in batches:
            blocks = unpacked([batch], self._n_features)
            sources, numbers = (batch.column(name).to_pylist() for name in ("part", "block"))
            for source, number, keys, block in zip(sources, numbers, batch.column("keys"), blocks, strict=True):
                given = np.frombuffer(keys.as_buffer(), dtype=np.int64) if keys.is_valid else None
                rng = np.random.default_rng([self._seed, source, number])
                parts = self._parts(block, given, rng)
                is_held_out = block.held_out | (rng.random(block.n_rows) < self._share)
                piece_of = parts + n_parts * is_held_out
                order = np.argsort(piece_of, kind="stable")
                ends = np.cumsum(np.bincount(piece_of, minlength=2 * n_parts))
                for piece, rows in enumerate(np.split(order, ends[:-1])):
                    if len(rows):
                        held_out, part = divmod(piece, n_parts)
                        taken = block.take(rows)._replace(held_out=bool(held_out))
                        key = self._key_of_part[part]
                        yield extended(packed_block(part, number, taken), key=key, source=source)

    def _parts(self, block: SampleBlock, keys: Int64 | None, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the partition of each row, (n_rows,)."""
        n_partitions = len(self._key_of_part)
        if keys is None:
            if self._place is None:
                return rng.integers(n_partitions, size=block.n_rows)
            X = block.X
            lengths = np.diff(X.indptr)
            # A row that the sample did not have may be shorter.
            at = X.indptr[:-1] + np.minimum(self._place, lengths - 1)
            keys = np.where(lengths > 0, X.indices[np.where(lengths > 0, at, 0)], 0) if X.nnz else lengths
        mixed: NDArray[np.int64] = (mix(keys) % np.uint64(n_partitions)).astype(np.int64)
        return mixed


class _Mixer:
    """Joins the pieces of a partition, brings their rows into random order, and gives blocks of them."""

    def __init__(self, n_features: int, seed: int) -> None:
        self._n_features = n_features
        self._seed = seed

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        part, n_given = -1, 0
        waiting: dict[bool, list[SampleBlock]] = {False: [], True: []}
        for batch in batches:
            parts = set(batch.column("part").to_pylist())
            part = min(parts) if part < 0 and parts else part
            if parts - {part}:
                raise RuntimeError(
                    f"Spark sent rows of partitions {sorted({part, *parts})} to one task; please report this with the "
                    "version of Spark."
                )
            for block in unpacked([batch], self._n_features):
                waiting[block.held_out].append(block)
            for pieces in waiting.values():
                if sum(piece.n_rows for piece in pieces) >= MIXED_ROWS:
                    for mixed in self._mixed(part, n_given, pieces):
                        yield mixed
                        n_given += 1
                    pieces.clear()
        for pieces in waiting.values():
            for mixed in self._mixed(part, n_given, pieces):
                yield mixed
                n_given += 1

    def _mixed(self, part: int, n_given: int, pieces: list[SampleBlock]) -> Iterator[Any]:
        """Give the packed blocks of these pieces' rows, numbered from `n_given` on."""
        if not pieces:
            return
        whole = joined(pieces, self._n_features)
        order = permutation(whole.n_rows, np.random.default_rng([self._seed, part, n_given]))
        for number, start in enumerate(range(0, whole.n_rows, BLOCK_ROWS)):
            yield packed_block(part, n_given + number, whole.take(order[start : start + BLOCK_ROWS]))


def mix(keys: NDArray[Any]) -> NDArray[np.uint64]:
    """Return numbers, (n,), that are spread evenly where `keys` are not: the finalizer of SplitMix64.

    Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014).
    """
    x = keys.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def keys_by_partition(n_partitions: int) -> list[int]:
    """Return for each partition a number that Spark's ``repartition(n_partitions, "key")`` sends there.

    Spark takes the hash of an integer by MurmurHash3 of 32 bits with seed 42, modulo the number of partitions.
    """
    found: dict[int, int] = {}
    first = 0
    while len(found) < n_partitions:
        keys = np.arange(first, first + 4 * n_partitions, dtype=np.uint32)
        for key, part in zip(keys.tolist(), (_spark_hash(keys) % n_partitions).tolist(), strict=True):
            found.setdefault(part, key)
        first += len(keys)
    return [found[part] for part in range(n_partitions)]


def _spark_hash(keys: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return what Spark's `hash` gives for integers, (n,), as its signed numbers."""

    def rotated(x: NDArray[np.uint32], bits: int) -> NDArray[np.uint32]:
        return (x << np.uint32(bits)) | (x >> np.uint32(32 - bits))

    k = rotated(keys * np.uint32(0xCC9E2D51), 15) * np.uint32(0x1B873593)
    h = rotated(np.uint32(42) ^ k, 13) * np.uint32(5) + np.uint32(0xE6546B64)
    h ^= np.uint32(4)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return (h ^ (h >> np.uint32(16))).view(np.int32).astype(np.int64)
