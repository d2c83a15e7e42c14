"""Job of ``fastfm-ext fit --stream``: training on files larger than memory, and the model file."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._common.extras import require
from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.training import (
    chosen_columns,
    distinct_items,
    files_of,
    finish,
    new_model,
    say_nothing,
    trained,
)
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.fm.classifier import FMClassifier
from fastfm_ext.streaming.tables import CsvSource, ParquetSource
from fastfm_ext.streaming.text import LibffmSource, LibsvmSource

Batches = Iterator[tuple[Any, ...]]


class _TargetsSeen:
    """Different targets: all of a classification, and of a regression enough to tell that it is one."""

    def __init__(self, task: str | None) -> None:
        self._task = task
        self.values: NDArray[Any] = np.empty(0)

    def add(self, y: NDArray[Any]) -> None:
        known = self.values
        is_number = y.dtype.kind in "biuf"
        # The first ones tell whether there are numbers, and two whether they are classes.
        enough = {"regression": 0, "classification": None, None: 2}[self._task]
        if is_number and enough is not None and len(known) > enough:
            return
        self.values = np.unique(np.concatenate([known, np.unique(y)]) if len(known) else y)


class _TextStream:
    """Rows of libsvm and libffm text, without features that the training rows lack.

    The training rows are read once for their number and features, and then by `train` for each epoch.
    """

    encoder: FMEncoder | None = None
    items: Any = None

    def __init__(self, file: DataFile, targets: _TargetsSeen) -> None:
        source = LibffmSource if file.form == "libffm" else LibsvmSource
        self.n_rows = self.n_features = 0
        for X, y, *_ in source(file.path, n_features=MAX_INT32, zero_based=True):
            targets.add(y)
            self.n_rows += len(y)
            self.n_features = max(self.n_features, 1 + int(X.indices.max(initial=-1)))
        self.train = source(file.path, n_features=self.n_features, zero_based=True)
        self.train.n_rows = self.n_rows

    def batches(self, file: DataFile) -> Batches:
        for rows, _ in file.iter_rows(self.n_features):
            yield rows.X, rows.y


class _TableStream:
    """Rows of tables, encoded by an encoder of the training rows.

    The training rows are read once for their number, features and items, and then by `train` for each epoch. The first
    table is read before that, for the columns and their types.
    """

    def __init__(self, file: DataFile, targets: _TargetsSeen, columns: TableColumns) -> None:
        self._columns, self._types = columns, dict[str, Any]()
        tables = self._source(file, None).tables()
        first = next(tables, None)
        if first is None:
            raise ValueError(f"{file.path}: there are no rows in it")
        if file.form != "parquet":
            self._types = _fixed_types(first.schema)
            first = next(self._source(file, None).tables())
        self._columns = columns.filled_in(first.to_pandas(), str(file.path))
        self.encoder = self._columns.encoder()
        self.n_rows = 0
        self.items: Any = None
        for table in self._source(file, None).tables():
            self._learn(table, targets, str(file.path))
        self.n_features = self.encoder.n_features_out_
        self.train = self._source(file, self.encoder)
        self.train.n_rows = self.n_rows

    def _learn(self, table: Any, targets: _TargetsSeen, name: str) -> None:
        """Add the rows of a table to the encoder, the targets and the items."""
        target = table.column(self._columns.target)
        if target.null_count:
            row = self.n_rows + int(target.is_null().to_numpy(zero_copy_only=False).argmax())
            raise ValueError(f"{name}: the target {self._columns.target!r} is missing in data row {row + 1}")
        targets.add(target.to_numpy())
        self.encoder.partial_fit(table)
        self.n_rows += len(table)
        if self._columns.item:
            pd = require("pandas", "pandas")
            items = table.select(self._columns.item_names).to_pandas()
            items = items if self.items is None else pd.concat([self.items, items], ignore_index=True)
            self.items = distinct_items(items, self._columns)

    def batches(self, file: DataFile) -> Batches:
        for X, y, *weight in self._source(file, self.encoder):
            yield X, y, *weight[:1]

    def _source(self, file: DataFile, encoder: FMEncoder | None) -> ParquetSource | CsvSource:
        options: dict[str, Any] = {"target": self._columns.target or "", "sample_weight": self._columns.weight}
        if file.form == "parquet":
            return ParquetSource(file.path, encoder, **options)
        delimiter = "\t" if file.form == "tsv" else ","
        # Missing text as in pandas, which `predict` uses, so that the encoder sees the same values.
        return CsvSource(file.path, encoder, **options, types=self._types, delimiter=delimiter, missing_text=True)


def _fixed_types(schema: Any) -> dict[str, Any]:
    """Return the types of a table's columns, with text for dates as in pandas, without columns that are all missing."""
    types = require("pyarrow", "arrow").types
    text = require("pyarrow", "arrow").string()
    known = {field.name: field.type for field in schema if not types.is_null(field.type)}
    return {name: text if types.is_temporal(type_) else type_ for name, type_ in known.items()}


def run(settings: FitSettings) -> None:
    """Do the whole job, printing as it goes."""
    assert settings.stream is not None
    say = say_nothing if settings.quiet else print
    files = files_of(settings)
    targets = _TargetsSeen(settings.task)
    started = perf_counter()
    train = files["train"]
    stream = _TextStream(train, targets) if train.is_text else _TableStream(train, targets, settings.columns)
    seconds = perf_counter() - started
    found = f"{counted(stream.n_rows, 'row')}, {counted(stream.n_features, 'feature')}"
    say(f"train: {found}, looked through in {seconds:.2f} s")
    if stream.encoder is not None and not settings.columns.has_features:
        say(chosen_columns(stream.encoder))
    model = new_model(targets.values, settings)
    validation = files.get("validation")
    n_epochs = model.max_iter if validation is not None or "max_iter" in settings.hyperparameters else 1
    started = perf_counter()
    model.fit_stream(
        stream.train,
        n_epochs,
        validation=None if validation is None else lambda: stream.batches(validation),
        classes=targets.values if isinstance(model, FMClassifier) else None,
        buffer_rows=settings.stream.buffer_rows,
        cache=settings.stream.cache,
        checkpoint=settings.stream.checkpoint,
        checkpoint_every=settings.stream.checkpoint_every,
    )
    say(trained(model, perf_counter() - started))
    held_out = {part: stream.batches(file) for part, file in files.items() if part != "train"}
    finish(model, held_out, stream.encoder, stream.items, settings)
