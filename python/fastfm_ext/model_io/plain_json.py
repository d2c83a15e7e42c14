"""JSON without loss for Python values that it lacks: tuples, infinity, NaN."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_TUPLE = "__tuple__"
_FLOAT = "__float__"


def to_json(value: Any, where: str) -> Any:
    """Turn a value into one that `json.dumps` writes without loss.

    Parameters
    ----------
    value : None, bool, int, float, str, list, tuple, dict with str keys, or NumPy scalar
        Nested as you like. Subclasses of these are refused, for they would come back as something else.
    where : str
        Its name in error messages.

    Raises
    ------
    TypeError
        For any other value.
    """
    if isinstance(value, np.bool_ | np.integer | np.floating | np.str_):
        value = value.item()
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {_FLOAT: repr(value)}
    if kind is list:
        return [to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if kind is tuple:
        return {_TUPLE: [to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]}
    if kind is dict and all(type(key) is str and key not in (_TUPLE, _FLOAT) for key in value):
        return {key: to_json(item, f"{where}.{key}") for key, item in value.items()}
    raise TypeError(
        f"{where} is a {kind.__module__}.{kind.__qualname__}, which a model file cannot hold. It holds None, bool, "
        "int, float, str, and tuples, lists and dicts (with str keys) of these: convert ids to these, such as str."
    )


def from_json(value: Any) -> Any:
    """Undo `to_json`.

    Raises
    ------
    ValueError, TypeError
        If the value was not made by `to_json`.
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TUPLE in value:
        return tuple(from_json(item) for item in value[_TUPLE])
    if _FLOAT in value:
        return float(value[_FLOAT])
    return {key: from_json(item) for key, item in value.items()}
