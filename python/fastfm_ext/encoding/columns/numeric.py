"""Numeric columns: one feature, which holds the standardised number."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Bools, Float32, Float64, Int32
from fastfm_ext.encoding.assemble import Entries, EntryKind
from fastfm_ext.encoding.columns.base import (
    ColumnsByName,
    Feature,
    FittedColumn,
    Missing,
    SingleColumn,
    State,
    features_at,
)
from fastfm_ext.encoding.columns.statistics import NumberSummary


@dataclass(frozen=True, repr=False)
class Numeric(SingleColumn):
    """One feature that holds the standardised number."""

    written_as: ClassVar[str] = "numeric"
    reads_numbers: ClassVar[bool] = True
    log: bool = False
    missing: Missing = "ignore"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.log, bool):
            raise ValueError(f"log of numeric({self.column!r}) must be True or False, got {self.log!r}")
        self._check_choice("missing", Missing)

    def unscaled(self, numbers: Float64) -> Float64:
        """Return the numbers, or sign(x) log(1 + |x|) of them."""
        return np.copysign(np.log1p(np.abs(numbers)), numbers) if self.log else numbers

    def statistics(self, columns: ColumnsByName) -> NumberSummary:
        """Sum up the numbers."""
        numbers = columns[self.column].numbers
        _require_finite(self.column, numbers, np.isinf(numbers))
        return NumberSummary.of(self.unscaled(present_numbers(numbers)))

    def decide(self, statistics: NumberSummary) -> "FittedNumeric":
        """Take mean and standard deviation."""
        check_any_present(self.column, statistics.n)
        if statistics.is_constant:
            return FittedNumeric(self, statistics.first, 1.0)
        return FittedNumeric(self, statistics.mean, statistics.std)

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedNumeric":
        """Undo `FittedColumn.state`."""
        values = arrays["mean_scale"]
        if values.dtype != np.float64 or values.shape != (2,) or not np.isfinite(values).all() or values[1] <= 0:
            raise ValueError(f"column {self.column!r} has {values!r} for its mean and standard deviation")
        mean, scale = values.tolist()
        return FittedNumeric(self, mean, scale)


@dataclass(frozen=True)
class FittedNumeric(FittedColumn):
    """One feature, ``(value - mean) / scale``, and one for the missing if wanted."""

    spec: Numeric
    mean: float
    scale: float

    @property
    def n_features(self) -> int:
        """Number of features."""
        return 2 if self.spec.missing == "feature" else 1

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row: the standardised number, nothing if it is the mean."""
        numbers = columns[self.spec.column].numbers
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: Float32 = ((self.spec.unscaled(numbers) - self.mean) / self.scale).astype(np.float32)
        is_bad = ~np.isfinite(scaled)
        if is_bad.any():
            _require_finite(self.spec.column, numbers, is_bad & ~np.isnan(numbers))
        positions = np.array([0, self._missing_position])
        return Entries(EntryKind.NUMBER, None, features_at(features, positions), values=scaled)

    @property
    def _missing_position(self) -> int:
        return self.n_features - 1 or -1

    def labels(self) -> list[str]:
        """Name the feature by its column."""
        return [self.spec.column, f"{self.spec.column}=<missing>"][: self.n_features]

    def feature(self, position: int) -> Feature:
        """Describe the feature at a position."""
        return Feature(self.spec.column, "missing" if position else "number", None)

    def position(self, value: Any) -> int:
        """Return 0, the position of the number's feature, for every value, a missing one too."""
        return 0

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {"mean_scale": np.array([self.mean, self.scale])}


def present_numbers(numbers: Float64) -> Float64:
    """Return the numbers (n_present,) that are there, of n_rows with NaN for missing ones."""
    return numbers[~np.isnan(numbers)] if np.isnan(numbers).any() else numbers


def check_any_present(column: str, n_present: int) -> None:
    """Raise ValueError unless a column has at least one number."""
    if not n_present:
        raise ValueError(f"column {column!r} is declared numeric but has no value: all rows are missing")


def _require_finite(column: str, numbers: Float64, bad: Bools) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        reason = "is infinite" if np.isinf(numbers[row]) else "is too far from the mean for float32"
        raise ValueError(
            f"column {column!r}, row {row}: {numbers[row]} {reason}; replace it by a missing value, or clip the column"
        )
