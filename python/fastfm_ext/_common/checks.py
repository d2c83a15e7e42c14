"""Checks of arguments, and errors that name them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np


def is_real(low: float, *, open_at_low: bool = False, high: float = math.inf) -> Callable[[Any], bool]:
    """Return a check for a finite number above ``low`` (or equal to it) and below ``high``."""

    def check(value: Any) -> bool:
        if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
            return False
        try:
            number = float(value)
        except OverflowError:  # an int or a fraction beyond float64
            return False
        return (number > low or (number == low and not open_at_low)) and number < high

    return check


def is_integer(low: int) -> Callable[[Any], bool]:
    """Return a check for an integer of at least ``low``."""
    return lambda value: isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= low


def is_nonzero_integer(high: int) -> Callable[[Any], bool]:
    """Return a check for an integer other than 0 and of at most ``high``."""
    return lambda value: (
        isinstance(value, Integral) and not isinstance(value, bool) and int(value) != 0 and int(value) <= high
    )


def optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check that lets None pass, too."""
    return lambda value: value is None or check(value)


def is_bool(value: Any) -> bool:
    """Return whether ``value`` is True or False."""
    return isinstance(value, (bool, np.bool_))


def check_param(estimator: object, name: str, check: Callable[[Any], bool], wanted: str) -> None:
    """Raise ValueError naming the parameter, what it must be and what it is, unless it passes the check."""
    value = getattr(estimator, name)
    if not check(value):
        raise ValueError(f"{name} of {public_name(type(estimator))} must be {wanted}; got {value!r}.")


@contextmanager
def errors_that_name(name: str) -> Iterator[None]:
    """Let every TypeError and ValueError raised inside say which argument it is about.

    An OverflowError, which an int beyond float64 gives, becomes a ValueError.
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        message = re.sub(r"\bX\b", name, str(error))
        if name not in message:
            message = f"{name}: {message}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(message) from error


def public_name(cls: type) -> str:
    """Return the name of a class for users: that of the class whose work it does, if it is not public itself."""
    name: str = vars(cls).get("_public_name", cls.__name__)
    return name


def kind_of(value: object) -> str:
    """Return the class of a value with its article, for messages: "a str", "an int"."""
    name = public_name(type(value))
    return f"an {name}" if name[0] in "aeioAEIO" or name == "ndarray" else f"a {name}"
