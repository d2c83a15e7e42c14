"""Saved form of a fitted model: plain JSON and plain arrays."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._engine.models import Fields, ModelSpec
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.class_weights import from_pairs, to_pairs
from fastfm_ext._estimators.field_map import FieldMap
from fastfm_ext._estimators.hyperparameters import values_of
from fastfm_ext._estimators.scorers import Scorers
from fastfm_ext._learning.row_norms import RowNorms
from fastfm_ext._learning.units import FeatureScale, Units
from fastfm_ext._validation.quick_checks import check_fitted

# Attributes that JSON holds as they are.
_PLAIN_ATTRIBUTES = {
    "n_features_in_": int,
    "n_iter_": int,
    "best_epoch_": int,
    "history_": dict,
    "progressive_": dict,
    "unobserved_weight_": float,
    "n_items_in_": int,
}
# Attributes that hold arrays.
_ARRAY_ATTRIBUTES = ("classes_", "feature_names_in_", "target_range_")


class Savable(Protocol):
    """An estimator, as far as its saved form goes."""

    _scorers: Scorers
    _units: Units
    _has_no_units: bool
    n_features_in_: int
    _spec: ClassVar[ModelSpec]

    def _fields_of(self, n_features: int) -> Fields: ...
    def _check_params(self) -> None: ...
    def _check_learned_target(self) -> None: ...


Model = TypeVar("Model", bound=Savable)


def to_state(model: Savable) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return all that is needed to restore the fitted model: JSON values, and arrays by name."""
    check_fitted(model)
    meta: dict[str, Any] = {"params": plain_params(model), "n_factors": model._scorers[0].n_factors}
    meta |= {name: getattr(model, name) for name in _PLAIN_ATTRIBUTES if hasattr(model, name)}
    units = model._units
    meta |= {"target_spread": units.target, "target_center": units.target_center, "mean_weight": units.weight}
    if units.score_offset:
        meta["score_offset"] = units.score_offset
    if model._has_no_units:
        meta["has_no_units"] = True
    if units.rows is not None:
        meta["row_norms"] = units.rows._asdict()
    arrays: dict[str, AnyArray] = {}
    for number, params in enumerate(model._scorers):
        arrays |= params.to_arrays(f"_{number}")
    for field in fields(FeatureScale):
        arrays[f"feature_scale_{field.name}"] = getattr(units.features, field.name)
    for name, centers in (("centers", units.centers), ("item_centers", units.item_centers)):
        arrays |= {f"{name}_{field.name}": getattr(centers, field.name) for field in fields(Centers)}
    if getattr(model, "_visit_counts", None) is not None:
        arrays["visit_counts"] = model._visit_counts  # type: ignore[attr-defined]
    for name in _ARRAY_ATTRIBUTES:
        if hasattr(model, name):
            values = np.asarray(getattr(model, name))
            meta[f"{name}dtype"] = values.dtype.str
            arrays[name] = _without_objects(values, name)
    return meta, arrays


def format_version(model: Savable) -> int:
    """Return the version of the file format that a reader of the model must know."""
    if any(params.dtype == "float16" for params in model._scorers):
        return 5
    units = model._units
    return 2 if len(units.centers) or len(units.item_centers) or units.target_center else 1


