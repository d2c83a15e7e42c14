"""Labels of a classification: their check, the classes that they name, and the numbers that the losses learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._validation.quick_checks import check_classes, check_finite


def check_labels(y: AnyArray, name: str) -> None:
    """Raise ValueError for labels, (n_rows,), that are no classes."""
    if y.dtype.kind == "f":
        check_finite(y, name)
    if y.dtype == object:
        try:
            np.unique(y)
        except TypeError as error:
            raise ValueError(f"{name} holds labels of different kinds, or missing values: {error}") from error
    check_classes(y)


def named_classes(classes: Any, before: AnyArray | None) -> AnyArray:
    """Return classes that the user names, (n_classes,), sorted.

    Raises
    ------
    ValueError
        For others than those of `before`; without these, for fewer than two.
    """
    named = np.unique(np.asarray(classes))
    if before is None and len(named) < 2:
        raise ValueError(f"classes must hold at least two classes; got {named}.")
    if before is not None and not np.array_equal(named, before):
        raise ValueError(f"classes is {named}, but the first call had {before}.")
    return named


def classes_of(y: AnyArray) -> AnyArray:
    """Return the classes of labels, (n_classes,), sorted.

    Raises
    ------
    ValueError
        If there is only one.
    """
    found = np.unique(y)
    if len(found) < 2:
        raise ValueError(
            f"y holds one class only, {found[0]}; at least two classes are needed. "
            "In partial_fit, name all of them with classes=."
        )
    return found


def encoded(y: AnyArray, classes: AnyArray, name: str) -> Float32:
    """Return 1 where a row is of a scorer's class and else 0, (n_scorers, n_rows); two classes have one scorer.

    Raises
    ------
    ValueError
        For a label that is none of the classes.
    """
    known = np.isin(y, classes)
    if not known.all():
        advice = (
            "Name every class in the first partial_fit with classes=, or fit anew, without warm_start."
            if name == "y"
            else "Leave such rows out, or let y hold this class, too."
        )
        raise ValueError(f"{name} holds the class {y[~known][0]}, which is not among {classes}. {advice}")
    codes = np.searchsorted(classes, y)
    if len(classes) == 2:
        return codes.astype(np.float32)[None, :]
    one_of_each: Float32 = (codes == np.arange(len(classes))[:, None]).astype(np.float32)
    return one_of_each


def codes_of(targets: Float32, n_classes: int) -> AnyArray:
    """Return the number of each row's class, (n_rows,), in the smallest type, from what `encoded` has returned."""
    codes = targets[0] if len(targets) == 1 else targets.argmax(axis=0)
    small: AnyArray = codes.astype(np.min_scalar_type(n_classes))
    return small


def rising_classes(classes: Any) -> AnyArray:
    """Return the classes of a model that was trained elsewhere, (n_classes,), or raise ValueError."""
    named = np.asarray(classes)
    if named.ndim != 1 or len(named) < 2 or not np.array_equal(named, np.unique(named)):
        raise ValueError(f"classes must hold two or more different classes in rising order, got {classes!r}.")
    return named


def chosen_by(scores: Float32 | Float64, classes: AnyArray) -> AnyArray:
    """Return the class of each row, (n_rows,), by the sign of its one score, or the largest of (n_scorers, n_rows)."""
    chosen = (scores[0] > 0).astype(np.intp) if len(scores) == 1 else scores.argmax(axis=0)
    labels: AnyArray = classes[chosen]
    return labels
