"""Parameters of another program as those of a fitted model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Float32
from fastfm_ext._common.checks import public_name
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.rows import RowEstimator
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._learning.units import FeatureScale, Units

Estimator = TypeVar("Estimator", bound=RowEstimator)


def model_of(
    kind: type[Estimator], hyperparameters: dict[str, Any], n_scorers: int, **values: ArrayLike | None
) -> Estimator:
    """Return an estimator that predicts with these parameters, and learns its units when it is trained next.

    Parameters
    ----------
    kind : class
    hyperparameters : dict
        Of the estimator. `n_factors` is that of V.
    n_scorers : int
    **values : array-like
        Those of the model's tables. With one scorer w0 of shape (), w (n_features,), V (n_features, n_factors) or, with
        a vector for each field, (n_features, n_fields, n_factors), and R, if the model has it, (n_fields, n_fields,
        ...); with more scorers, all of them have a first axis of that length.

    Raises
    ------
    ValueError
        For other shapes, values that float32 cannot hold, or hyperparameters of invalid values.
    """
    spec, axes = kind._spec, [("n_classes", n_scorers)] * (n_scorers > 1)
    found = {"w0": _checked(values["w0"], "w0", axes), "w": _checked(values["w"], "w", [*axes, ("n_features", None)])}
    n_features = found["w"].shape[-1]
    if not n_features:
        raise ValueError("w has no features.")
    by_field = [("n_fields", None)] * spec.has_vectors_by_field
    found["V"] = _checked(values["V"], "V", [*axes, ("n_features", n_features), *by_field, ("n_factors", None)])
    n_factors = found["V"].shape[-1]
    given = hyperparameters.setdefault("n_factors", n_factors)
    if given != n_factors:
        raise ValueError(f"n_factors is {given!r}, but V has {n_factors} columns; leave n_factors out.")
    model = kind(**hyperparameters)
    model._check_params()
    model._meet(None, is_first=True)
    fields = model._fields_of(n_features)
    if by_field and found["V"].shape[-2] != fields.n:
        raise ValueError(
            f"V has vectors for {found['V'].shape[-2]} fields, and the features are of {fields.n}. Pass the field of "
            "each feature as fields=; without it, each is a field of its own."
        )
    of_pair = spec.shape_of_pair(n_factors)
    if of_pair is not None:
        both = [*axes, *[("n_fields", fields.n)] * 2, *(("n_factors", n) for n in of_pair)]
        found["R"] = _checked(values.get("R"), "R", both)
        _check_symmetric(found["R"].reshape(n_scorers, fields.n, fields.n, *of_pair))
    elif values.get("R") is not None:
        raise ValueError(f"{public_name(kind)} has no R; leave it out.")
    each = {name: value.reshape(n_scorers, *value.shape[len(axes) :]) for name, value in found.items()}
    each |= {"w0": each["w0"].reshape(n_scorers, 1, 1), "w": each["w"][..., None]}
    model._scorers = Scorers(
        Parameters.of(n_factors, model=spec, fields=fields, **{name: of_all[scorer] for name, of_all in each.items()})
        for scorer in range(n_scorers)
    )
    no_rows = Csr(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32), None, n_features)
    model._units = Units(FeatureScale.of(no_rows))
    model._has_no_units = True
    model.n_features_in_ = n_features
    model.n_iter_ = model.best_epoch_ = 0
    model.history_ = {"train_loss": [], "val_loss": [], "seconds": []}
    return model


def _check_symmetric(R: Float32) -> None:
    """Raise ValueError unless the pair of fields G and F has what that of F and G has, a matrix transposed."""
    turned = R.transpose(0, 2, 1, 4, 3) if R.ndim == 5 else R.swapaxes(1, 2)
    if not np.allclose(R, turned, rtol=1e-5, atol=1e-6):
        what = "R[G, F] must be the transposed R[F, G]" if R.ndim == 5 else "R[G, F] must be R[F, G]"
        raise ValueError(f"{what}, and is another.")


def _checked(values: ArrayLike | None, name: str, axes: Sequence[tuple[str, int | None]]) -> Float32:
    """Return values as float32 with axes of these names and lengths, of which None may be any."""
    if values is None:
        raise ValueError(f"{name} is missing.")
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers: {error}") from error
    lengths = [length for _, length in axes]
    if array.ndim != len(axes) or any(n not in (None, m) for n, m in zip(lengths, array.shape, strict=True)):
        wanted = ", ".join(axis if n is None else f"{axis}={n}" for axis, n in axes)
        is_turned = name == "V" and array.ndim == len(axes) and array.shape[-1] == lengths[-2]
        hint = " It looks transposed: each feature has a row in V." if is_turned else ""
        raise ValueError(f"{name} must have the shape ({wanted}), got {array.shape}.{hint}")
    with np.errstate(over="ignore"):
        result: Float32 = array.astype(np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"{name} has a value that is NaN, infinite or beyond float32.")
    return result
