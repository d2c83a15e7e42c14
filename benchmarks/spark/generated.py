"""Ten million made-up rows of 22 fields: an epoch on Spark, one of a stream on one machine, and Spark's own share."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

import fastfm_ext
from fastfm_ext._engine.csr import Csr
from fastfm_ext.spark.packing import BLOCK_ROWS, PACKED_SCHEMA, PackedSamples, SampleBlock, packed_block
from fastfm_ext.spark.training import TrainingSettings, train

from .session import session

N_FIELDS = 22


def run(options: Any) -> None:
    """Print the seconds of an epoch of each, in turn."""
    n_blocks = -(-options.rows // BLOCK_ROWS)
    spark = session(memory=options.memory)
    packed = generated(spark, n_blocks, options.values, options.partitions[0])
    n_rows = int(packed.n_rows_of.sum())
    print(f"{n_rows} rows, {packed.n_features} features, {packed.n_partitions} partitions", flush=True)
    estimator = fastfm_ext.FMClassifier(random_state=0, early_stopping=False)
    classes = np.array([0.0, 1.0])
    ((X, y),) = batches(range(n_blocks, n_blocks + 1), options.values)
    for _ in range(options.times):
        started = time.perf_counter()
        packed.frame.mapInArrow(drained, "n bigint").toArrow()
        empty = time.perf_counter() - started
        settings = TrainingSettings(options.epochs, classes=classes, n_rounds=options.rounds)
        on_spark = train(estimator, packed, settings)
        with tempfile.TemporaryDirectory() as cache:
            alone = fastfm_ext.FMClassifier(random_state=0)
            alone.fit_stream(
                lambda: batches(range(n_blocks), options.values), options.epochs, classes=classes, cache=cache
            )
        ours, stream = (float(np.median(history["seconds"][1:])) for history in (on_spark.history_, alone.history_))
        print(
            f"epoch on Spark {ours:.2f} s, stream on one machine {stream:.2f} s, ratio {ours / stream:.2f}; "
            f"an empty pass over the packed rows {empty:.2f} s; "
            f"log loss of other rows {log_loss(on_spark, X, y):.4f} and {log_loss(alone, X, y):.4f}",
            flush=True,
        )


def block_of(number: int, n_values: int) -> SampleBlock:
    """Return made-up clicks: ids by a power law, and labels that depend on pairs of them."""
    rng = np.random.default_rng([7, number])
    ids = (n_values * rng.random((BLOCK_ROWS, N_FIELDS)) ** 4).astype(np.int32)
    features = ids + n_values * np.arange(N_FIELDS, dtype=np.int32)
    tastes = np.sin(ids.astype(np.float32) * (1 + np.arange(N_FIELDS, dtype=np.float32)))
    scores = tastes[:, 0] * tastes[:, 1] + tastes[:, 2] * tastes[:, 3] + 0.5 * tastes[:, 4] - 1.0
    labels = (rng.random(BLOCK_ROWS) < 1 / (1 + np.exp(-scores))).astype(np.float64)
    indptr = np.arange(0, BLOCK_ROWS * N_FIELDS + 1, N_FIELDS, dtype=np.int64)
    return SampleBlock(Csr(indptr, features.ravel(), None, N_FIELDS * n_values), labels, None)


def log_loss(model: Any, X: Any, y: Any) -> float:
    """Return the mean log loss of a model on rows, (n_rows, n_features)."""
    positive = model.predict_proba(X)[:, 1]
    return float(-np.log(np.where(y > 0, positive, 1 - positive)).mean())


def batches(numbers: Iterable[int], n_values: int) -> Iterator[tuple[Any, Any]]:
    """Give the rows as batches of a stream."""
    for number in numbers:
        block = block_of(number, n_values)
        X = block.X
        data = np.ones(X.nnz, dtype=np.float32)
        yield sp.csr_matrix((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features)), block.labels


def generated(spark: Any, n_blocks: int, n_values: int, n_partitions: int) -> PackedSamples:
    """Return the rows, made in the workers and kept by Spark."""
    from pyspark import StorageLevel

    def make(numbers: Iterable[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        part, made = TaskContext.get().partitionId(), 0
        for batch in numbers:
            for number in batch.column("id").to_pylist():
                yield packed_block(part, made, block_of(number, n_values))
                made += 1

    ids = spark.range(0, n_blocks, 1, n_partitions)
    frame = ids.mapInArrow(make, PACKED_SCHEMA).persist(StorageLevel.MEMORY_AND_DISK)
    counts = dict(frame.groupBy("part").sum("n_rows").collect())
    n_rows_of = np.array([[counts[part], 0] for part in range(n_partitions)], dtype=np.int64)
    return PackedSamples(frame, N_FIELDS * n_values, n_partitions, n_rows_of, (0.0, 1.0), block_of(0, n_values))


def drained(batches: Iterable[Any]) -> Iterator[Any]:
    """Read all blocks, and do nothing with them."""
    import pyarrow as pa

    n = 0
    for batch in batches:
        n += sum(len(value.as_buffer()) for value in batch.column("indices"))
    yield pa.record_batch([pa.array([n])], names=["n"])
