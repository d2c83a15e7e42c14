"""Identity of ids whose types differ: the one rule for the columns of an encoder and for the items of an index.

- Whole numbers are integers, whatever holds them: integers of any width, floats and Decimals without a fraction.
- An integer and its plain decimal text are one id: 7 is ``"7"``, and neither ``"007"`` nor ``"7.0"``.
- Where one column mixes integers and texts, the integers become their decimal texts.
- Other kinds never meet. A column of dates against one of numbers is an error, not a column of unknown values.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

INTEGERS, TEXT = "integers", "text"
_NUMBERS = {INTEGERS, "numbers with fractions", "truth values"}
_KINDS_OF_DTYPES = {
    "b": "truth values",
    "i": INTEGERS,
    "u": INTEGERS,
    "f": "numbers with fractions",
    "M": "dates",
    "m": "time spans",
    "U": TEXT,
    "S": "bytes",
}
_PLAIN_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,99}")

# Kinds of values, in words.
Kinds = frozenset[str]


def plain_number(value: Any) -> Any:
    """Return a whole float or Decimal as int, another Decimal as float if that is the same number, others as they are.

    Examples
    --------
    >>> [plain_number(value) for value in (7.0, Decimal("7"), Decimal("1.50"), 0.5, "7.0")]
    [7, 7, 1.5, 0.5, '7.0']
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Decimal) and value.is_finite():
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else value
    return value


def other_form(value: Any) -> Any:
    """Return the text of an integer, or the integer of a plain decimal text; None for values that have one form.

    Examples
    --------
    >>> [other_form(value) for value in (7, "7", "-12", "007", "7.0", "+7", 0.5)]
    ['7', 7, -12, None, None, None, None]
    """
    if type(value) is int:
        return str(value)
    return int(value) if type(value) is str and _PLAIN_DECIMAL.fullmatch(value) else None


def unified(values: list[Any]) -> list[Any]:
    """Return values with their integers as decimal texts if there are texts among them."""
    if not {int, str} <= set(map(type, values)):
        return values
    return [str(value) if type(value) is int else value for value in values]


def kinds_of(values: Any) -> Kinds:
    """Return the kinds of an array's values, or of those of a collection, in words."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return frozenset({_KINDS_OF_DTYPES.get(values.dtype.kind, str(values.dtype))})
    return frozenset(map(_kind_of_type, set(map(type, values))))


def _kind_of_type(kind: type) -> str:
    # Before int, of which bool is a kind.
    if issubclass(kind, bool | np.bool_):
        return "truth values"
    if issubclass(kind, int | np.integer):
        return INTEGERS
    if issubclass(kind, float | np.floating | Decimal):
        return "numbers with fractions"
    if issubclass(kind, str):
        return TEXT
    if issubclass(kind, date | np.datetime64):
        return "dates"
    return kind.__name__


def check_meeting(what: str, place: str, held: Kinds, given: Kinds) -> None:
    """Check that values of two tables may be the same ids.

    Parameters
    ----------
    what, place : str
        What the values are, and where the known ones are, for the message: ``"column 'user'"``, ``"in fit"``.
    held, given : frozenset of str
        `kinds_of` the values known, and of those looked up.

    Raises
    ------
    ValueError
        If no kind of the one can meet a kind of the other.
    """
    if not held or not given or held & given or (held & _NUMBERS and given & _NUMBERS) or _differ_in_form(held, given):
        return
    raise ValueError(
        f"{what}: {_named(given)} can't be the same as the {_named(held)} {place}: convert one to the type of the other"
    )


def warn_apart(what: str, place: str, held: Kinds, given: Kinds, texts: Iterable[Any]) -> None:
    """Warn about integers and texts none of which is another's other form; `texts` are those of the one side."""
    if held & given or not _differ_in_form(held, given) or any(other_form(text) is not None for text in texts):
        return
    warnings.warn(
        f"{what}: none of the {_named(given)} is one of the {_named(held)} {place}, nor could be: an integer is the "
        'same as its plain decimal text ("7", not "007" or "7.0"); so all count as unknown',
        UserWarning,
        stacklevel=2,
    )


def _differ_in_form(held: Kinds, given: Kinds) -> bool:
    return (INTEGERS in held and TEXT in given) or (TEXT in held and INTEGERS in given)


def _named(kinds: Kinds) -> str:
    return " and ".join(sorted(kinds))
