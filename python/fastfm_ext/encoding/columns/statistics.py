"""Statistics of columns: all that fitting needs to know of the rows, so that parts of a table may be read apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, nan, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._tables.coding import Coded, code_ints
from fastfm_ext._tables.vocabulary import canonical
from fastfm_ext.encoding.columns.collisions import HashedValues

# A pair of codes, each below 2^31, as one number.
_SHIFT = 32


class Counts(NamedTuple):
    """Distinct values of a column, or distinct combinations of the values of several, and how many rows have each.

    Attributes
    ----------
    columns : tuple of Coded
        For each column its canonical values, and the index of each combination's value among them, shape (n,).
    counts : int ndarray of shape (n,)
        0 for one that no row has.
    """

    columns: tuple[Coded, ...]
    counts: NDArray[np.integer[Any]]

    @classmethod
    def of_values(cls, values: AnyArray, counts: NDArray[np.integer[Any]]) -> Counts:
        """Wrap distinct values (n,) of one column, which so many rows (n,) have."""
        return cls((Coded(np.arange(len(values), dtype=np.int32), values),), counts)

    @classmethod
    def of_combinations(cls, coded: Sequence[Coded]) -> Counts:
        """Count the rows in which no column is missing, by what all columns hold."""
        complete = np.logical_and.reduce([codes >= 0 for codes, _, _ in coded])
        codes = [column.codes[complete] for column in coded]
        joint, first = codes[0], np.zeros(0, dtype=np.int64)
        for other in codes[1:]:
            joint, first = code_ints(joint.astype(np.int64) << _SHIFT | other)
        taken = (Coded(own[first], column.values) for own, column in zip(codes, coded, strict=True))
        return cls(tuple(taken), np.bincount(joint, minlength=len(first)))

    @property
    def values(self) -> AnyArray:
        """Distinct values (n,) of the first column; all there are to counts of one column."""
        return self.columns[0].values


class NumberSummary(NamedTuple):
    """Spread of the finite numbers of a column.

    Attributes
    ----------
    n : int
        How many there are; without any, the rest is NaN.
    first, least, greatest, mean, std : float
    """

    n: int
    first: float = nan
    least: float = nan
    greatest: float = nan
    mean: float = nan
    std: float = nan

    @classmethod
    def of(cls, numbers: Float64) -> NumberSummary:
        """Sum up finite numbers (n,)."""
        if not len(numbers):
            return cls(0)
        least, greatest = float(numbers.min()), float(numbers.max())
        largest = _magnitude(least, greatest)
        # Divided by the largest value first, so that the squares can't overflow.
        unit = numbers / largest
        mean, std = float(unit.mean() * largest), float(unit.std() * largest)
        return cls(len(numbers), float(numbers[0]), least, greatest, mean, std)

    @classmethod
    def joined(cls, parts: Sequence[tuple[NumberSummary, int]]) -> NumberSummary:
        """Join summaries of parts of a column, each with how many parts have it.

        Mean and standard deviation differ from those of the whole by rounding, as another order of its rows does it.
        """
        parts = [(part, times) for part, times in parts if part.n]
        if not parts:
            return cls(0)
        if len(parts) == 1 and parts[0][1] == 1:
            return parts[0][0]
        least, greatest = min(part.least for part, _ in parts), max(part.greatest for part, _ in parts)
        largest = _magnitude(least, greatest)
        n = sum(times * part.n for part, times in parts)
        mean = fsum(times * part.n * (part.mean / largest) for part, times in parts) / n
        squares = ((part.std / largest) ** 2 + (part.mean / largest - mean) ** 2 for part, _ in parts)
        variance = fsum(times * part.n * square for (part, times), square in zip(parts, squares, strict=True)) / n
        return cls(n, parts[0][0].first, least, greatest, mean * largest, sqrt(variance) * largest)

    @property
    def is_constant(self) -> bool:
        """Whether the numbers differ by no more than rounding."""
        largest = _magnitude(self.least, self.greatest)
        return bool(self.greatest / largest - self.least / largest <= 10 * np.finfo(np.float64).eps)


def _magnitude(least: float, greatest: float) -> float:
    return max(abs(greatest), abs(least)) or 1.0


def seen_values(column: Coded) -> AnyArray:
    """Return those of a column's distinct values that some row has."""
    is_seen = np.bincount(column.codes, minlength=len(column.values)) > 0
    return column.values if is_seen.all() else canonical(column.values[is_seen])


Statistics = Counts | NumberSummary | HashedValues | None
