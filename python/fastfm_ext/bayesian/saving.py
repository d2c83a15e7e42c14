"""Saved form of a fitted Bayesian model: plain JSON and plain arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators import saving
from fastfm_ext.bayesian.centered import CenteredForm
from fastfm_ext.bayesian.draws import PosteriorDraws

_PLAIN = ("n_sweeps_", "burn_in_", "is_exact_", "mc_error_", "r_hat_")
_TYPES: dict[str, type] = {"n_sweeps_": int, "burn_in_": int, "is_exact_": bool}


def to_state(model: Any) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return all that is needed to restore the fitted model: JSON values, and arrays by name."""
    meta, arrays = saving.to_state(model)
    fields = meta["params"].pop("fields")
    if fields is not None:
        arrays["fields"] = np.asarray(fields)
    meta["bayesian"] = {name: getattr(model, name) for name in _PLAIN if hasattr(model, name)}
    # JSON has no infinity, which errors of a few sweeps are.
    meta["bayesian"] = {
        name: value if isinstance(value, int) or np.isfinite(value) else None
        for name, value in meta["bayesian"].items()
    }
    meta["covariance_shares"] = list(model._covariance_shares)
    meta["noise_variance"] = model._noise_variance
    arrays["autocorrelation"] = model.autocorrelation_
    if model._centered is not None:
        arrays |= model._centered.to_arrays()
    arrays["mean_cuts"] = model._mean_cuts
    arrays |= {f"hyper_{name}": values for name, values in model.hyperparameters_.items()}
    for number, draws in enumerate(model._draws or []):
        arrays |= draws.to_arrays(f"_{number}")
        arrays |= {f"mean_{name}": array for name, array in model._means[number].to_arrays(f"_{number}").items()}
    return meta, arrays


def from_state(model_class: Any, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Any:
    """Undo `to_state`.

    Raises
    ------
    KeyError, ValueError, TypeError
        For a state that `to_state` did not make.
    """
    meta = meta | {"params": dict(meta["params"]) | {"fields": arrays.get("fields")}}
    n_centered = CenteredForm.count_in(arrays)
    model = saving.from_state(model_class, meta, arrays, n_centered)
    for name, value in meta["bayesian"].items():
        kind = _TYPES.get(name, float)
        value = np.inf if value is None and kind is float else value
        if name not in _PLAIN or not isinstance(value, kind):
            raise ValueError(f"{name} is {value!r}")
        setattr(model, name, value)
    model._covariance_shares = [float(share) for share in meta["covariance_shares"]]
    model._noise_variance = float(meta["noise_variance"])
    model.autocorrelation_ = arrays["autocorrelation"]
    model._mean_cuts = arrays["mean_cuts"]
    prefix = "hyper_"
    model.hyperparameters_ = {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}
    scorers = model._scorers
    model._centered = CenteredForm.from_arrays(arrays, model.n_features_in_) if n_centered else None
    model._means = model._draws = None
    if "draws_w0_0" in arrays:
        prefix = "mean_"
        of_means = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        model._means = [
            Parameters.from_arrays(of_means, params.n_factors, model.n_features_in_ + n_centered, suffix=f"_{n}")
            for n, params in enumerate(scorers)
        ]
        model._draws = [PosteriorDraws.from_arrays(arrays, f"_{n}", mean) for n, mean in enumerate(model._means)]
    if len(model._covariance_shares) != len(scorers) or not 0 < model._noise_variance < np.inf:
        raise ValueError("shares of the covariance, or a noise variance, that do not fit the model")
    return model
