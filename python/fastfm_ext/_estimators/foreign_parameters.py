"""Parameters of another program as those of a fitted model."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._learning.units import FeatureScale, Units

Estimator = TypeVar("Estimator", bound=RowEstimator)


def model_of(
    kind: type[Estimator], w0: ArrayLike, w: ArrayLike, V: ArrayLike, hyperparameters: dict[str, Any], n_scorers: int
) -> Estimator:
    """Return an estimator that predicts with these parameters, and learns its units when it is trained next.

    Parameters
    ----------
    kind : class
    w0, w, V : array-like
        With one scorer of shape (), (n_features,) and (n_features, n_factors); with more, all of them have a first axis
        of that length.
    hyperparameters : dict
        Of the estimator. `n_factors` is that of V.
    n_scorers : int

    Raises
    ------
    ValueError
        For other shapes, values that float32 cannot hold, or hyperparameters of invalid values.
    """
    axes: dict[str, int | None] = {} if n_scorers == 1 else {"n_classes": n_scorers}
    biases = _checked(w0, "w0", axes)
    weights = _checked(w, "w", axes | {"n_features": None})
    n_features = weights.shape[-1]
    if not n_features:
        raise ValueError("w has no features.")
    factors = _checked(V, "V", axes | {"n_features": n_features, "n_factors": None})
    n_factors = factors.shape[-1]
    given = hyperparameters.setdefault("n_factors", n_factors)
    if given != n_factors:
        raise ValueError(f"n_factors is {given!r}, but V has {n_factors} columns; leave n_factors out.")
    model = kind(**hyperparameters)
    model._check_params()
    each = zip(
        biases.reshape(n_scorers, 1, 1),
        weights.reshape(n_scorers, n_features, 1),
        factors.reshape(n_scorers, n_features, n_factors),
        strict=True,
    )
    model._scorers = Scorers(Parameters.of(n_factors, w0=w0, w=w, V=V) for w0, w, V in each)
    no_rows = Csr(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32), None, n_features)
    model._units = Units(FeatureScale.of(no_rows))
    model._has_no_units = True
    model.n_features_in_ = n_features
    model.n_iter_ = model.best_epoch_ = 0
    model.history_ = {"train_loss": [], "val_loss": [], "seconds": []}
    return model


def _checked(values: ArrayLike, name: str, axes: dict[str, int | None]) -> Float32:
    """Return values as float32 with these axes, of which None may have any length."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from error
    lengths = list(axes.values())
    if array.ndim != len(axes) or any(n not in (None, m) for n, m in zip(lengths, array.shape, strict=True)):
        wanted = ", ".join(axis if n is None else f"{axis}={n}" for axis, n in axes.items())
        is_turned = name == "V" and array.ndim == len(axes) and array.shape[-1] == lengths[-2]
        hint = " It looks transposed: each feature has a row in V." if is_turned else ""
        raise ValueError(f"{name} must have the shape ({wanted}), got {array.shape}.{hint}")
    with np.errstate(over="ignore"):
        result: Float32 = array.astype(np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"{name} has a value that is NaN, infinite or beyond float32.")
    return result
