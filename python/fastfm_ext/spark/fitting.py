"""Fit of an estimator of this package on a Spark DataFrame: read, hold out, train, and give back what was held out."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from fastfm_ext.spark.packing import SampleBlock
from fastfm_ext.spark.partitions import PackedSource, Partitioning, packed_source, partitioned
from fastfm_ext.spark.reading import LabelRule, SourceColumns, size_of_vectors
from fastfm_ext.spark.training import TrainingSettings, train

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# From so many rows on, "auto" holds some out, as on one machine.
LEAST_ROWS_TO_HOLD_OUT = 10_000
# So few are trained on where the driver is: an epoch takes less time than Spark takes to start the rounds of one. They
# take up to 160 MB there.
MOST_ROWS_OF_DRIVER = 1 << 21
MOST_VALUES_OF_DRIVER = 1 << 24


class FitRequest(NamedTuple):
    """What to fit on.

    Attributes
    ----------
    columns : SourceColumns
    n_classes : int
        0 for regression.
    n_workers : int, optional
        Default: as many as tasks run at once, and the driver alone for a few rows without checkpoints.
    n_rounds : int, optional
        Rounds of an epoch. Default: by the number of rows.
    checkpoint : str, optional
        Folder of checkpoints; workers train, then, whatever the number of rows.
    """

    columns: SourceColumns
    n_classes: int
    n_workers: int | None = None
    n_rounds: int | None = None
    checkpoint: str | None = None


def fit(estimator: Any, frame: DataFrame, request: FitRequest) -> Any:
    """Return a fitted copy of an estimator.

    Parameters
    ----------
    estimator : FMRegressor or FMClassifier
    frame : DataFrame
    request : FitRequest

    Raises
    ------
    ValueError
        For columns that are not there or of another type, where no row is of positive weight, and for a solver that
        cannot train in workers.
    pyspark.errors.PythonException
        For a row that cannot be trained on; the message names it.
    DivergenceError
        When training diverges.
    """
    n_features = size_of_vectors(frame, request.columns.features)
    source = packed_source(frame, request.columns, n_features, LabelRule(request.n_classes))
    try:
        if request.n_workers is None and request.checkpoint is None and _is_small(source):
            return _fit_at_driver(estimator, source, request)
        if not estimator._solver.trains_on_batches:
            raise ValueError(
                f"solver={estimator.solver!r} needs all rows in one place, and workers have some each. Choose another "
                "solver; or leave out numWorkers and checkpoint, if the rows are few enough for the driver."
            )
        partitioning = Partitioning(request.n_workers, _share_to_hold_out(estimator, source), estimator.random_state)
        packed = partitioned(source, partitioning)
    finally:
        source.unpersist()
    settings = TrainingSettings(
        estimator.max_iter,
        holds_out_others=bool(source.n_held_out),
        classes=_classes(request),
        n_rounds=request.n_rounds,
        checkpoint=request.checkpoint,
    )
    try:
        model = train(estimator, packed, settings)
        if partitioning.share_held_out and estimator.refit:
            folder = None if request.checkpoint is None else f"{request.checkpoint}/refit"
            whole = train(
                estimator, packed, replace(settings, n_epochs=model.best_epoch_, on_all=True, checkpoint=folder)
            )
            whole.history_, whole.n_iter_, whole.best_epoch_ = model.history_, model.n_iter_, model.best_epoch_
            model = whole
    finally:
        packed.unpersist()
    if not request.n_classes:
        model.target_range_ = np.array(source.label_range)
    return model


def _classes(request: FitRequest) -> Any:
    return np.arange(request.n_classes, dtype=np.float64) if request.n_classes else None


def _is_small(source: PackedSource) -> bool:
    return source.n_rows + source.n_held_out <= MOST_ROWS_OF_DRIVER and source.nnz <= MOST_VALUES_OF_DRIVER


def _share_to_hold_out(estimator: Any, source: PackedSource) -> float:
    """Return the share of the rows to hold out; none where the user names some."""
    if source.n_held_out or estimator.early_stopping is False:
        return 0.0
    holds_out = estimator.early_stopping is True or source.n_rows >= LEAST_ROWS_TO_HOLD_OUT
    return float(estimator.validation_fraction) if holds_out else 0.0


def _fit_at_driver(estimator: Any, source: PackedSource, request: FitRequest) -> Any:
    """Return the estimator fitted by its own `fit`."""
    rows, held_out = source.collected()
    model = copy.copy(estimator)
    if request.n_classes and rows.labels.min() == rows.labels.max():
        # fit learns the classes from the labels, and partial_fit is told them.
        return _fit_one_class(model, rows, request)
    validation = {}
    if held_out.n_rows:
        validation = {"X_val": _matrix(held_out), "y_val": held_out.labels, "sample_weight_val": held_out.weights}
    return model.fit(_matrix(rows), rows.labels, rows.weights, **validation)


def _fit_one_class(model: Any, rows: SampleBlock, request: FitRequest) -> Any:
    """Return a model of rows that are all of one class, which has no validation that could tell epochs apart."""
    X = _matrix(rows)
    for _ in range(model.max_iter):
        model.partial_fit(X, rows.labels, _classes(request), rows.weights)
    return model


def _matrix(block: SampleBlock) -> sp.csr_array:
    X = block.X
    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    return sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))
