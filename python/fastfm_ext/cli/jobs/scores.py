"""Errors of predictions on held-out rows, as the jobs print them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext.cli.jobs.models import plain_classes

if TYPE_CHECKING:
    from fastfm_ext.cli.jobs.hyperparameters import ModelOfRows


def scores(model: ModelOfRows, batches: Iterable[tuple[Any, ...]]) -> str:
    """Return the errors of a model on batches of rows and targets as one line.

    Raises
    ------
    ValueError
        If a target is a class that the model does not know.
    """
    classes: AnyArray | None = getattr(model, "classes_", None)
    predict = model.predict if classes is None else model.predict_proba  # type: ignore[union-attr]
    parts = [(predict(X), y) for X, y, *_ in batches]
    predicted, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if classes is None:
        residual = np.asarray(y, dtype=np.float64) - predicted
        return f"RMSE {np.sqrt(np.mean(residual**2)):.6f}  MAE {np.abs(residual).mean():.6f}"
    unknown = np.setdiff1d(y, classes)
    if len(unknown):
        raise ValueError(
            f"there is a class {plain_classes(unknown)[0]!r} among the targets; the model knows "
            f"{', '.join(map(repr, plain_classes(classes)))}"
        )
    codes = np.searchsorted(classes, y)
    words = [f"log loss {log_loss(codes, predicted):.6f}"]
    if len(classes) == 2 and 0 < codes.sum() < len(codes):
        words.append(f"AUC {area_under_roc(codes, predicted[:, 1]):.6f}")
    return "  ".join([*words, f"accuracy {np.mean(predicted.argmax(axis=1) == codes):.6f}"])


def log_loss(codes: AnyArray, predicted: Float64) -> float:
    """Return the mean of -log p of each row's class, from probabilities (n_rows, n_classes); p is at least 2.2e-16."""
    of_class = predicted[np.arange(len(codes)), codes]
    return float(-np.log(of_class.clip(np.finfo(np.float64).eps)).mean())


def area_under_roc(is_positive: AnyArray, predicted: Float64) -> float:
    """Return the share of pairs of a positive and a negative row, (n_rows,), in order; of a tie, half a pair is."""
    _, place, counts = np.unique(predicted, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    n_positive = int(is_positive.sum())
    above = mean_rank[place[is_positive.astype(bool)]].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * (len(is_positive) - n_positive)))
