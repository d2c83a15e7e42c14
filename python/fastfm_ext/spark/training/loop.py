"""Loop over epochs of rounds: workers train apart, what they learned is merged, and the driver says when to stop."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.row_problems import typical_loss
from fastfm_ext._estimators.streamed import EstimatorAsLearner, fixed_params
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.loop import History, Run, Schedule, run_epochs
from fastfm_ext._learning.merging import Merger
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.stream.batches import checksum
from fastfm_ext._validation.matrices import normalized
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext.spark.arrow import map_plain
from fastfm_ext.spark.packing import PackedSamples
from fastfm_ext.spark.training.checkpoint import Position, PositionStore
from fastfm_ext.spark.training.rounds import Contents, Rounds
from fastfm_ext.spark.training.sending import SentParameters
from fastfm_ext.spark.training.worker import (
    CONTENTS_SCHEMA,
    LEARNED_SCHEMA,
    VALIDATED_SCHEMA,
    LossOfPartition,
    RoundOfPartition,
    Task,
    contents_of,
    learned_in,
)

AnyRowEstimator = TypeVar("AnyRowEstimator", bound=Any)

# What workers have learned comes to the driver at once up to this, else one worker after the other.
MOST_BYTES_AT_ONCE = 1 << 28


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training that the estimator does not have.

    Attributes
    ----------
    n_epochs : int
        The most epochs.
    on_all : bool
        Train on the held-out rows, too, for all epochs, and validate on none.
    holds_out_others : bool
        Whether the held-out rows are no sample of those to train on: the user has named them.
    classes : ndarray of shape (n_classes,), or None
        For classification.
    n_rounds : int, optional
        Rounds of an epoch; chosen by the number of rows by default.
    checkpoint : str, optional
        A folder of any file system that Spark writes to, for the state after each epoch. A training of the same
        settings and rows goes on from there, and ends with the same bits as one that was never broken off.
    """

    n_epochs: int
    on_all: bool = False
    holds_out_others: bool = False
    classes: Any = None
    n_rounds: int | None = None
    checkpoint: str | None = None


def train(estimator: AnyRowEstimator, rows: PackedSamples, settings: TrainingSettings) -> AnyRowEstimator:
    """Return an estimator with these hyperparameters, trained on packed rows.

    With held-out rows, the best epoch's parameters are kept, and training ends when the loss no longer falls there;
    without, when the training loss no longer falls. The result depends on the rows, their partitions, the rounds and
    the seed alone: not on which task ran where, or how often.

    Parameters
    ----------
    estimator : RowEstimator
        Of one scorer; `n_iter_no_change`, `tol`, `n_jobs`, `shuffle`, `random_state` and the hyperparameters of the
        model and of the solver are its own.
    rows : PackedSamples
    settings : TrainingSettings

    Raises
    ------
    ValueError
        For a checkpoint of other settings or rows, or a damaged one; for `dtype` "float16", another `l2_exponent`
        than 1, and fields that are not those of the features.
    DivergenceError
        When a score stops being finite or the loss explodes, and there is no best epoch to fall back on.
    """
    model = copy.copy(estimator)
    model._check_params()
    if getattr(model, "dtype", "float32") != "float32":
        raise ValueError(f'Spark trains with dtype="float32"; got {model.dtype!r}.')
    if model.l2_exponent != 1.0:
        raise ValueError(f"Spark trains with l2_exponent=1.0, at which L2 needs no counts; got {model.l2_exponent!r}.")
    model.n_features_in_ = rows.n_features
    model._meet(None, is_first=True)
    training = _DriverLoop.begun(model, rows, settings)
    run = training.run()
    model._units.to_user(training.scorers)
    model._keep(training.scorers, run.history)
    run.raise_divergence()
    return model


