"""Job of ``fastfm-ext predict``: one line with a prediction for each row of a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.checks import kind_of
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.models import LoadedModel, is_bayesian, plain_classes
from fastfm_ext.cli.jobs.output import text_output
from fastfm_ext.cli.pipes import named_by_user
from fastfm_ext.cli.settings import PredictSettings


def run(settings: PredictSettings) -> None:
    """Do the whole job; predictions go to the output, everything else to stderr."""
    loaded = LoadedModel.load(settings.model, plain=True)
    file = DataFile.at(settings.data, settings.form, settings.csv)
    predict = _predictor(loaded.model, settings.kind, with_std=settings.std)
    n_rows = n_unknown = 0
    with text_output(settings.output) as out:
        for X, n_unknown_here in _rows(file, loaded):
            _write_lines(out, predict(X))
            n_rows += X.shape[0]
            n_unknown += n_unknown_here
    if settings.quiet:
        return
    if n_unknown:
        name = named_by_user(file.path)
        values = counted(n_unknown, "value")
        print(f"{name}: {values} of features that the model does not know left out", file=sys.stderr)
    print(f"{counted(n_rows, 'row')} predicted", file=sys.stderr)


def _rows(file: DataFile, loaded: LoadedModel) -> Iterator[tuple[Any, int]]:
    """Yield batches of rows, (n_rows, n_features), each with the number of values of unknown features."""
    if loaded.encoder_for(file) is not None:
        yield loaded.encoded(file)[0], 0
        return
    for rows, n_unknown in file.iter_rows(loaded.model.n_features_in_):
        yield rows.X, n_unknown


def _predictor(model: Any, kind: str | None, *, with_std: bool) -> Any:
    """Return the function that predicts the output of this kind from rows.

    Raises
    ------
    ValueError
        If the model has no predictions of this kind.
    """
    if not hasattr(model, "predict"):
        raise ValueError("an FMRanker ranks items and predicts no values; use recommend")
    is_classifier = hasattr(model, "classes_")
    if with_std:
        if not is_bayesian(model) or is_classifier:
            raise ValueError(f"--std needs a BayesianFMRegressor, as fit --bayesian makes; got {kind_of(model)}")
        of_numbers: Any = model
        return lambda X: np.column_stack(of_numbers.predict(X, return_std=True))
    if not is_classifier:
        if kind not in (None, "value"):
            raise ValueError(f"--kind {kind}: the model is a regressor, which predicts values only")
        return model.predict
    if kind == "value":
        raise ValueError("--kind value: the model is a classifier; choose probability, class or score")
    if kind == "class":
        written = np.array([str(label) for label in plain_classes(model.classes_)])
        return lambda X: written[np.searchsorted(model.classes_, model.predict(X))]
    if kind == "score":
        return model.decision_function
    two = len(model.classes_) == 2
    return lambda X: (model.predict_proba(X)[:, 1] if two else model.predict_proba(X)).astype(np.float32)


def _write_lines(out: TextIO, values: NDArray[Any]) -> None:
    """Write the values, (n_rows,) or (n_rows, n_classes), one row a line, numbers as short as their type allows."""
    lines = values.astype(str) if values.ndim == 1 else [" ".join(row) for row in values.astype(str)]
    out.write("\n".join(lines) + "\n" if len(lines) else "")
