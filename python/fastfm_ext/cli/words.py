"""Types of command-line arguments."""

import argparse
import math
from collections.abc import Callable
from typing import Any, TypeVar

from fastfm_ext.cli.columns import parse_column

Number = TypeVar("Number", int, float)


def _type(convert: Callable[[str], Number], is_valid: Callable[[Number], bool], wanted: str) -> Callable[[str], Number]:
    """Return a parser of valid numbers; its error says what is wanted."""

    def parse(text: str) -> Number:
        try:
            value = convert(text)
        except ValueError:
            value = None
        if value is None or not is_valid(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return value

    return parse


def integer(low: int) -> Callable[[str], int]:
    """Return a parser of whole numbers of at least `low`."""
    return _type(int, lambda value: value >= low, f"a whole number of at least {low}")


n_jobs = _type(int, lambda value: value != 0, "a number of threads: 1, 2, ..., or -1 for all")
number = _type(float, lambda value: 0.0 <= value < math.inf, "a number of at least 0")
port = _type(int, lambda value: 0 <= value < 65_536, "a port: a whole number from 0 to 65535")
fraction = _type(float, lambda value: 0.0 < value < 1.0, "a number between 0 and 1")


def class_weight(text: str) -> Any:
    """Parse ``balanced``, or weights of classes such as ``0=1,1=5``; a class that looks like a number is one."""
    if text == "balanced":
        return text
    weights = {}
    for pair in text.split(","):
        label, is_pair, weight = pair.rpartition("=")
        if not is_pair:
            raise argparse.ArgumentTypeError(f"{text!r} is neither balanced nor CLASS=WEIGHT,CLASS=WEIGHT")
        try:
            weights[_number_or_text(label)] = float(weight)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{weight!r} is not a number, the weight of {label!r}") from None
    return weights


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def texts(text: str) -> tuple[str, ...]:
    """Parse texts between commas."""
    return tuple(text.split(","))


def column(text: str) -> Any:
    """Parse a column and how to encode it."""
    try:
        return parse_column(text)
    except (TypeError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error