@dataclass
class _DriverLoop:
    """The part of a training that the driver does.

    Attributes
    ----------
    task : Task
    rounds : Rounds
    to_train, held_out : DataFrame
        Packed rows; None where nothing is held out.
    first : Samples
        The rows that the units are from, for messages.
    scorers : list of Parameters
    features : ndarray of shape (n_touched,)
        Features that rows to train on have.
    started_from : Run
    checkpoints : PositionStore or None
    sends_much : bool
        Whether all that workers learn in a round is too much for the driver to hold at once.
    fixed : dict
        Settings that two runs with one checkpoint share.
    """

    task: Task
    rounds: Rounds
    to_train: Any
    held_out: Any
    first: Samples
    scorers: list[Parameters]
    features: NDArray[np.intp]
    sends_much: bool = False
    started_from: Run = field(default_factory=Run)
    checkpoints: PositionStore | None = None
    fixed: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def begun(cls, model: Any, rows: PackedSamples, settings: TrainingSettings) -> _DriverLoop:
        """Return a training at its beginning, or where the checkpoint stands; the model learns its units."""
        learner = EstimatorAsLearner(model, settings.classes, is_first=True)
        first = rows.first
        counted = CountedRows(normalized(first.X, model), first.labels, first.weights, None)
        samples = learner.learned_samples(counted, partial(_columns_in_double, first.X))
        checkpoints, position, fixed = None, None, {}
        if settings.checkpoint is not None:
            fixed = _fixed(model, rows, settings, samples)
            checkpoints = PositionStore(rows.frame.sparkSession, settings.checkpoint)
            position = checkpoints.read(fixed)
        seed = model._seed() if position is None else position.seed
        to_train = rows.frame if settings.on_all else rows.to_train
        contents = _contents(rows, to_train, settings)
        scorers = position.scorers if position is not None else _first_scorers(learner, samples, seed, contents)
        record_bytes = scorers[0].record_bytes
        schedule = Schedule(
            max_iter=settings.n_epochs,
            n_iter_no_change=settings.n_epochs if settings.on_all else model.n_iter_no_change,
            tol=model._units.loss(model.tol),
            n_threads=model.n_jobs or 1,
            shuffle=bool(model.shuffle),
        )
        guard = model._guard(typical_loss(model, scorers, samples.targets, samples.sample_weight, model._options()))
        validates = bool(rows.n_rows_of[:, 1].any()) and not settings.on_all
        offset = model._units.score_offset if settings.holds_out_others else 0.0
        return cls(
            task=Task(_without_fields(model), rows.n_features, model._options(), guard, schedule, seed, offset),
            rounds=Rounds.of(settings.n_rounds, contents, record_bytes, seed if schedule.shuffle else None),
            sends_much=len(contents.features) * record_bytes * rows.n_partitions > MOST_BYTES_AT_ONCE,
            to_train=to_train,
            held_out=rows.held_out if validates else None,
            first=samples,
            scorers=scorers,
            features=contents.features,
            started_from=Run() if position is None else position.run,
            checkpoints=checkpoints,
            fixed=fixed,
        )

    def run(self) -> Run:
        """Train to the end, and return what happened on the way."""
        schedule = self.task.schedule
        if self.checkpoints is not None:
            schedule = replace(schedule, report=self._write_checkpoint)
        validate = None if self.held_out is None else self._validate
        return run_epochs(self.scorers, self._run_epoch, validate, schedule, self.started_from)

    def _run_epoch(self, epoch: int) -> float:
        loss = weight = 0.0
        for number in range(self.rounds.n):
            of_round = self._run_round(epoch, number)
            loss, weight = loss + of_round[0], weight + of_round[1]
        self.task.guard.check(loss / weight, epoch, self.first)
        return loss / weight

    def _run_round(self, epoch: int, number: int) -> tuple[float, float]:
        """Let all workers train apart, and merge; return the sum of the loss, and of the rows' weights."""
        blocks = self.rounds.blocks_of(self.to_train, epoch, number)
        sent = SentParameters(self.to_train.sparkSession, self.scorers, self.features)
        (params,) = self.scorers
        merger = Merger(params, self.task.options)
        sums: dict[int, tuple[float, float]] = {}
        work = RoundOfPartition(self.task, sent, epoch, self.rounds.share(number))
        try:
            # Floating-point sums depend on their order: it is that of the partitions in each run.
            for row in _rows_in_order(map_plain(blocks, work, LEARNED_SCHEMA), self.sends_much):
                if row["fault"] is not None:
                    raise DivergenceError(row["fault"], epoch, self.task.guard.learning_rate)
                learned = learned_in(row, params)
                merger.add(learned)
                sums[row["part"]] = learned.rows.loss, learned.rows.weight
        finally:
            sent.forget()
        self.scorers[0] = merger.merged()
        return sum(loss for loss, _ in sums.values()), sum(weight for _, weight in sums.values())

    def _validate(self, epoch: int) -> float:
        """Return the mean loss of the held-out rows."""
        sent = SentParameters(self.held_out.sparkSession, self.scorers, self.features)
        try:
            table = map_plain(self.held_out, LossOfPartition(self.task, sent), VALIDATED_SCHEMA).toArrow()
        finally:
            sent.forget()
        parts = sorted(table.to_pylist(), key=lambda row: row["part"])
        loss = sum(row["loss"] for row in parts) / sum(row["weight"] for row in parts)
        if not np.isfinite(loss):
            raise self.task.guard.error("the validation loss became NaN or infinite", epoch, self.first)
        return float(loss)

    def _write_checkpoint(self, epoch: int, history: History) -> bool:
        assert self.checkpoints is not None
        self.checkpoints.write(Position(self.fixed, self.task.seed, self.started_from, self.scorers))
        return False


