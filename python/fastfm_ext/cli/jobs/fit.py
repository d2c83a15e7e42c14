"""The job behind ``fastfm-ext fit``: from a file to a model file, with the errors on validation and test rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext.cli.columns import Columns
from fastfm_ext.cli.jobs.data import DataFile, of_width
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.fm import FMClassifier, FMRegressor
from fastfm_ext.model_io.saved import save_model

if TYPE_CHECKING:
    from fastfm_ext.encoding.encoder import FMEncoder


@dataclass
class _Data:
    """Encoded rows."""

    X: sparse.csr_array
    y: NDArray[Any]
    weight: NDArray[Any] | None = None


class _TextLoader:
    """Rows of libsvm and libffm text; features that the training rows lack are left out of the others."""

    encoder: FMEncoder | None = None
    items: Any = None

    def __init__(self) -> None:
        self._n_features: int | None = None

    def load(self, file: DataFile) -> _Data:
        X, y = file.read_rows()
        assert y is not None
        if self._n_features is None:
            self._n_features = X.shape[1]
        X, n_unknown = of_width(X, self._n_features)
        if n_unknown:
            print(f"{file.path}: {n_unknown:,} values of features that do not occur in training are left out")
        return _Data(X, y)


class _TableLoader:
    """Rows of tables, encoded with what the training rows know."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.encoder: FMEncoder | None = None
        self.items: Any = None

    def load(self, file: DataFile) -> _Data:
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
        return _Data(self.encoder.transform(table), y, weight)


def distinct_items(table: Any, columns: Columns) -> Any:
    """Return one row for each item, which the first item column names; None without such columns."""
    names = columns.item_names
    return table[names].dropna(subset=names[:1]).drop_duplicates(subset=names[:1]) if names else None


def run(settings: FitSettings) -> None:
    """Do the whole job, printing as it goes."""
    say = say_nothing if settings.quiet else print
    files = files_of(settings)
    check_output(settings.model)
    loader = _TextLoader() if files["train"].is_text else _TableLoader(settings.columns)
    data = {}
    for part, file in files.items():
        started = perf_counter()
        data[part] = loader.load(file)
        X = data[part].X
        seconds = perf_counter() - started
        say(f"{part}: {X.shape[0]:,} rows, {X.shape[1]:,} features, {X.nnz:,} values in {seconds:.2f} s")
    model = _train(data, settings)
    held_out = {part: [(rows.X, rows.y)] for part, rows in data.items() if part != "train"}
    finish(model, held_out, loader, settings)


class Loader(Protocol):
    """What goes into the model file beside the model."""

    @property
    def encoder(self) -> FMEncoder | None:
        """The encoder of the table, or None for numbered features."""

    @property
    def items(self) -> Any:
        """The distinct items of the training rows, or None."""


def finish(
    model: FMRegressor | FMClassifier,
    held_out: Mapping[str, Iterable[tuple[Any, ...]]],
    loader: Loader,
    settings: FitSettings,
) -> None:
    """Print the errors on the batches of held-out rows, and save the model where that is wanted."""
    for part, batches in held_out.items():
        print(f"{part} {scores(model, batches)}")
    if settings.model is not None:
        _save(model, loader.encoder, loader.items, settings.model)
        if not settings.quiet:
            print(f"model saved to {settings.model}")


