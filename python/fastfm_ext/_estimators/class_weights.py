"""Class weights: factors of the sample weights of the rows of each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32
from fastfm_ext._common.checks import is_real
from fastfm_ext._validation.matrices import check_weights
from fastfm_ext._validation.rows import CountedRows

_IS_WEIGHT = is_real(0, open_at_low=True)

# As scikit-learn's estimators say it.
_NOT_ON_BATCHES = (
    'class_weight="balanced" needs all rows at once, and partial_fit and fit_stream see some at a time. Pass '
    'class_weight=dict(zip(classes, compute_class_weight("balanced", classes=classes, y=y))) with '
    "sklearn.utils.compute_class_weight, where y is the whole target or a large enough sample of it."
)


def is_class_weight(value: Any) -> bool:
    """Return whether a hyperparameter is None, "balanced", or a dict of classes to finite numbers above 0."""
    if isinstance(value, Mapping):
        return all(_IS_WEIGHT(weight) for weight in value.values())
    return value is None or (isinstance(value, str) and value == "balanced")


def weighted_by_class(rows: CountedRows, class_weight: Any, classes: AnyArray, *, is_batch: bool) -> CountedRows:
    """Return rows whose weights are multiplied by those of their classes; see `weights_by_class`."""
    weight = weights_by_class(rows.y, rows.sample_weight, class_weight, classes, is_batch=is_batch)
    return rows._replace(sample_weight=weight)


def weights_by_class(
    y: Any, sample_weight: Float32 | None, class_weight: Any, classes: AnyArray, *, is_batch: bool
) -> Float32 | None:
    """Return the weights of rows, (n_rows,), multiplied by those of their classes; None for no weights.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Targets as the user gave them.
    sample_weight : ndarray of shape (n_rows,), or None
    class_weight : None, "balanced" or mapping
        "balanced" gives each class that occurs the same share of the total weight, and leaves the total as it is.
    classes : ndarray of shape (n_classes,)
        All classes, sorted.
    is_batch : bool
        Whether the rows are some of many.

    Raises
    ------
    ValueError
        For "balanced" on a batch, or a mapping that names other classes than there are.
    """
    if class_weight is None:
        return sample_weight
    balanced = isinstance(class_weight, str)
    if balanced and is_batch:
        raise ValueError(_NOT_ON_BATCHES)
    # What is none of the classes is refused elsewhere, by its name.
    codes = np.minimum(np.searchsorted(classes, y), len(classes) - 1)
    of_class = _balanced(codes, len(classes), sample_weight) if balanced else _named(class_weight, classes)
    of_row = of_class[codes] if sample_weight is None else of_class[codes] * sample_weight
    return check_weights(of_row, len(codes), "class_weight times sample_weight")


def _named(class_weight: Any, classes: AnyArray) -> AnyArray:
    """Return the weight of each class, 1 for those that are not named."""
    labels = classes.tolist()
    weights: AnyArray
    if set(class_weight) <= set(labels):
        weights = np.array([class_weight.get(label, 1.0) for label in labels])
    else:
        from sklearn.utils import compute_class_weight

        # Takes text that is a number for this number, and refuses other classes than there are.
        weights = compute_class_weight(dict(class_weight), classes=classes, y=classes)
    return weights


def _balanced(codes: AnyArray, n_classes: int, sample_weight: Float32 | None) -> AnyArray:
    """Return n / (n_present n_c) for each class c, n being sums of weights, as scikit-learn's "balanced" does."""
    n = np.bincount(codes, sample_weight, minlength=n_classes)
    weights = np.zeros(n_classes)
    np.divide(n.sum(), np.count_nonzero(n) * n, out=weights, where=n > 0)
    return weights


def to_pairs(class_weight: Any) -> Any:
    """Return a mapping as a list of class and weight, which JSON can hold with classes of any plain type.

    Raises
    ------
    TypeError
        For classes other than text, numbers and booleans.
    """
    if not isinstance(class_weight, Mapping):
        return class_weight
    pairs = [[getattr(label, "item", lambda label=label: label)(), float(w)] for label, w in class_weight.items()]
    if not all(isinstance(label, str | int | float) for label, _ in pairs):
        raise TypeError("class_weight names classes that a model file cannot hold; use str or numbers.")
    return pairs


def from_pairs(class_weight: Any) -> Any:
    """Undo `to_pairs`."""
    return dict(class_weight) if isinstance(class_weight, list) else class_weight