def _first_scorers(learner: EstimatorAsLearner, samples: Samples, seed: int, contents: Contents) -> list[Parameters]:
    """Return the parameters to begin with."""
    model, rng = learner.estimator, np.random.default_rng(seed)
    options, n_features = model._options(), samples.X.n_features
    all_rows = np.arange(samples.X.n_rows, dtype=np.int64)
    w0 = model._first_w0(samples.targets, samples.sample_weight, all_rows, options)
    return model._scorers_for(learner.call, options, n_features, w0, rng, contents.features, None, [])


def _without_fields(model: Any) -> Any:
    """Return a copy for workers, who find the fields of features beside the parameters."""
    model = copy.copy(model)
    if model._spec.has_fields:
        model.fields = model._field_map = None
    return model


def _fixed(model: Any, rows: PackedSamples, settings: TrainingSettings, first: Samples) -> dict[str, Any]:
    """Return by name what must be the same when a training is taken up again."""
    return fixed_params(model) | {
        "on_all": settings.on_all,
        "rounds": settings.n_rounds,
        "rows of each partition": rows.n_rows_of.tolist(),
        "first rows": checksum(first, first.X.n_rows),
    }


def _contents(rows: PackedSamples, to_train: Any, settings: TrainingSettings) -> Contents:
    """Return what the partitions hold, by one pass over them."""
    table = map_plain(to_train, partial(contents_of, n_features=rows.n_features), CONTENTS_SCHEMA).toArrow()
    blocks_of, nnz, has_rows = {}, 0, np.zeros(rows.n_features, dtype=bool)
    for row in table.to_pylist():
        blocks_of[row["part"]] = np.frombuffer(row["blocks"], dtype=np.int32).tolist()
        nnz += row["nnz"]
        has_rows[np.frombuffer(row["features"], dtype=np.int32)] = True
    n_rows_of = rows.n_rows_of.sum(axis=1) if settings.on_all else rows.n_rows_of[:, 0]
    return Contents(n_rows_of, blocks_of, nnz, np.flatnonzero(has_rows))


def _rows_in_order(learned: Any, one_by_one: bool) -> Iterator[dict[str, Any]]:
    """Give the rows of a frame of `LEARNED_SCHEMA` in the order of partitions and pieces, with bytes as buffers.

    One by one: all workers train first, at the same time, and leave their rows on disk.
    """
    import pyarrow as pa
    from pyspark import StorageLevel

    if one_by_one:
        learned = learned.persist(StorageLevel.DISK_ONLY)
        try:
            learned.count()
            yield from (row.asDict() for row in learned.toLocalIterator())
        finally:
            learned.unpersist()
        return
    table = learned.toArrow().sort_by([("part", "ascending"), ("piece", "ascending")])
    is_binary = {field.name: pa.types.is_binary(field.type) for field in table.schema}
    for batch in table.to_batches():
        for number in range(batch.num_rows):
            scalars = {name: batch.column(name)[number] for name in is_binary}
            yield {name: value.as_buffer() if is_binary[name] else value.as_py() for name, value in scalars.items()}


def _columns_in_double(X: Any, columns: Any) -> Any:
    import scipy.sparse as sp

    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    whole = sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))
    return whole[:, columns].toarray().astype(np.float64)
