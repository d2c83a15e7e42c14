"""A fitted model as plain JSON and plain arrays, and back: what a model file holds of it."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.units import FeatureScale

# Attributes that JSON holds as they are.
_PLAIN_ATTRIBUTES = ("n_features_in_", "n_iter_", "best_epoch_", "history_")
_PARAMETER_ARRAYS = ("w0_record", "w_records", "V_records")


class FittedState:
    """Mixin of the estimators: to and from state."""

    _outputs: list[Parameters]
    _feature_scale: FeatureScale
    n_features_in_: int
    get_params: Any
    _check_params: Any

    # What the subclass has learned about the target; numbers or arrays.
    _target_attributes: ClassVar[tuple[str, ...]] = ()

    def _to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return all that is needed to restore the fitted model: JSON values, and arrays by name."""
        check_is_fitted(self, "_outputs")
        meta: dict[str, Any] = {"params": self._plain_params(), "n_factors": self._outputs[0].n_factors}
        meta |= {name: getattr(self, name) for name in _PLAIN_ATTRIBUTES if hasattr(self, name)}
        arrays: dict[str, NDArray[Any]] = {}
        for output, params in enumerate(self._outputs):
            arrays |= {f"{name}_{output}": getattr(params, name) for name in _PARAMETER_ARRAYS}
        for field in fields(FeatureScale):
            arrays[f"feature_scale_{field.name}"] = getattr(self._feature_scale, field.name)
        for name in (*self._target_attributes, "feature_names_in_"):
            if hasattr(self, name):
                values = np.asarray(getattr(self, name))
                meta[f"{name}dtype"] = values.dtype.str
                arrays[name] = _without_objects(values, name)
        return meta, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Undo `_to_state`.

        Raises
        ------
        KeyError, ValueError, TypeError
            For a state that `_to_state` did not make.
        """
        model = cls(**meta["params"])
        model._check_params()
        for name in _PLAIN_ATTRIBUTES:
            if name in meta:
                if not isinstance(meta[name], dict if name == "history_" else int):
                    raise ValueError(f"{name} is {meta[name]!r}")
                setattr(model, name, meta[name])
        n_outputs = sum(name.startswith("w0_record_") for name in arrays)
        model._outputs = [
            Parameters(**{name: arrays[f"{name}_{output}"] for name in _PARAMETER_ARRAYS}, n_factors=meta["n_factors"])
            for output in range(n_outputs)
        ]
        if not model._outputs:
            raise ValueError("a model without parameters")
        for params in model._outputs:
            params.check(model.n_features_in_)
        model._feature_scale = FeatureScale(
            **{field.name: arrays[f"feature_scale_{field.name}"] for field in fields(FeatureScale)}
        )
        for name in (*cls._target_attributes, "feature_names_in_"):
            if name in arrays:
                values = arrays[name].astype(meta[f"{name}dtype"])
                setattr(model, name, values if values.ndim else values.item())
        model._feature_scale.check(model.n_features_in_)
        model._check_learned_target()
        return model

    def _check_learned_target(self) -> None:
        """Raise ValueError unless the target's attributes fit the number of outputs."""
        raise NotImplementedError

    def _plain_params(self) -> dict[str, Any]:
        """Return the hyperparameters; a random generator is not one that a file can hold, and becomes None."""
        params: dict[str, Any] = self.get_params(deep=False)
        if not isinstance(params["random_state"], Integral):
            params["random_state"] = None
        return params


def _without_objects(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an array of str, where `values` holds objects that are all str.

    Raises
    ------
    TypeError
        For any other objects.
    """
    if values.dtype != object:
        return values
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name} holds Python objects that a model file cannot hold; use str or numbers.")
    return values.astype(str)
