"""Job of ``fastfm-ext fit --stream``: training on files larger than memory, and the model file."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32
from fastfm_ext._estimators.row_classifier import RowClassifier
from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile, check_text
from fastfm_ext.cli.jobs.tables import (
    distinct_items,
    of_held_out,
    refused,
    targets_of,
    type_of_target,
    without_whole_floats,
)
from fastfm_ext.cli.jobs.training import (
    check_savable,
    chosen_columns,
    files_of,
    finish,
    new_model,
    say_nothing,
    trained,
)
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.streaming.csv_source import CsvSource
from fastfm_ext.streaming.tables import ParquetSource, joined
from fastfm_ext.streaming.text import LibffmSource, LibsvmSource

if TYPE_CHECKING:
    from fastfm_ext.encoding.encoder import FMEncoder

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

    def __init__(self, file: DataFile, targets: _TargetsSeen, *, wants_fields: bool) -> None:
        source = LibffmSource if file.form == "libffm" else LibsvmSource
        self.n_rows = self.n_features = 0
        for X, y, *_ in source(file.path, n_features=MAX_INT32, zero_based=True):
            targets.add(y)
            self.n_rows += len(y)
            self.n_features = max(self.n_features, 1 + int(X.indices.max(initial=-1)))
        check_text(file.path, self.n_rows, self.n_features)
        self.train = source(file.path, n_features=self.n_features, zero_based=True)
        self.train.n_rows = self.n_rows
        self.fields: Any = None
        if wants_fields and isinstance(self.train, LibffmSource):
            with refused(file.path):
                self.fields = self.train.fields()

    def batches(self, file: DataFile) -> Batches:
        for rows, _ in file.iter_rows(self.n_features):
            yield rows.X, rows.y


class _TableStream:
    """Rows of tables, encoded by an encoder of the training rows.

    The training rows are read once for their number, features and items, and then by `train` for each epoch. CSV is
    read once more before, for the types of the target and of columns that nobody has declared.
    """

    fields: Any = None  # the encoder notes them on the rows

    def __init__(self, file: DataFile, targets: _TargetsSeen, columns: TableColumns) -> None:
        self._columns, self._types = columns, dict[str, str]()
        name = str(file.path)
        self.encoder = columns.encoder() if columns.has_features else None
        source = self._source(file)
        columns.check(source.column_names(), name)
        if self.encoder is None:
            first = next(source.tables(), None)
            if first is None:
                raise ValueError(f"{name}: there are no rows in it")
            self._columns = columns.filled_in(without_whole_floats(first, source.tables), name, is_part=True)
            self._types = type_of_target(first, columns)
            self.encoder = self._columns.encoder()
            source = self._source(file)
        self.n_rows = 0
        self.items: Any = None
        for table in source.tables(self._columns.used):
            self._types = self._types or type_of_target(table, columns)
            self._learn(source, table, targets, file)
        if not self.n_rows:
            raise ValueError(f"{name}: there are no rows in it")
        self.n_features = self.encoder.n_features_out_
        self.train = self._source(file)
        self.train.n_rows = self.n_rows
        self._types = of_held_out(self._types)

    def _learn(self, source: CsvSource | ParquetSource, table: Any, targets: _TargetsSeen, file: DataFile) -> None:
        """Add the rows of a table to the encoder, the targets and the items."""
        assert self.encoder is not None
        if not len(table):
            return
        targets.add(targets_of(table, self._columns, str(file.path), self.n_rows))
        with refused(file.path):
            self.encoder.partial_fit(source.for_encoder(table))
        self.n_rows += len(table)
        if self._columns.item:
            items = table.select(self._columns.item_names)
            self.items = distinct_items(items if self.items is None else joined([self.items, items]), self._columns)

    def batches(self, file: DataFile) -> Batches:
        for X, y, *weight in self._source(file):
            yield X, y, *weight[:1]

    def _source(self, file: DataFile) -> ParquetSource | CsvSource:
        return file.source(self.encoder, self._columns.target, self._columns.weight, self._types)


def run(settings: FitSettings) -> None:
    """Do the whole job, printing as it goes."""
    assert settings.stream is not None
    say = say_nothing if settings.quiet else print
    if settings.hyperparameters.get("class_weight") == "balanced":
        raise ValueError(
            "--class-weight balanced counts all rows, and --stream holds only some of them; "
            "give the weights, as in --class-weight no=1,yes=20"
        )
    files = files_of(settings)
    targets = _TargetsSeen(settings.task)
    started = perf_counter()
    train, has_fields = files["train"], settings.model_kind != "fm"
    stream = (
        _TextStream(train, targets, wants_fields=has_fields)
        if train.is_text
        else _TableStream(train, targets, settings.columns)
    )
    seconds = perf_counter() - started
    found = f"{counted(stream.n_rows, 'row')}, {counted(stream.n_features, 'feature')}"
    say(f"train: {found}, looked through in {seconds:.2f} s")
    if stream.encoder is not None and not settings.columns.has_features:
        say(chosen_columns(stream.encoder))
    if settings.model is not None:
        check_savable(stream.encoder, stream.items)
    model: Any = new_model(targets.values, settings)
    if stream.fields is not None:
        model.fields = stream.fields
    validation = files.get("validation")
    n_epochs = model.max_iter if validation is not None or "max_iter" in settings.hyperparameters else 1
    started = perf_counter()
    model.fit_stream(
        stream.train,
        n_epochs,
        validation=None if validation is None else lambda: stream.batches(validation),
        classes=targets.values if isinstance(model, RowClassifier) else None,
        buffer_rows=settings.stream.buffer_rows,
        cache=settings.stream.cache,
        checkpoint=settings.stream.checkpoint,
        checkpoint_every=settings.stream.checkpoint_every,
    )
    say(trained(model, perf_counter() - started))
    held_out = {part: stream.batches(file) for part, file in files.items() if part != "train"}
    finish(model, held_out, stream.encoder, stream.items, settings)
