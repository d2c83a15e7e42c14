"""Columns of numbers: one feature that holds the number, or one feature for each bin."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64, Int32
from fastfm_ext._tables.coding import Block, BlockKind
from fastfm_ext._tables.column import numbers_from_objects
from fastfm_ext.encoding.columns.base import Columns, Feature, FittedColumn, Missing, SingleColumn, State, numbers_at

Strategy = Literal["quantile", "uniform"]


@dataclass(frozen=True, repr=False)
class Numeric(SingleColumn):
    """One feature that holds the standardised number."""

    written_as: ClassVar[str] = "numeric"
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

    def fit(self, columns: Columns) -> "FittedNumeric":
        """Learn mean and standard deviation."""
        numbers = columns[self.column].numbers
        _require_finite(self.column, numbers, np.isinf(numbers))
        numbers = self.unscaled(_present(self.column, numbers))
        largest = max(abs(float(numbers.max())), abs(float(numbers.min()))) or 1.0
        # Divided by the largest value first, the squares can't overflow.
        unit = numbers / largest
        if np.ptp(unit) <= 10 * np.finfo(np.float64).eps:
            return FittedNumeric(self, float(numbers[0]), 1.0)
        return FittedNumeric(self, float(unit.mean() * largest), float(unit.std() * largest))

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedNumeric":
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

    def block(self, columns: Columns, numbers: Int32) -> Block:
        """Encode every row: the standardised number, nothing if it is the mean."""
        read = columns[self.spec.column].numbers
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: Float32 = ((self.spec.unscaled(read) - self.mean) / self.scale).astype(np.float32)
        is_bad = ~np.isfinite(scaled)
        if is_bad.any():
            _require_finite(self.spec.column, read, is_bad & ~np.isnan(read))
        features = numbers_at(numbers, np.array([0, self._missing_position]))
        return Block(BlockKind.NUMBER, None, features, values=scaled)

    @property
    def _missing_position(self) -> int:
        return self.n_features - 1 or -1

    def labels(self) -> list[str]:
        """Name the feature by its column."""
        return [self.spec.column, f"{self.spec.column}=<missing>"][: self.n_features]

    def feature(self, position: int) -> Feature:
        """Return what a position stands for."""
        return Feature(self.spec.column, "missing" if position else "number", None)

    def position(self, value: Any) -> int:
        """Return 0, whatever the value: the missing too is said by the feature of the number."""
        return 0

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {"mean_scale": np.array([self.mean, self.scale])}


@dataclass(frozen=True, repr=False)
class Binned(SingleColumn):
    """One feature for each bin of numbers."""

    written_as: ClassVar[str] = "binned"
    n_bins: int = 10
    strategy: Strategy = "quantile"
    edges: tuple[float, ...] | None = None
    missing: Missing = "ignore"

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.n_bins) is not int or self.n_bins < 2:
            raise ValueError(f"n_bins of binned({self.column!r}) must be an integer of at least 2, got {self.n_bins!r}")
        self._check_choice("strategy", Strategy)
        if isinstance(self.edges, list):  # from JSON
            object.__setattr__(self, "edges", tuple(self.edges))
        self._check_choice("missing", Missing)
        if self.edges is not None and not _are_edges(np.asarray(self.edges)):
            raise ValueError(f"edges of binned({self.column!r}) must be finite numbers that rise, got {self.edges!r}")

    def fit(self, columns: Columns) -> "FittedBinned":
        """Learn where the bins end."""
        if self.edges is not None:
            return FittedBinned(self, np.array(self.edges, dtype=np.float64))
        numbers = columns[self.column].numbers
        numbers = _present(self.column, numbers[~np.isinf(numbers)])
        if self.strategy == "uniform":
            edges = np.linspace(numbers.min(), numbers.max(), self.n_bins + 1)[1:-1]
        else:
            edges = np.quantile(numbers, np.linspace(0, 1, self.n_bins + 1)[1:-1])
        # Where a number fills several bins, these are one. Nothing would be below an edge at the least number.
        edges = np.unique(edges)
        return FittedBinned(self, edges[edges > numbers.min()])

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedBinned":
        """Undo `FittedColumn.state`."""
        edges = arrays["edges"]
        if edges.dtype != np.float64 or (len(edges.shape) == 1 and len(edges) and not _are_edges(edges)):
            raise ValueError(f"column {self.column!r} has the bin edges {edges!r}")
        if edges.ndim != 1:
            raise ValueError(f"column {self.column!r} has bin edges of shape {edges.shape}")
        return FittedBinned(self, edges)


@dataclass(frozen=True)
class FittedBinned(FittedColumn):
    """One feature for each of the len(edges) + 1 bins; bin b holds edges[b - 1] <= x < edges[b]."""

    spec: Binned
    edges: Float64

    @property
    def n_features(self) -> int:
        """Number of features: bins, and one for the missing if wanted."""
        return len(self.edges) + 1 + (self.spec.missing == "feature")

    def block(self, columns: Columns, numbers: Int32) -> Block:
        """Encode every row: a one at its bin."""
        read = columns[self.spec.column].numbers
        codes = np.where(np.isnan(read), -1, self._bins(read)).astype(np.int32)
        positions = np.concatenate(([self._missing_position], np.arange(len(self.edges) + 1)))
        return Block(BlockKind.ONE, codes, numbers_at(numbers, positions))

    def _bins(self, numbers: Float64) -> NDArray[np.intp]:
        return np.searchsorted(self.edges, numbers, side="right")

    @property
    def _missing_position(self) -> int:
        return self.n_features - 1 if self.spec.missing == "feature" else -1

    def labels(self) -> list[str]:
        """Name every feature by the numbers of its bin."""
        bounds = [f"{edge:g}" for edge in self.edges]
        spans = [f"[{low}, {high})" for low, high in zip(["-inf", *bounds], [*bounds, "inf"], strict=True)]
        spans += ["<missing>"] if self.spec.missing == "feature" else []
        return [f"{self.spec.column}={span}" for span in spans]

    def feature(self, position: int) -> Feature:
        """Return what a position stands for."""
        if position == self._missing_position:
            return Feature(self.spec.column, "missing", None)
        bounds = [-np.inf, *self.edges.tolist(), np.inf]
        return Feature(self.spec.column, "bin", (bounds[position], bounds[position + 1]))

    def position(self, value: Any) -> int:
        """Return where a number is encoded."""
        number = numbers_from_objects(self.spec.column, [value])
        return self._missing_position if np.isnan(number[0]) else int(self._bins(number)[0])

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {"edges": self.edges}


def _present(column: str, numbers: Float64) -> Float64:
    """Return the numbers that are there."""
    present = numbers[~np.isnan(numbers)] if np.isnan(numbers).any() else numbers
    if not len(present):
        raise ValueError(f"column {column!r} is declared numeric but has no value: all rows are missing")
    return present


def _are_edges(edges: NDArray[Any]) -> bool:
    is_real = edges.ndim == 1 and edges.dtype.kind in "iuf" and len(edges) > 0
    return is_real and bool(np.isfinite(edges).all() and (edges[:-1] < edges[1:]).all())


def _require_finite(column: str, numbers: Float64, bad: NDArray[np.bool_]) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        reason = "is infinite" if np.isinf(numbers[row]) else "is too far from the mean for float32"
        raise ValueError(
            f"column {column!r}, row {row}: {numbers[row]} {reason}; replace it by a missing value, or clip the column"
        )
