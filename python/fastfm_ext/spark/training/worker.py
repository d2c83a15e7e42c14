"""Worker of a training: a round over the blocks of one partition, from the parameters that all workers start from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext._common.arrays import Float32, Int64
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import permutation
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.divergence import DivergenceError, Guard
from fastfm_ext._learning.loop import Schedule
from fastfm_ext._learning.mean_loss import mean_loss
from fastfm_ext._learning.merging import Learned, RowsLearned, growth_of_squares
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.solvers.descent import ShuffledRows, descend
from fastfm_ext._validation.matrices import normalized
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext.spark.packing import SampleBlock, unpacked
from fastfm_ext.spark.training.rounds import Share
from fastfm_ext.spark.training.sending import SentParameters

# Columns of what a worker has learned in a round; binary ones are arrays in the machine's byte order.
#   part      the partition
#   piece     its number, from 0: features come in pieces of about `_PIECE` bytes
#   features  int32 (n_touched,): features that its rows have
#   visits    float32 (n_touched,): the sum of the weights of their rows
#   w0, w, V, R  float32: the records of `Parameters`, of w and V those of these features; w0 and R in the first piece
#             only, and R null without it
#   rows      `RowsLearned` as JSON
#   fault     why training diverged, else null
LEARNED_SCHEMA = (
    "part int, piece int, features binary, visits binary, w0 binary, w binary, V binary, R binary, rows string, "
    "fault string"
)
VALIDATED_SCHEMA = "part int, loss double, weight double"
CONTENTS_SCHEMA = "part int, nnz bigint, blocks binary, features binary"
_PIECE = 1 << 24


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
    held_out_offset : float
        What is added to the scores of held-out rows.
    """

    estimator: Any
    n_features: int
    options: Options
    guard: Guard
    schedule: Schedule
    seed: int
    held_out_offset: float = 0.0

    def samples(self, block: SampleBlock) -> Samples:
        """Return the samples of a block in the units of training."""
        estimator = self.estimator
        units = estimator._units
        rows = CountedRows(centered(normalized(block.X, estimator), units.centers), block.labels, block.weights, None)
        rows = estimator._take_in(rows, is_batch=True)
        samples: Samples = units.samples(rows, estimator._encode_target(rows.y, "y"))
        return samples

    def order(self, n_rows: int, epoch: int, part: int, number: int) -> Int64:
        """Return the order of a block's rows in an epoch."""
        if not self.schedule.shuffle:
            return np.arange(n_rows, dtype=np.int64)
        return permutation(n_rows, np.random.default_rng([self.seed, epoch, part, number]))


def centered(X: Csr, centers: Any) -> Csr:
    """Return X, (n_rows, n_features), less the centers of its columns."""
    if not len(centers) or not X.n_rows:
        return X
    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    whole = sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))
    values = whole[:, centers.columns].toarray().astype(np.float64)
    shifted: Csr = centers.apply(X, values)
    return shifted


def blocks_in(batches: Iterable[Any], n_features: int) -> Iterator[tuple[int, int, SampleBlock]]:
    """Give the partition, the number and the samples of each block in Arrow batches of packed rows."""
    for batch in batches:
        parts, numbers = batch.column("part").to_pylist(), batch.column("block").to_pylist()
        yield from zip(parts, numbers, unpacked([batch], n_features), strict=True)


def contents_of(batches: Iterable[Any], n_features: int) -> Iterator[Any]:
    """Give the blocks of a partition and the features that its rows have, as one row of `CONTENTS_SCHEMA`."""
    import pyarrow as pa

    has_rows = np.zeros(n_features, dtype=bool)
    part, nnz, blocks = -1, 0, []
    for part, number, block in blocks_in(batches, n_features):  # noqa: B007
        blocks.append(number)
        nnz += block.X.nnz
        has_rows[block.X.indices] = True
    if blocks:
        arrays = np.array(blocks, dtype=np.int32), np.flatnonzero(has_rows).astype(np.int32)
        columns = [pa.array([part], pa.int32()), pa.array([nnz]), *(pa.array([array.tobytes()]) for array in arrays)]
        yield pa.record_batch(columns, names=["part", "nnz", "blocks", "features"])


