"""Binned columns: a feature for each bin of a column of numbers."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Float64, Int32
from fastfm_ext._tables.column import numbers_from_objects
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
from fastfm_ext.encoding.columns.numeric import check_any_present, present_numbers
from fastfm_ext.encoding.columns.quantiles import quantile_edges
from fastfm_ext.encoding.columns.statistics import Counts

Strategy = Literal["quantile", "uniform"]


@dataclass(frozen=True, repr=False)
class Binned(SingleColumn):
    """One feature for each bin of numbers."""

    written_as: ClassVar[str] = "binned"
    reads_numbers: ClassVar[bool] = True
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

    def statistics(self, columns: ColumnsByName) -> Counts | None:
        """Count the rows of each number, unless the edges are given."""
        if self.edges is not None:
            return None
        numbers = columns[self.column].numbers
        return Counts.of_values(*np.unique(present_numbers(numbers[~np.isinf(numbers)]) + 0.0, return_counts=True))

    def decide(self, statistics: Counts | None) -> "FittedBinned":
        """Choose where the bins end."""
        if self.edges is not None:
            return FittedBinned(self, np.array(self.edges, dtype=np.float64))
        assert statistics is not None
        check_any_present(self.column, len(statistics.values))
        order = np.argsort(statistics.values)
        numbers = statistics.values[order].astype(np.float64)
        if self.strategy == "uniform":
            edges = np.unique(np.linspace(numbers[0], numbers[-1], self.n_bins + 1)[1:-1])
        else:
            edges = quantile_edges(numbers, statistics.counts[order], self.n_bins)
        # Below an edge at the least number the bin would be empty.
        return FittedBinned(self, edges[edges > numbers[0]])

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedBinned":
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

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row: a one at its bin."""
        numbers = columns[self.spec.column].numbers
        codes = np.where(np.isnan(numbers), -1, self._bins(numbers)).astype(np.int32)
        positions = np.concatenate(([self._missing_position], np.arange(len(self.edges) + 1)))
        return Entries(EntryKind.ONE, codes, features_at(features, positions))

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
        """Describe the feature at a position."""
        if position == self._missing_position:
            return Feature(self.spec.column, "missing", None)
        bounds = [-np.inf, *self.edges.tolist(), np.inf]
        return Feature(self.spec.column, "bin", (bounds[position], bounds[position + 1]))

    def position(self, value: Any) -> int:
        """Return the position of a number's bin, or of a missing value, or -1."""
        number = numbers_from_objects(self.spec.column, [value])
        return self._missing_position if np.isnan(number[0]) else int(self._bins(number)[0])

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {"edges": self.edges}


def _are_edges(edges: AnyArray) -> bool:
    """Return whether these are finite numbers (n_edges,) in rising order, at least one."""
    is_real = edges.ndim == 1 and edges.dtype.kind in "iuf" and len(edges) > 0
    return is_real and bool(np.isfinite(edges).all() and (edges[:-1] < edges[1:]).all())
