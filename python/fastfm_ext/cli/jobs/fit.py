"""Job of ``fastfm-ext fit``: training on a file, errors on validation and test rows, and the model file."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile, check_text
from fastfm_ext.cli.jobs.tables import (
    distinct_items,
    of_held_out,
    refused,
    targets_of,
    type_of_target,
    weights_of,
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
from fastfm_ext.cli.pipes import named_by_user
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.text_formats.fields import fields_of_features

if TYPE_CHECKING:
    from fastfm_ext.encoding.encoder import FMEncoder
    from fastfm_ext.streaming.csv_source import CsvSource
    from fastfm_ext.streaming.tables import ParquetSource


@dataclass
class _EncodedRows:
    """Features, (n_rows, n_features), targets and weights, (n_rows,)."""

    X: Any
    y: NDArray[Any]
    weight: NDArray[Any] | None = None


class _TextLoader:
    """Rows of libsvm and libffm text, without features that the training rows lack."""

    encoder: FMEncoder | None = None
    items: Any = None

    def __init__(self, *, wants_fields: bool) -> None:
        self._n_features: int | None = None
        self._wants_fields = wants_fields
        self.fields: Any = None

    def load(self, file: DataFile) -> _EncodedRows:
        X, y, fields = file.read_rows()
        assert y is not None
        if self._n_features is None:
            check_text(file.path, X.shape[0], X.shape[1])
            self._n_features = X.shape[1]
            if self._wants_fields and fields is not None:
                with refused(file.path):
                    self.fields = fields_of_features(X, fields)
        X, n_unknown = X.to_width(self._n_features)
        if n_unknown:
            name = named_by_user(file.path)
            print(f"{name}: {counted(n_unknown, 'value')} of features that do not occur in training left out")
        return _EncodedRows(X, y)


class _TableLoader:
    """Rows of tables, encoded by an encoder of the training rows."""

    def __init__(self, columns: TableColumns, *, in_blocks: bool) -> None:
        self._columns = columns
        self._in_blocks = in_blocks
        self._types = dict[str, str]()
        self.encoder: FMEncoder | None = None
        self.items: Any = None
        self.fields: Any = None  # the encoder notes them on the rows

    def load(self, file: DataFile) -> _EncodedRows:
        source = self._source(file)
        self._columns.check(source.column_names(), str(file.path))
        table = source.read(self._columns.used)
        is_first = self.encoder is None
        if self.encoder is None:
            if not self._columns.has_features:
                typed = without_whole_floats(table, lambda names: [table.select(names)])
                self._columns = self._columns.filled_in(typed, str(file.path))
            self.encoder = self._columns.encoder()
            self.items = distinct_items(table, self._columns)
            self._types = of_held_out(type_of_target(table, self._columns))
        y = targets_of(table, self._columns, str(file.path))
        rows = source.for_encoder(table)
        with refused(file.path):
            X = self._encoded(self.encoder, rows, is_first=is_first)
        return _EncodedRows(X, y, weights_of(table, self._columns, str(file.path)))

    def _encoded(self, encoder: FMEncoder, rows: Any, *, is_first: bool) -> Any:
        if self._in_blocks:
            return (encoder.fit(rows) if is_first else encoder).transform_blocks(rows)
        return encoder.fit_transform(rows) if is_first else encoder.transform(rows)

    def _source(self, file: DataFile) -> CsvSource | ParquetSource:
        encoder = self._columns.encoder() if self._columns.has_features else None
        return file.source(encoder, self._columns.target, self._columns.weight, self._types)


def run(settings: FitSettings) -> None:
    """Do the whole job, printing as it goes."""
    say = say_nothing if settings.quiet else print
    files = files_of(settings)
    in_blocks = settings.bayesian and settings.hyperparameters.get("form") == "centered"
    has_fields, columns = settings.model_kind != "fm", settings.columns
    is_text = files["train"].is_text
    loader = _TextLoader(wants_fields=has_fields) if is_text else _TableLoader(columns, in_blocks=in_blocks)
    data = {}
    for part, file in files.items():
        started = perf_counter()
        data[part] = loader.load(file)
        X = data[part].X
        seconds = perf_counter() - started
        found = f"{counted(X.shape[0], 'row')}, {counted(X.shape[1], 'feature')}, {counted(X.nnz, 'value')}"
        say(f"{part}: {found} in {seconds:.2f} s")
    if loader.encoder is not None and not settings.columns.has_features:
        say(chosen_columns(loader.encoder))
    if settings.model is not None:
        check_savable(loader.encoder, loader.items)
    model = _train(data, loader, settings)
    held_out = {part: [(rows.X, rows.y)] for part, rows in data.items() if part != "train"}
    finish(model, held_out, loader.encoder, loader.items, settings)


def _train(data: dict[str, _EncodedRows], loader: _TextLoader | _TableLoader, settings: FitSettings) -> Any:
    train, validation = data["train"], data.get("validation")
    model: Any = new_model(np.unique(train.y), settings)
    started = perf_counter()
    if loader.encoder is not None and settings.bayesian:
        model.fields = loader.encoder.fields_
    elif loader.fields is not None:
        model.fields = loader.fields
    held_out = {} if validation is None else {"X_val": validation.X, "y_val": validation.y}
    if validation is not None and validation.weight is not None:
        held_out["sample_weight_val"] = validation.weight
    model.fit(train.X, train.y, sample_weight=train.weight, **held_out)
    if not settings.quiet:
        print(trained(model, perf_counter() - started))
    return model