@dataclass(frozen=True)
class RoundOfPartition:
    """A round over the blocks of one partition, for `mapInArrow`: the same rows and parameters give the same result."""

    task: Task
    sent: SentParameters
    epoch: int
    share: Share

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give rows of `LEARNED_SCHEMA`; none where the partition has no rows."""
        (before,) = self.sent.scorers
        progress = _Progress(self.task, before)
        part = -1
        for part, number, block in blocks_in(batches, self.task.n_features):
            rows = self.share.of(self.task.order(block.n_rows, self.epoch, part, number))
            if not len(rows):
                continue
            try:
                progress.train(self.epoch, self.task.samples(block.take(rows)))
            except DivergenceError as error:
                yield _row(part, 0, None, str(error))
                return
        if progress.n_rows:
            for piece, learned in enumerate(progress.learned()):
                yield _row(part, piece, learned, None)


class _Progress:
    """Training of one worker in a round, block by block."""

    def __init__(self, task: Task, before: Parameters) -> None:
        self._task = task
        self._before = before
        self._params = before.copy()
        self._visits = np.zeros(task.n_features, dtype=np.float32)
        self._sums = np.zeros(4)
        self.n_rows = 0

    def train(self, epoch: int, samples: Samples) -> None:
        """Take a step on each of these samples.

        Raises
        ------
        DivergenceError
        """
        task, X = self._task, samples.X
        schedule = replace(task.schedule, max_iter=1)
        order, rng = np.arange(X.n_rows, dtype=np.int64), np.random.default_rng(0)
        visits = ShuffledRows(samples, order, self._params.record, schedule, rng)
        loss = descend(epoch, [self._params], visits, task.options, schedule.n_threads, task.guard)
        weight = samples.sample_weight
        squared_weight = X.n_rows if weight is None else float(np.square(weight, dtype=np.float64).sum())
        squared_norm = X.nnz if X.data is None else float(np.square(X.data, dtype=np.float64).sum())
        self._sums += [loss * visits.total_weight, visits.total_weight, squared_weight, squared_norm]
        self._count(X, weight)
        self.n_rows += X.n_rows

    def _count(self, X: Csr, weight: Float32 | None) -> None:
        """Add to the visits of the features of these rows."""
        weights = None if weight is None else np.repeat(weight, np.diff(X.indptr))
        if X.nnz > X.n_features:
            self._visits += np.bincount(X.indices, weights, X.n_features).astype(np.float32)
        else:
            np.add.at(self._visits, X.indices, np.float32(1.0) if weights is None else weights)

    def learned(self) -> Iterator[Learned]:
        """Give what has been learned, in pieces."""
        features = np.flatnonzero(self._visits).astype(np.int32)  # rows have positive weights
        records = self._params.part(features.astype(np.intp))
        growth = growth_of_squares(self._before, records, features, self._task.options)
        loss, weight, squared_weight, squared_norm = self._sums.tolist()
        rows = RowsLearned(loss, weight, squared_weight, squared_norm / self.n_rows, growth)
        n_at_once = max(1, _PIECE // self._params.record_bytes)
        for first in range(0, max(len(features), 1), n_at_once):
            some = slice(first, first + n_at_once)
            of_features = {spec.name: records[spec.name][some] for spec in self._params.specs if spec.per_feature}
            others = {name: values for name, values in records.items() if name not in of_features and first == 0}
            yield Learned(features[some], self._visits[features[some]], of_features | others, rows)


def _row(part: int, piece: int, learned: Learned | None, fault: str | None) -> Any:
    """Return one row of `LEARNED_SCHEMA`."""
    import pyarrow as pa

    binary: dict[str, Any] = dict.fromkeys(("features", "visits", "w0", "w", "V", "R"))
    rows = None
    if learned is not None:
        arrays = {"features": learned.features, "visits": learned.visits, **learned.records}
        binary |= {name: np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for name, array in arrays.items()}
        rows = json.dumps(asdict(learned.rows))
    columns = {
        "part": pa.array([part], pa.int32()),
        "piece": pa.array([piece], pa.int32()),
        **{name: pa.array([value], pa.binary()) for name, value in binary.items()},
        "rows": pa.array([rows], pa.string()),
        "fault": pa.array([fault], pa.string()),
    }
    return pa.record_batch(list(columns.values()), names=list(columns))


def learned_in(row: dict[str, Any], params: Parameters) -> Learned:
    """Undo `_row`, for a row of a table whose binary values are buffers; ``params`` have the shapes."""
    features = np.frombuffer(row["features"], dtype=np.int32)
    records = {
        spec.name: np.frombuffer(row[spec.name], dtype=np.float32).reshape(-1, *params.tables[spec.name].shape[1:])
        for spec in params.specs
        if row[spec.name] is not None
    }
    visits = np.frombuffer(row["visits"], dtype=np.float32)
    return Learned(features, visits, records, RowsLearned(**json.loads(row["rows"])))


@dataclass(frozen=True)
class LossOfPartition:
    """The loss over the held-out blocks of one partition, for `mapInArrow`."""

    task: Task
    sent: SentParameters

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give one row of `VALIDATED_SCHEMA`; none where the partition has no rows."""
        import pyarrow as pa

        task, loss, weight, part = self.task, 0.0, 0.0, -1
        for part, _, block in blocks_in(batches, task.n_features):  # noqa: B007
            samples = task.samples(block)
            of_block, of_loss, delta = samples.total_weight(), task.estimator._loss, task.options.delta
            n_threads, offset = task.schedule.n_threads, task.held_out_offset
            mean = mean_loss(self.sent.scorers, samples, of_loss, delta, n_threads, offset)
            loss += mean * of_block
            weight += of_block
        if part >= 0:
            columns = [pa.array([part], pa.int32()), pa.array([loss]), pa.array([weight])]
            yield pa.record_batch(columns, names=["part", "loss", "weight"])
