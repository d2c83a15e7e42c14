"""Loop over epochs: each worker trains on its partition, and the parameters are averaged after each epoch."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from fastfm_ext._common.arrays import Int64
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.streamed import EstimatorAsLearner
from fastfm_ext._learning.divergence import DivergenceError
from fastfm_ext._learning.loop import Monitor, Run, Schedule, run_epochs
from fastfm_ext._validation.rows import CountedRows
from fastfm_ext.spark.packing import PackedSamples
from fastfm_ext.spark.training.worker import (
    LEARNED_SCHEMA,
    VALIDATED_SCHEMA,
    EpochOfPartition,
    LossOfPartition,
    Task,
    counts_of,
)

Trained = TypeVar("Trained", bound=Any)


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training that the estimator does not have.

    Attributes
    ----------
    n_epochs : int
        The most epochs.
    on_all : bool
        Train on the held-out rows, too, for all epochs, and validate on none.
    classes : ndarray of shape (n_classes,), or None
        For classification.
    """

    n_epochs: int
    on_all: bool = False
    classes: Any = None


def train(estimator: Trained, rows: PackedSamples, settings: TrainingSettings) -> Trained:
    """Return an estimator with these hyperparameters, trained on packed rows.

    With held-out rows, the best epoch's parameters are kept, and training ends when the loss no longer falls there;
    without, when the training loss no longer falls.

    Parameters
    ----------
    estimator : RowEstimator
        Of one scorer; `n_iter_no_change`, `tol`, `n_jobs`, `shuffle`, `random_state` and the hyperparameters of the
        model and of the solver are its own.
    rows : PackedSamples
    settings : TrainingSettings

    Raises
    ------
    DivergenceError
        When a score stops being finite or the loss explodes, and there is no best epoch to fall back on.
    """
    model = copy.copy(estimator)
    model._check_params()
    model.n_features_in_ = rows.n_features
    validates = bool(rows.n_rows_of[:, 1].any()) and not settings.on_all
    learner = EstimatorAsLearner(model, settings.classes, is_first=True)
    first = rows.first
    samples = learner.learned_samples(
        CountedRows(first.X, first.labels, first.weights, None), partial(_columns_in_double, first.X)
    )
    options, seed = model._options(), model._seed()
    targets, weight = samples.targets, samples.sample_weight
    w0 = model._first_w0(targets, weight, np.arange(samples.X.n_rows, dtype=np.int64), options)
    frame = rows.frame if settings.on_all else rows.to_train
    counts = _counts(frame, rows.n_features)
    rng = np.random.default_rng(seed)
    scorers = model._scorers_for(learner.call, options, rows.n_features, w0, rng, np.flatnonzero(counts), None, [])
    schedule = Schedule(
        max_iter=settings.n_epochs,
        n_iter_no_change=settings.n_epochs if settings.on_all else model.n_iter_no_change,
        tol=model._units.loss(model.tol),
        n_threads=model.n_jobs or 1,
        shuffle=bool(model.shuffle),
    )
    guard = model._guard(model._typical_loss(scorers, targets, weight, options))
    task = Task(model, rows.n_features, options, guard, schedule, seed, settings.on_all)
    run_epoch = partial(_run_epoch, task, frame, scorers)
    validate = partial(_validate, task, rows.held_out, scorers) if validates else None
    run = run_epochs(scorers, run_epoch, validate, schedule, Run(monitor=Monitor()))
    model._units.to_user(scorers)
    model._keep(scorers, run.history)
    run.raise_divergence()
    return model


def _columns_in_double(X: Any, columns: Any) -> Any:
    import scipy.sparse as sp

    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    whole = sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))
    return whole[:, columns].toarray().astype(np.float64)


def _counts(frame: Any, n_features: int) -> Int64:
    """Return the number of rows of each feature, (n_features,)."""
    counts = np.zeros(n_features, dtype=np.int64)
    for row in frame.mapInArrow(partial(counts_of, n_features=n_features), "counts binary").collect():
        counts += np.frombuffer(row["counts"], dtype=np.int64)
    return counts


def _run_epoch(task: Task, frame: Any, scorers: list[Parameters], epoch: int) -> float:
    """Train all workers for an epoch, and merge: each feature's change weighs as often as the worker met it."""
    learned = frame.mapInArrow(EpochOfPartition(task, scorers, epoch), LEARNED_SCHEMA).collect()
    for row in learned:
        if row["fault"]:
            raise DivergenceError(row["fault"], epoch, task.guard.learning_rate)
    params = scorers[0]
    before = params.copy()
    weight = sum(row["weight"] for row in learned)
    met = np.zeros(task.n_features, dtype=np.int64)
    for row in learned:
        met[np.frombuffer(row["features"], dtype=np.int32)] += np.frombuffer(row["counts"], dtype=np.int64)
    for row in learned:
        features = np.frombuffer(row["features"], dtype=np.int32)
        share = (np.frombuffer(row["counts"], dtype=np.int64) / met[features]).astype(np.float32)[:, None, None]
        for name, records in params.tables.items():
            change = np.frombuffer(row[name], dtype=np.float32)
            if name == "w0":
                records += np.float32(row["weight"] / weight) * (change.reshape(records.shape) - before.tables[name])
            else:
                change = change.reshape(len(features), *records.shape[1:])
                records[features] += share * (change - before.tables[name][features])
    loss = float(sum(row["loss"] for row in learned) / weight)
    task.guard.check(loss, epoch, _Unknown())
    return loss


class _Unknown:
    """Data of which the driver has seen too little to describe it."""

    largest = (float("nan"), 1.0)


def _validate(task: Task, frame: Any, scorers: list[Parameters], epoch: int) -> float:
    """Return the mean loss of the held-out rows."""
    rows = frame.mapInArrow(LossOfPartition(task, scorers), VALIDATED_SCHEMA).collect()
    loss = float(sum(row["loss"] for row in rows) / sum(row["weight"] for row in rows))
    if not np.isfinite(loss):
        raise task.guard.error("the validation loss became NaN or infinite", epoch, _Unknown())
    return loss
