"""The job behind ``fastfm-ext predict``: a model file and rows to one prediction a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fastfm_ext.cli.jobs.data import DataFile, Rows
from fastfm_ext.cli.settings import PredictSettings
from fastfm_ext.fm import FMClassifier, FMRegressor
from fastfm_ext.model_io.saved import SavedModel, load_model
from fastfm_ext.ranking.ranker import FMRanker


def run(settings: PredictSettings) -> None:
    """Do the whole job; predictions go to the output, everything else to stderr."""
    saved = load_fitted(settings.model)
    file = DataFile.at(settings.data, settings.form)
    predict = _predictor(saved.model, settings.kind)
    n_rows = n_unknown = 0
    with nullcontext(sys.stdout) if settings.output is None else settings.output.open("w", encoding="utf-8") as out:
        for rows, n_unknown_here in _rows(file, saved, settings.model):
            _write_lines(out, predict(rows.X))
            n_rows += rows.X.shape[0]
            n_unknown += n_unknown_here
    if settings.quiet:
        return
    if n_unknown:
        print(
            f"{file.path}: {n_unknown:,} values of features that the model does not know are left out", file=sys.stderr
        )
    print(f"{n_rows:,} rows predicted", file=sys.stderr)


def load_fitted(path: Path) -> SavedModel:
    """Load a file that must hold a model.

    Raises
    ------
    ValueError
        If it holds none.
    """
    saved = load_model(path)
    if saved.model is None:
        raise ValueError(f"{path}: there is no model in this file, only an encoder or an index")
    return saved


def encoder_for(saved: SavedModel, file: DataFile, model_path: Path) -> Any:
    """Return the encoder for a table, None for text; the model must have been trained on the same kind of file.

    Raises
    ------
    ValueError
        If it was not.
    """
    if file.is_text and saved.encoder is not None:
        raise ValueError(f"{file.path} is {file.form} text, and {model_path} was trained on columns of a table")
    if not file.is_text and saved.encoder is None:
        raise ValueError(f"{file.path} is a table, and {model_path} was trained on numbered features, without columns")
    return saved.encoder


def _rows(file: DataFile, saved: SavedModel, model_path: Path) -> Iterator[tuple[Rows, int]]:
    encoder = encoder_for(saved, file, model_path)
    if encoder is None:
        yield from file.iter_rows(saved.model.n_features_in_)
    else:
        yield Rows(encoder.transform(file.read_table()), None), 0


def _predictor(model: FMRegressor | FMClassifier | FMRanker, kind: str | None) -> Any:
    """Return the function from rows to what is written.

    Raises
    ------
    ValueError
        If the model has no predictions of this kind.
    """
    if isinstance(model, FMRanker):
        raise ValueError("an FMRanker ranks items and predicts no values; use recommend")
    if isinstance(model, FMRegressor):
        if kind not in (None, "value"):
            raise ValueError(f"--kind {kind}: the model is a regressor, which predicts values only")
        return model.predict
    if kind == "value":
        raise ValueError("--kind value: the model is a classifier; choose probability, class or score")
    if kind == "class":
        return model.predict
    if kind == "score":
        return model.decision_function
    two = len(model.classes_) == 2
    return lambda X: model.predict_proba(X)[:, 1] if two else model.predict_proba(X)


def _write_lines(out: TextIO, values: NDArray[Any]) -> None:
    """Write one row a line; numbers as short as float32 allows."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
    lines = values.astype(str) if values.ndim == 1 else [" ".join(row) for row in values.astype(str)]
    out.write("\n".join(lines) + "\n" if len(lines) else "")
