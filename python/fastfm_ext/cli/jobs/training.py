"""Steps of the jobs that train: input files, the new model, its errors on held-out rows, and its file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.jobs.data import DataFile
from fastfm_ext.cli.jobs.hyperparameters import check_hyperparameters, estimator_of
from fastfm_ext.cli.jobs.models import is_bayesian, plain_classes
from fastfm_ext.cli.jobs.scores import scores
from fastfm_ext.cli.settings import FitSettings
from fastfm_ext.model_io.plain_json import to_json
from fastfm_ext.model_io.saved import save_model

if TYPE_CHECKING:
    from fastfm_ext.cli.jobs.hyperparameters import ModelOfRows
    from fastfm_ext.encoding.encoder import FMEncoder

_FIRST_ROUNDED = 2**24  # the whole number after it has no float32


def say_nothing(_: str) -> None:
    """Print no progress."""


def files_of(settings: FitSettings) -> dict[str, DataFile]:
    """Return the given files by their part: "train", "validation" or "test"; check the settings that go with them.

    Raises
    ------
    ValueError
        If a hyperparameter is wrong, tables and text are mixed, or columns are named for text.
    """
    check_hyperparameters(settings.hyperparameters, settings.task, bayesian=settings.bayesian, kind=settings.model_kind)
    paths = {"train": settings.train, "validation": settings.validation, "test": settings.test}
    files = {part: DataFile.at(path, settings.form, settings.csv) for part, path in paths.items() if path is not None}
    if len({file.is_text for file in files.values()}) > 1:
        forms = ", ".join(f"{file.path} is {file.form}" for file in files.values())
        raise ValueError(f"tables and numbered features cannot be mixed: {forms}")
    if files["train"].is_text and settings.columns.is_given:
        raise ValueError(f"{settings.train} is {files['train'].form} text, which has no columns to name")
    if files["train"].form == "libsvm" and settings.model_kind != "fm":
        raise ValueError(
            f"{settings.train} is libsvm text, which has no fields; --model-kind {settings.model_kind} needs libffm "
            "text or a table"
        )
    return files


def check_savable(encoder: FMEncoder | None, items: Any) -> None:
    """Raise ValueError before the training if a model file could not hold the categories or the items.

    `items` is an Arrow table, or None.
    """
    if items is not None and not len(items):
        name = items.column_names[0]
        raise ValueError(f"--item {name}: this column names the items, and all its cells are missing; name another")
    try:
        if encoder is not None:
            encoder._to_state()
        if items is not None:
            from fastfm_ext.retrieval.ids import as_id_array

            to_json(as_id_array(items.column(0).to_pylist()).tolist(), f"column {items.column_names[0]!r}")
    except TypeError as error:
        raise ValueError(f"--model: {error}") from error


def new_model(targets: AnyArray, settings: FitSettings) -> ModelOfRows:
    """Return an estimator with the settings, not fitted, for targets of these different values, (n,).

    Raises
    ------
    ValueError
        If a hyperparameter is of the other task, the targets of a regression are text, or classes may be rounded or are
        less than two.
    """
    is_text = targets.dtype.kind in "OUT"
    is_whole = targets.dtype.kind != "f" or bool((targets == np.floor(targets)).all())
    is_of_classes = is_text or (len(targets) <= 2 and is_whole)
    task = settings.task or ("classification" if is_of_classes else "regression")
    if task == "regression" and is_text:
        raise ValueError(
            f"--task regression: the target {settings.columns.target!r} holds text, such as {targets[0]!r}, and not "
            "numbers; --task classification takes each value as a class, and --missing says which texts are no value"
        )
    if task == "classification" and targets.dtype == np.float32 and np.abs(targets).max(initial=0) >= _FIRST_ROUNDED:
        raise ValueError(
            f"{settings.train}: the labels are classes, and those from {_FIRST_ROUNDED:,} on cannot be told apart, "
            "since labels of text are 32-bit floats; number the classes from 0"
        )
    if task == "classification" and len(targets) == 1:
        target = "the labels" if settings.columns.target is None else f"--target {settings.columns.target}"
        raise ValueError(
            f"{target}: all rows of {settings.train} have the value {plain_classes(targets)[0]!r}, and a "
            "classification needs two or more; name another target, or train on rows that differ"
        )
    if settings.task is None and not settings.quiet:
        found = "more than two values" if len(targets) > 2 else "two values" if is_whole else "fractions"
        why = "is text" if is_text else f"has {found}"
        print(f"task: {task}, since the target {why} (--task chooses)")
    kind = settings.model_kind
    check_hyperparameters(settings.hyperparameters, task, bayesian=settings.bayesian, kind=kind)
    estimator = estimator_of(task, bayesian=settings.bayesian, kind=kind)
    return estimator(verbose=verbosity_of(settings), **settings.hyperparameters)


def verbosity_of(settings: FitSettings) -> Any:
    """Return how the estimator shows its progress."""
    if settings.quiet:
        return 0
    if settings.progress is None:
        return "bar" if sys.stderr.isatty() and find_spec("tqdm") is not None else 1
    return "bar" if settings.progress == "bar" else 1


def chosen_columns(encoder: FMEncoder) -> str:
    """Return a line about how the columns are encoded that nobody has named."""
    return f"columns: {', '.join(map(repr, encoder.columns_))} (--user, --item and --context choose)"


def trained(model: Any, seconds: float) -> str:
    """Return a line about a finished training."""
    if is_bayesian(model):
        sweeps = f"sampled for {counted(model.n_sweeps_, 'sweep')} in {seconds:.2f} s, {model.burn_in_} of them burn-in"
        return f"{sweeps}; chance raises the error by {100 * model.mc_error_:.2g} %"
    return f"trained for {counted(model.n_iter_, 'epoch')} in {seconds:.2f} s; epoch {model.best_epoch_} was the best"


def finish(
    model: ModelOfRows,
    held_out: Mapping[str, Iterable[tuple[Any, ...]]],
    encoder: FMEncoder | None,
    items: Any,
    settings: FitSettings,
) -> None:
    """Print the errors on each part's batches of held-out rows, and save the model if its file is named.

    `encoder` and `items`, a table with one row an item, go into the model's file if there are any.
    """
    for part, batches in held_out.items():
        print(f"{part} {scores(model, batches)}")
    if settings.model is not None:
        _save(model, encoder, items, settings.model)
        if not settings.quiet:
            print(f"model saved to {settings.model}")


def _save(model: ModelOfRows, encoder: FMEncoder | None, items: Any, path: Path) -> None:
    """Save the model with its encoder and, if there are items to rank, an index of them."""
    index = None
    has_vectors = len(getattr(model, "classes_", ())) <= 2 and not getattr(model, "normalize", False)
    if encoder is not None and items is not None and has_vectors:
        from fastfm_ext.retrieval.index import ItemIndex

        ids = items.column(0).to_pylist()
        index = ItemIndex().fit(model.item_vector(encoder.transform(items, side="item")), ids=ids)
    save_model(path, model, encoder=encoder, index=index)
