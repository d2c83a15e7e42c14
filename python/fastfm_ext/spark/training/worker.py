"""Worker of a training: an epoch over the blocks of one partition, from the parameters that all workers start from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.csr import Csr, permutation
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import DivergenceError, Guard
from fastfm_ext._learning.loop import Schedule
from fastfm_ext._learning.mean_loss import mean_loss
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.solvers.descent import ShuffledRows, descend
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext.spark.packing import SampleBlock, joined, unpacked

# Columns of what a worker has learned in an epoch; binary ones are arrays in the machine's byte order.
#   features  int32 (n_touched,): the features that its rows have
#   counts    int64 (n_touched,): in how many of them
#   w0, w, V  float32: the records of `Parameters`, of w and V those of these features
#   loss      the sum of the loss over its rows, each before its own step
#   weight    the sum of their weights
#   fault     why training diverged, else null
LEARNED_SCHEMA = (
    "part int, features binary, counts binary, w0 binary, w binary, V binary, loss double, weight double, fault string"
)
VALIDATED_SCHEMA = "loss double, weight double"


@dataclass(frozen=True)
class Task:
    """What workers know of a training.

    Attributes
    ----------
    estimator : RowEstimator
        Not fitted yet, but with its units.
    n_features : int
    options : Options
    guard : Guard
    schedule : Schedule
    seed : int
    on_all : bool
        Whether to train on the rows that are held out, too.
    """

    estimator: Any
    n_features: int
    options: Options
    guard: Guard
    schedule: Schedule
    seed: int
    on_all: bool

    def samples(self, block: SampleBlock) -> Samples:
        """Return the samples of a block in the units of training."""
        estimator = self.estimator
        units = estimator._units
        rows = CountedRows(centered(block.X, units.centers), block.labels, block.weights, None)
        rows = estimator._take_in(rows, is_batch=True)
        samples: Samples = units.samples(rows, estimator._encode_target(rows.y, "y"))
        return samples


def centered(X: Csr, centers: Any) -> Csr:
    """Return X, (n_rows, n_features), less the centers of its columns."""
    if not len(centers) or not X.n_rows:
        return X
    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    whole = sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))
    values = whole[:, centers.columns].toarray().astype(np.float64)
    shifted: Csr = centers.apply(X, values)
    return shifted


def counts_of(batches: Iterable[Any], n_features: int) -> Iterator[Any]:
    """Give the number of rows of each feature in a partition, as one row of ``counts binary``."""
    import pyarrow as pa

    counts = np.zeros(n_features, dtype=np.int64)
    for block in unpacked(batches, n_features):
        counts += np.bincount(block.X.indices, minlength=n_features)
    yield pa.record_batch([pa.array([counts.tobytes()])], names=["counts"])


@dataclass(frozen=True)
class EpochOfPartition:
    """An epoch over the blocks of one partition, for `mapInArrow`."""

    task: Task
    scorers: list[Parameters]
    epoch: int

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give one row of `LEARNED_SCHEMA`; none where the partition has no rows."""
        import pyarrow as pa

        task = self.task
        pieces, part = [], 0
        for batch in batches:
            part = batch.column("part")[0].as_py() if batch.num_rows else part
            pieces += [block._replace(held_out=False) for block in unpacked([batch], task.n_features)]
        block = joined(pieces, task.n_features)
        if not block.n_rows:
            return
        samples = task.samples(block)
        rng = np.random.default_rng([task.seed, self.epoch, part])
        order = permutation(samples.X.n_rows, rng) if task.schedule.shuffle else np.arange(samples.X.n_rows)
        scorers = [params.copy() for params in self.scorers]
        schedule = replace(task.schedule, max_iter=1)
        visits = ShuffledRows(samples, order, scorers[0].record_bytes, schedule, rng)
        loss, fault = 0.0, None
        try:
            loss = descend(self.epoch, scorers, visits, task.options, schedule.n_threads, task.guard)
        except DivergenceError as error:
            fault = str(error)
        features = _engine.features_in(samples.X, np.zeros(0, dtype=np.intp))
        counts = np.bincount(samples.X.indices, minlength=task.n_features)[features]
        learned = scorers[0].part(features)
        values = {
            "part": part,
            "features": features.astype(np.int32).tobytes(),
            "counts": counts.astype(np.int64).tobytes(),
            **{name: records.tobytes() for name, records in learned.items()},
            "loss": loss * visits.total_weight,
            "weight": visits.total_weight,
            "fault": fault,
        }
        types = [pa.int32(), *[pa.binary()] * 5, pa.float64(), pa.float64(), pa.string()]
        arrays = [pa.array([value], type=kind) for value, kind in zip(values.values(), types, strict=True)]
        yield pa.record_batch(arrays, names=list(values))


@dataclass(frozen=True)
class LossOfPartition:
    """The loss over the held-out blocks of one partition, for `mapInArrow`."""

    task: Task
    scorers: list[Parameters]

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give one row of `VALIDATED_SCHEMA`."""
        import pyarrow as pa

        task, loss, weight = self.task, 0.0, 0.0
        for block in unpacked(batches, task.n_features):
            samples = task.samples(block)
            of_block = samples.total_weight()
            of_loss = task.estimator._loss
            mean = mean_loss(self.scorers, samples, of_loss, task.options.delta, task.schedule.n_threads)
            loss += mean * of_block
            weight += of_block
        yield pa.record_batch([pa.array([loss]), pa.array([weight])], names=["loss", "weight"])
