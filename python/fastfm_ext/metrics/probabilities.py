"""Metrics of predicted probabilities of clicks, or of whatever else is yes or no."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float64
from fastfm_ext._common.checks import is_integer

Binning = Literal["quantile", "uniform"]


def normalized_entropy(
    y_true: ArrayLike, y_proba: ArrayLike, *, sample_weight: ArrayLike | None = None, pos_label: Any = None
) -> float:
    """Return the log loss, divided by that of predicting the share of positives for every row.

    Below 1, the model says more than this base rate does; 0 is perfect. The log loss alone is small wherever clicks are
    rare; this figure can be compared between days and data sets of other rates. One minus it is the relative
    information gain.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels: 0 and 1, -1 and 1, or any with `pos_label`.
    y_proba : array-like of shape (n_samples,)
        Probability of the positive label, such as ``predict_proba(X)[:, 1]``.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative.
    pos_label : object, optional
        The positive label. Default: 1.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        For other shapes, labels or probabilities, and for rows of one label only, whose entropy is 0.

    References
    ----------
    He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014), eq. 1.

    Examples
    --------
    >>> from fastfm_ext.metrics import normalized_entropy
    >>> round(normalized_entropy([0, 0, 0, 1], [0.1, 0.2, 0.2, 0.7]), 3)
    0.404
    >>> normalized_entropy([0, 0, 0, 1], [0.25, 0.25, 0.25, 0.25])
    1.0
    """
    from sklearn.metrics import log_loss

    y, p, weight = _checked(y_true, y_proba, sample_weight, pos_label)
    rate = float(np.average(y, weights=weight))
    if not 0.0 < rate < 1.0:
        raise ValueError("y_true has rows of one label only, whose entropy is 0; both are needed.")
    entropy = -rate * np.log(rate) - (1.0 - rate) * np.log1p(-rate)
    return float(log_loss(y, p, sample_weight=weight, labels=[0.0, 1.0]) / entropy)


def calibration_ratio(
    y_true: ArrayLike, y_proba: ArrayLike, *, sample_weight: ArrayLike | None = None, pos_label: Any = None
) -> float:
    """Return how many positives the model expects for each that there is: the sum of probabilities over their number.

    1 is calibrated on average; 1.1 promises 10 % too many clicks. Errors that cancel out do not show in it: see
    `expected_calibration_error`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels: 0 and 1, -1 and 1, or any with `pos_label`.
    y_proba : array-like of shape (n_samples,)
        Probability of the positive label, such as ``predict_proba(X)[:, 1]``.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative.
    pos_label : object, optional
        The positive label. Default: 1.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        For other shapes, labels or probabilities, and for rows without a positive one.

    References
    ----------
    He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014), section 3.1.

    Examples
    --------
    >>> from fastfm_ext.metrics import calibration_ratio
    >>> round(calibration_ratio([0, 0, 0, 1], [0.1, 0.2, 0.2, 0.7]), 3)
    1.2
    """
    y, p, weight = _checked(y_true, y_proba, sample_weight, pos_label)
    positives = float(np.average(y, weights=weight))
    if not positives:
        raise ValueError("y_true has no positive row, so there is nothing to divide by.")
    return float(np.average(p, weights=weight)) / positives


def expected_calibration_error(
    y_true: ArrayLike,
    y_proba: ArrayLike,
    *,
    n_bins: int = 10,
    strategy: Binning = "quantile",
    sample_weight: ArrayLike | None = None,
    pos_label: Any = None,
) -> float:
    """Return how far probabilities are from rates, averaged over bins of rows of similar probability.

    Tells a model that is right on average, and too sure of itself, from one that is right at every probability. It is
    the mean distance of the curve of `sklearn.calibration.CalibrationDisplay` from the diagonal.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        Two labels: 0 and 1, -1 and 1, or any with `pos_label`.
    y_proba : array-like of shape (n_samples,)
        Probability of the positive label, such as ``predict_proba(X)[:, 1]``.
    n_bins : int, default=10
        The more, the more of the result is chance: each bin needs some positives.
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins of equal numbers of rows, or of equal width, of which rare clicks fill the first alone.
    sample_weight : array-like of shape (n_samples,), optional
        Non-negative. Bins of equal numbers of rows take no account of it.
    pos_label : object, optional
        The positive label. Default: 1.

    Returns
    -------
    float
        From 0 to 1: the mean over bins of |mean probability - rate|, by the weight of their rows.

    Raises
    ------
    ValueError
        For other shapes, labels or probabilities, and for an invalid `n_bins` or `strategy`.

    References
    ----------
    Naeini, Cooper, Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (AAAI 2015).

    Examples
    --------
    >>> from fastfm_ext.metrics import calibration_ratio, expected_calibration_error
    >>> clicked, probability = [0, 1, 0, 1], [0.0, 0.0, 1.0, 1.0]
    >>> calibration_ratio(clicked, probability)
    1.0
    >>> expected_calibration_error(clicked, probability, n_bins=2)
    0.5
    """
    y, p, weight = _checked(y_true, y_proba, sample_weight, pos_label)
    if not is_integer(1)(n_bins):
        raise ValueError(f"n_bins must be an integer of at least 1; got {n_bins!r}.")
    if strategy not in get_args(Binning):
        raise ValueError(f"strategy must be one of {get_args(Binning)}; got {strategy!r}.")
    inner = np.linspace(0.0, 1.0, n_bins + 1)[1:-1]
    edges = np.unique(np.quantile(p, inner)) if strategy == "quantile" else inner
    bins = np.searchsorted(edges, p)
    w = np.ones(len(y)) if weight is None else weight
    return float(np.abs(np.bincount(bins, w * (p - y))).sum() / w.sum())


def _checked(y_true: Any, y_proba: Any, sample_weight: Any, pos_label: Any) -> tuple[Float64, Float64, Float64 | None]:
    """Return 1 for each positive row and else 0, (n,), the probabilities, (n,), and the weights, (n,) or None."""
    labels, p = np.asarray(y_true), np.asarray(y_proba, dtype=np.float64)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(f"y_true must have shape (n_samples,), with at least one row; got shape {labels.shape}.")
    if p.shape != labels.shape:
        advice = " Pass the column of the positive label, as predict_proba(X)[:, 1]." if p.ndim == 2 else ""
        raise ValueError(f"y_proba must have shape {labels.shape}, as y_true has; got shape {p.shape}.{advice}")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError("y_proba must hold probabilities, from 0 to 1.")
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weight is not None:
        if weight.shape != labels.shape:
            raise ValueError(f"sample_weight must have shape {labels.shape}, as y_true has; got {weight.shape}.")
        if not (np.isfinite(weight) & (weight >= 0.0)).all() or not weight.any():
            raise ValueError("sample_weight must hold finite numbers of at least 0, and not zeros alone.")
    return _is_positive(labels, pos_label).astype(np.float64), p, weight


def _is_positive(labels: Any, pos_label: Any) -> Any:
    found = np.unique(labels)
    if pos_label is None:
        if not any(np.isin(found, pair).all() for pair in ([0, 1], [-1, 1])) or labels.dtype.kind not in "biuf":
            raise ValueError(f"y_true holds the labels {found[:5]}; name the positive one of two as pos_label.")
        return labels == 1
    if len(found) > 2 or (len(found) == 2 and pos_label not in found):
        raise ValueError(f"y_true must hold two labels, one of them pos_label={pos_label!r}; got {found[:5]}.")
    return labels == pos_label