def scores(model: FMRegressor | FMClassifier, batches: Iterable[tuple[Any, ...]]) -> str:
    """Return the errors of a model on batches of rows and targets as one line.

    Raises
    ------
    ValueError
        If a class is among the targets that the model does not know.
    """
    from sklearn.metrics import (
        accuracy_score,
        log_loss,
        mean_absolute_error,
        roc_auc_score,
        root_mean_squared_error,
    )

    is_regressor = isinstance(model, FMRegressor)
    parts = [(model.predict(X) if is_regressor else model.predict_proba(X), y) for X, y, *_ in batches]
    predicted, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if is_regressor:
        return f"RMSE {root_mean_squared_error(y, predicted):.6f}  MAE {mean_absolute_error(y, predicted):.6f}"
    unknown = np.setdiff1d(y, model.classes_)
    if len(unknown):
        raise ValueError(f"there is a class {unknown[0]!r} among the targets; the model knows {list(model.classes_)}")
    words = [f"log loss {log_loss(y, predicted, labels=model.classes_):.6f}"]
    if len(model.classes_) == 2 and len(np.unique(y)) == 2:
        words.append(f"AUC {roc_auc_score(y, predicted[:, 1]):.6f}")
    return "  ".join([*words, f"accuracy {accuracy_score(y, model.classes_[predicted.argmax(axis=1)]):.6f}"])


def say_nothing(_: str) -> None:
    """Print no progress."""


def files_of(settings: FitSettings) -> dict[str, DataFile]:
    """Return the files of the parts "train", "validation" and "test", as far as they are given."""
    paths = {"train": settings.train, "validation": settings.validation, "test": settings.test}
    files = {part: DataFile.at(path, settings.form) for part, path in paths.items() if path is not None}
    if len({file.is_text for file in files.values()}) > 1:
        forms = ", ".join(f"{file.path} is {file.form}" for file in files.values())
        raise ValueError(f"tables and numbered features cannot be mixed: {forms}")
    if files["train"].is_text and settings.columns.is_given:
        raise ValueError(f"{settings.train} is {files['train'].form} text, which has no columns to name")
    return files


def check_output(path: Path | None) -> None:
    """Fail before the training, not after it."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"--model {path}: there is no folder {path.parent}")
    if path is not None and path.is_dir():
        raise ValueError(f"--model {path}: this is a folder, not a file")


def _train(data: dict[str, _Data], settings: FitSettings) -> FMRegressor | FMClassifier:
    train, validation = data["train"], data.get("validation")
    model = new_model(len(np.unique(train.y)), settings)
    started = perf_counter()
    held_out = {} if validation is None else {"X_val": validation.X, "y_val": validation.y}
    if validation is not None and validation.weight is not None:
        held_out["sample_weight_val"] = validation.weight
    model.fit(train.X, train.y, sample_weight=train.weight, **held_out)
    if not settings.quiet:
        print(trained(model, perf_counter() - started))
    return model


def trained(model: FMRegressor | FMClassifier, seconds: float) -> str:
    """Return a line on how a training went."""
    return f"trained for {model.n_iter_} epochs in {seconds:.2f} s; epoch {model.best_epoch_} is kept"


def new_model(n_targets: int, settings: FitSettings) -> FMRegressor | FMClassifier:
    """Return an estimator with the settings, not fitted, for so many different targets.

    Raises
    ------
    ValueError
        If there is no such setting.
    """
    task = settings.task or ("classification" if n_targets <= 2 else "regression")
    if settings.task is None and not settings.quiet:
        why = "two values" if task == "classification" else "more than two values"
        print(f"task: {task}, since the target has {why} (--task chooses)")
    estimator = FMClassifier if task == "classification" else FMRegressor
    model = estimator(verbose=0 if settings.quiet else 1)
    known = model.get_params()
    for name in settings.parameters:
        if name not in known:
            raise ValueError(f"[settings] {name}: there is no such setting; there are {', '.join(sorted(known))}")
    model.set_params(**settings.parameters)
    return model


def _save(model: FMRegressor | FMClassifier, encoder: FMEncoder | None, items: Any, path: Path) -> None:
    """Save the model with its encoder and, where the table has items, an index of them."""
    from fastfm_ext.retrieval.index import ItemIndex

    index = None
    if encoder is not None and items is not None and not (isinstance(model, FMClassifier) and len(model.classes_) > 2):
        ids = items.iloc[:, 0].tolist()
        index = ItemIndex().fit(model.item_vector(encoder.transform(items, side="item")), ids=ids)
    save_model(path, model, encoder=encoder, index=index)
