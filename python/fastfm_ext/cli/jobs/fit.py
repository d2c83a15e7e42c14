"""Job of ``fastfm-ext fit``: training on a file, errors on validation and test rows, and the model file."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext.cli.columns import TableColumns
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile, of_width
from fastfm_ext.cli.jobs.training import (
    chosen_columns,
    distinct_items,
    files_of,
    finish,
    new_model,
    say_nothing,
    trained,
)
from fastfm_ext.cli.pipes import named_by_user
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.fm.classifier import FMClassifier
from fastfm_ext.fm.regressor import FMRegressor

if TYPE_CHECKING:
    from fastfm_ext.encoding.encoder import FMEncoder


@dataclass
class _EncodedRows:
    """Features, (n_rows, n_features), targets and weights, (n_rows,)."""

    X: sparse.csr_array
    y: NDArray[Any]
    weight: NDArray[Any] | None = None


class _TextLoader:
    """Rows of libsvm and libffm text, without features that the training rows lack."""

    encoder: FMEncoder | None = None
    items: Any = None

    def __init__(self) -> None:
        self._n_features: int | None = None

    def load(self, file: DataFile) -> _EncodedRows:
        X, y = file.read_rows()
        assert y is not None
        if self._n_features is None:
            self._n_features = X.shape[1]
        X, n_unknown = of_width(X, self._n_features)
        if n_unknown:
            name = named_by_user(file.path)
            print(f"{name}: {counted(n_unknown, 'value')} of features that do not occur in training left out")
        return _EncodedRows(X, y)


class _TableLoader:
    """Rows of tables, encoded by an encoder of the training rows."""

    def __init__(self, columns: TableColumns) -> None:
        self._columns = columns
        self.encoder: FMEncoder | None = None
        self.items: Any = None

    def load(self, file: DataFile) -> _EncodedRows:
        table = file.read_table()
        if self.encoder is None:
            self._columns = self._columns.filled_in(table, str(file.path))
            self.encoder = self._columns.encoder().fit(table)
            self.items = distinct_items(table, self._columns)
        columns = self._columns.filled_in(table, str(file.path))
        y = table[columns.target].to_numpy()
        if table[columns.target].isna().any():
            row = int(table[columns.target].isna().to_numpy().argmax())
            raise ValueError(f"{file.path}: the target {columns.target!r} is missing in data row {row + 1}")
        weight = None if columns.weight is None else table[columns.weight].to_numpy()
        return _EncodedRows(self.encoder.transform(table), y, weight)


def run(settings: FitSettings) -> None:
    """Do the whole job, printing as it goes."""
    say = say_nothing if settings.quiet else print
    files = files_of(settings)
    loader = _TextLoader() if files["train"].is_text else _TableLoader(settings.columns)
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
    model = _train(data, settings)
    held_out = {part: [(rows.X, rows.y)] for part, rows in data.items() if part != "train"}
    finish(model, held_out, loader.encoder, loader.items, settings)


def _train(data: dict[str, _EncodedRows], settings: FitSettings) -> FMRegressor | FMClassifier:
    train, validation = data["train"], data.get("validation")
    model = new_model(np.unique(train.y), settings)
    started = perf_counter()
    held_out = {} if validation is None else {"X_val": validation.X, "y_val": validation.y}
    if validation is not None and validation.weight is not None:
        held_out["sample_weight_val"] = validation.weight
    model.fit(train.X, train.y, sample_weight=train.weight, **held_out)
    if not settings.quiet:
        print(trained(model, perf_counter() - started))
    return model
