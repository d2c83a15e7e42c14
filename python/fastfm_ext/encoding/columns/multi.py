"""Multi-valued columns: a feature for each distinct value, several of them in a row."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Bools, Float32, Int32, Int64
from fastfm_ext._tables.column import Cells
from fastfm_ext.encoding.assemble import Entries, EntryKind, tidy_cells
from fastfm_ext.encoding.columns.base import ColumnsByName, features_at
from fastfm_ext.encoding.columns.categorical import FittedLevels, WithLevels
from fastfm_ext.encoding.columns.levels import Levels, counts_of
from fastfm_ext.encoding.columns.statistics import Counts

Norm = Literal["l2", "l1"]


@dataclass(frozen=True, repr=False)
class Multi(WithLevels):
    """One feature for each distinct value of a column with several values a cell."""

    written_as: ClassVar[str] = "multi"
    always_shown: ClassVar[tuple[str, ...]] = ("sep", "norm")
    sep: str | None = "|"
    norm: Norm | None = "l2"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_separator(self)
        check_norm(self)

    def statistics(self, columns: ColumnsByName) -> Counts:
        """Count the rows of each value."""
        return _counted_tokens(columns[self.column].cells(self.sep))

    def decide(self, statistics: Counts) -> "FittedMulti":
        """Give a feature to each value that is frequent enough."""
        return FittedMulti(self, Levels.learn(self.level_options, statistics.values, statistics.counts))

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedMulti":
        """Undo `FittedColumn.state`."""
        return FittedMulti(self, Levels.restore(self.level_options, meta, arrays))


def check_separator(spec: Any) -> None:
    """Raise ValueError unless `sep` of a spec is a string that is not empty, or None."""
    if spec.sep is not None and (not isinstance(spec.sep, str) or not spec.sep):
        raise ValueError(
            f"sep of {spec.written_as}({spec.name!r}) must be a non-empty string or None, got {spec.sep!r}"
        )


def check_norm(spec: Any) -> None:
    """Raise ValueError unless `norm` of a spec is one."""
    if spec.norm is not None and spec.norm not in get_args(Norm):
        raise ValueError(f"norm of {spec.written_as}({spec.column!r}) must be 'l2', 'l1' or None, got {spec.norm!r}")


def weights_of_cells(counts: Int64, norm: Norm | None) -> Float32 | None:
    """Return the weight (sum(counts),) of every entry of cells with so many features (n_cells,); None for ones."""
    if norm is None:
        return None
    power = 0.5 if norm == "l2" else 1.0
    weights = (np.maximum(counts, 1) ** -power).astype(np.float32)
    return np.repeat(weights, counts)


def _counted_tokens(cells: Cells) -> Counts:
    """Return the distinct tokens but the empty one, and in how many rows each stands, repeats included."""
    codes, values, _ = cells.tokens
    rows_of_cell = counts_of(cells.codes, len(cells.lengths))
    rows_of_token = np.repeat(rows_of_cell, cells.lengths).astype(np.float64)
    counts = np.bincount(codes + 1, weights=rows_of_token, minlength=len(values) + 1)[1:].astype(np.intp)
    counts[is_empty_text(values)] = 0
    return Counts.of_values(values, counts)


def is_empty_text(values: AnyArray) -> Bools:
    """Return the mask (n,) of empty strings."""
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.fromiter((isinstance(value, str) and not value for value in values), dtype=bool, count=len(values))


@dataclass(frozen=True)
class FittedMulti(FittedLevels):
    """Several features a row."""

    spec: Multi
    levels: Levels

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every distinct cell once; the rows only refer to them."""
        cells = columns[self.spec.column].cells(self.spec.sep)
        positions = np.append(self.levels.missing_position, self._find(cells.tokens.values))
        entries = entries_of_cells(cells, features_at(features, positions))
        assert entries.indptr is not None
        return entries._replace(values=weights_of_cells(np.diff(entries.indptr), self.spec.norm))


def entries_of_cells(cells: Cells, features: Int32, weights: Float32 | None = None) -> Entries:
    """Return the entries of cells with several values.

    Parameters
    ----------
    cells : Cells
    features : int32 ndarray of shape (n_values + 1,)
        That of a missing cell, then that of each distinct value, -1 for none.
    weights : float32 ndarray of shape (n_values,), optional
        Of the distinct values; added up where values of a cell share a feature. Without, a feature counts once.
    """
    missing, of_values = features[:1], features[1:].copy()
    of_values[is_empty_text(cells.tokens.values)] = -1
    codes = cells.tokens.codes
    of_tokens = np.concatenate((missing, np.append(of_values, np.int32(-1))[codes]))
    weights_of_tokens = None
    if weights is not None:
        weights_of_tokens = np.concatenate((np.ones(1, np.float32), np.append(weights, np.float32(0))[codes]))
    indptr, kept, sums = tidy_cells(np.concatenate(([1], cells.lengths)), of_tokens, weights_of_tokens)
    cell_codes = _without_empty(cells) if missing[0] >= 0 else cells.codes
    return Entries(EntryKind.SEVERAL, cell_codes, kept, indptr, sums)


def _without_empty(cells: Cells) -> Int32:
    """Return the cell (n_rows,) of each row, -1 also for a cell that holds no token."""
    is_token = np.append(~is_empty_text(cells.tokens.values), False)[cells.tokens.codes]
    cell_of_token = np.repeat(np.arange(len(cells.lengths)), cells.lengths)
    n_tokens = np.bincount(cell_of_token[is_token], minlength=len(cells.lengths))
    kept = np.where(n_tokens > 0, np.arange(len(cells.lengths)), -1)
    return np.append(kept, -1).astype(np.int32)[cells.codes]