def from_state(model_class: type[Model], meta: dict[str, Any], arrays: dict[str, AnyArray], n_more: int = 0) -> Model:
    """Undo `to_state` of a model that has parameters of ``n_more`` features beside those of X.

    Raises
    ------
    KeyError, ValueError, TypeError
        For a state that `to_state` did not make.
    """
    params = dict(meta["params"])
    if "class_weight" in params:
        params["class_weight"] = from_pairs(params["class_weight"])
    model = model_class(**params)
    model._check_params()
    for name, kind in _PLAIN_ATTRIBUTES.items():
        if name in meta:
            if not isinstance(meta[name], kind):
                raise ValueError(f"{name} is {meta[name]!r}")
            setattr(model, name, meta[name])
    spec = model._spec
    n_scorers = sum(name.startswith(f"{spec.tables[0].array_name}_") for name in arrays)
    # A ranker may have parameters for the items of histories, behind those of the features.
    n_features = model.n_features_in_ + getattr(model, "n_items_in_", 0)
    of: dict[str, Any] = {"model": spec}
    if spec.has_fields:
        model._field_map = FieldMap.from_arrays(arrays)  # type: ignore[attr-defined]
        of["fields"] = model._fields_of(n_features)
    model._scorers = Scorers(
        Parameters.from_arrays(arrays, meta["n_factors"], n_features + n_more, f"_{number}", **of)
        for number in range(n_scorers)
    )
    if not model._scorers:
        raise ValueError("a model without parameters")
    scale = FeatureScale(**{field.name: arrays[f"feature_scale_{field.name}"] for field in fields(FeatureScale)})
    scale.check(model.n_features_in_)
    centers, item_centers = (_centers(arrays, name, model.n_features_in_) for name in ("centers", "item_centers"))
    center, weight = (_number(meta, name, default) for name, default in (("target_center", 0.0), ("mean_weight", 1.0)))
    if not weight > 0:
        raise ValueError(f"a mean weight of {weight!r}")
    spread, norms, offset = _target_spread(meta, arrays), _row_norms(meta), _number(meta, "score_offset", 0.0)
    model._units = Units(scale, spread, center, centers, weight, item_centers, norms, offset)
    model._has_no_units = bool(meta.get("has_no_units", False))
    if "visit_counts" in arrays:
        model._visit_counts = _checked_counts(arrays["visit_counts"], n_features)  # type: ignore[attr-defined]
    for name in _ARRAY_ATTRIBUTES:
        if name in arrays:
            setattr(model, name, arrays[name].astype(meta[f"{name}dtype"]))
    model._check_learned_target()
    return model


def plain_params(model: Savable) -> dict[str, Any]:
    """Return the hyperparameters as JSON can hold them; a random generator, which it cannot, becomes None."""
    params = dict(sorted(values_of(model).items()))
    if "class_weight" in params:
        params["class_weight"] = to_pairs(params["class_weight"])
    if not isinstance(params["random_state"], Integral):
        params["random_state"] = None
    return params


def _target_spread(meta: dict[str, Any], arrays: dict[str, AnyArray]) -> float:
    """Return the spread of the target; 0.1 kept it as an array, and only for regression."""
    if "target_spread" in meta:
        spread = meta["target_spread"]
    else:
        spread = arrays["_target_spread"].item() if "_target_spread" in arrays else 1.0
    if not isinstance(spread, float) or not 0 < spread < np.inf:
        raise ValueError(f"a spread of the target of {spread!r}")
    return spread


def _row_norms(meta: dict[str, Any]) -> RowNorms | None:
    """Return the norms of the rows; rankings, and files of earlier builds, have none."""
    if "row_norms" not in meta:
        return None
    norms = RowNorms(**meta["row_norms"])
    if not all(isinstance(norm, float) and 0 <= norm < np.inf for norm in norms):
        raise ValueError(f"squared norms of rows of {norms!r}")
    return norms


def _centers(arrays: dict[str, AnyArray], name: str, n_features: int) -> Centers:
    """Return the centers of columns under this name; files of earlier builds have none."""
    if f"{name}_columns" not in arrays:
        return NO_CENTERS
    centers = Centers(**{field.name: arrays[f"{name}_{field.name}"] for field in fields(Centers)})
    centers.check(n_features)
    return centers


def _checked_counts(counts: AnyArray, n_features: int) -> Float64:
    """Return the weight of the rows with each feature, (n_features,) or fewer."""
    is_valid = counts.dtype == np.float64 and counts.ndim == 1 and len(counts) <= n_features
    if not is_valid or not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError("visit_counts are no weights of rows")
    return counts


def _number(meta: dict[str, Any], name: str, default: float) -> float:
    """Return a finite number, or the default where a file of an earlier build has none."""
    value = meta.get(name, default)
    if not isinstance(value, float) or not np.isfinite(value):
        raise ValueError(f"{name} is {value!r}")
    return value


def _without_objects(values: AnyArray, name: str) -> AnyArray:
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
