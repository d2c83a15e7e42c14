"""Columns with one value a cell, and with several."""

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Int32
from fastfm_ext._tables.coding import Block, BlockKind, Coded, tidy_cells
from fastfm_ext._tables.column import ArrayColumn, Cells
from fastfm_ext._tables.vocabulary import kind_of
from fastfm_ext.encoding.columns.base import (
    Columns,
    Feature,
    FittedColumn,
    Missing,
    SingleColumn,
    State,
    Unknown,
    numbers_at,
)
from fastfm_ext.encoding.columns.levels import LevelOptions, Levels

Norm = Literal["l2", "l1"]


def counts_of(codes: Int32, n_values: int) -> NDArray[np.intp]:
    """Return how many rows have each value."""
    return np.bincount(codes + 1, minlength=n_values + 1)[1:]


def counted(coded: Coded, options: LevelOptions) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct values, and how many rows have each: 1 for any number of rows, where no more is asked."""
    if options.min_count <= 1 and coded.all_used:
        return coded.values, np.ones(len(coded.values), dtype=np.intp)
    return coded.values, counts_of(coded.codes, len(coded.values))


@dataclass(frozen=True, repr=False)
class WithLevels(SingleColumn):
    """A spec whose features are values of the column."""

    min_count: int = 1
    missing: Missing = "ignore"
    unknown: Unknown = "ignore"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_level_options(self)

    @property
    def level_options(self) -> LevelOptions:
        """The options that say which values have features."""
        return LevelOptions(self.min_count, self.missing, self.unknown)


def check_level_options(spec: Any) -> None:
    """Raise ValueError unless `min_count`, `missing` and `unknown` of a spec are possible and fit each other."""
    if type(spec.min_count) is not int or spec.min_count < 1:
        raise ValueError(
            f"min_count of {spec.written_as}({spec.name!r}) must be a positive integer, got {spec.min_count!r}"
        )
    spec._check_choice("missing", Missing)
    spec._check_choice("unknown", Unknown)
    if spec.unknown == "rare" and spec.min_count == 1:
        raise ValueError(
            f"unknown='rare' of {spec.written_as}({spec.name!r}) needs min_count above 1: without it no value is rare"
        )


@dataclass(frozen=True, repr=False)
class Categorical(WithLevels):
    """One feature for each distinct value; what a plain string means."""

    written_as: ClassVar[str] = "categorical"

    def fit(self, columns: Columns) -> "FittedCategorical":
        """Learn the distinct values."""
        options = self.level_options
        return FittedCategorical(self, Levels.learn(options, *counted(columns[self.column].coded, options)))

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedCategorical":
        """Undo `FittedColumn.state`."""
        return FittedCategorical(self, Levels.restore(self.level_options, meta, arrays))


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
        if self.norm is not None and self.norm not in get_args(Norm):
            raise ValueError(f"norm of multi({self.column!r}) must be 'l2', 'l1' or None, got {self.norm!r}")

    def fit(self, columns: Columns) -> "FittedMulti":
        """Learn the distinct values."""
        cells = columns[self.column].cells(self.sep)
        return FittedMulti(self, Levels.learn(self.level_options, *_counted_tokens(cells)))

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedMulti":
        """Undo `FittedColumn.state`."""
        return FittedMulti(self, Levels.restore(self.level_options, meta, arrays))


def check_separator(spec: Any) -> None:
    """Raise ValueError unless `sep` of a spec is a string that is not empty, or None."""
    if spec.sep is not None and (not isinstance(spec.sep, str) or not spec.sep):
        raise ValueError(
            f"sep of {spec.written_as}({spec.name!r}) must be a non-empty string or None, got {spec.sep!r}"
        )


def _counted_tokens(cells: Cells) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the distinct tokens but the empty one, and in how many rows each stands, repeats included."""
    codes, values, _ = cells.tokens
    rows_of_cell = counts_of(cells.codes, len(cells.lengths))
    rows_of_token = np.repeat(rows_of_cell, cells.lengths).astype(np.float64)
    counts = np.bincount(codes + 1, weights=rows_of_token, minlength=len(values) + 1)[1:].astype(np.intp)
    counts[is_empty_text(values)] = 0
    return values, counts


def is_empty_text(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark empty strings."""
    if values.dtype.kind != "O":
        return np.zeros(len(values), dtype=bool)
    return np.fromiter((isinstance(value, str) and not value for value in values), dtype=bool, count=len(values))


class FittedLevels(FittedColumn):
    """What columns of single and of several values share."""

    spec: WithLevels
    levels: Levels

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.levels)

    def labels(self) -> list[str]:
        """Name every feature ``column=value``, the shared ones ``column=<rare>`` and the like."""
        shared = [f"{self.spec.name}=<{name}>" for name in self.levels.options.shared]
        return shared + [f"{self.spec.name}={label}" for label in self.levels.vocabulary.labels()]

    def feature(self, position: int) -> Feature:
        """Return what a position stands for."""
        kind, place = self.levels.place(position)
        if place < 0:
            return Feature(self.spec.name, kind, None)  # type: ignore[arg-type]
        return Feature(self.spec.name, "value", self.levels.vocabulary.values[place : place + 1].tolist()[0])

    def position(self, value: Any) -> int:
        """Return where a value is encoded, -1 for nowhere."""
        codes, values, _ = ArrayColumn(self.spec.name, [value]).coded
        return int(self.levels.find(values)[0]) if codes[0] >= 0 else self.levels.missing_position

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        try:
            return self.levels.state()
        except TypeError as error:
            raise TypeError(f"column {self.spec.name!r}: {error}") from None

    def _find(self, values: NDArray[Any]) -> NDArray[np.int64]:
        found = self.levels.find(values)
        vocabulary = self.levels.vocabulary
        if len(found) and len(vocabulary) and (vocabulary.find(values[:1]) < 0).all():
            fitted, kind = vocabulary.kind, kind_of(values)
            if fitted != kind and "mixed" not in (fitted, kind) and (vocabulary.find(values) < 0).all():
                warnings.warn(
                    f"column {self.spec.name!r} held {fitted} when the encoder was fitted and holds {kind} now: "
                    "no value can match, so all count as unknown; convert the column to the same type",
                    UserWarning,
                    stacklevel=2,
                )
        return found


@dataclass(frozen=True)
class FittedCategorical(FittedLevels):
    """One feature a row."""

    spec: Categorical
    levels: Levels

    def block(self, columns: Columns, numbers: Int32) -> Block:
        """Encode every row: a one at its value's feature."""
        codes, values, _ = columns[self.spec.column].coded
        positions = np.concatenate(([self.levels.missing_position], self._find(values)))
        return Block(BlockKind.ONE, codes, numbers_at(numbers, positions))

    def grown(self, columns: Columns) -> "FittedCategorical":
        """Learn new values."""
        found = counted(columns[self.spec.column].coded, self.levels.options)
        return replace(self, levels=self.levels.grown(*found))


@dataclass(frozen=True)
class FittedMulti(FittedLevels):
    """Several features a row."""

    spec: Multi
    levels: Levels

    def block(self, columns: Columns, numbers: Int32) -> Block:
        """Encode every distinct cell once; the rows only refer to them."""
        cells = columns[self.spec.column].cells(self.spec.sep)
        positions = self._find(cells.tokens.values)
        positions[is_empty_text(cells.tokens.values)] = -1
        of_token = np.append(numbers_at(numbers, positions), np.int32(-1))
        missing = numbers_at(numbers, np.array([self.levels.missing_position]))
        # Cell 0 is that of a missing value.
        features = np.concatenate((missing, of_token[cells.tokens.codes]))
        indptr, features, _ = tidy_cells(np.concatenate(([1], cells.lengths)), features)
        codes = cells.codes
        if missing[0] >= 0:
            codes = without_empty(cells)
        return Block(BlockKind.SEVERAL, codes, features, indptr, self._weights(np.diff(indptr)))

    def grown(self, columns: Columns) -> "FittedMulti":
        """Learn new values."""
        return replace(self, levels=self.levels.grown(*_counted_tokens(columns[self.spec.column].cells(self.spec.sep))))

    def _weights(self, counts: NDArray[np.int64]) -> Float32 | None:
        """Return the weight of every entry of cells with so many features; None for ones."""
        if self.spec.norm is None:
            return None
        power = 0.5 if self.spec.norm == "l2" else 1.0
        weights = (np.maximum(counts, 1) ** -power).astype(np.float32)
        return np.repeat(weights, counts)


def without_empty(cells: Cells) -> Int32:
    """Return the codes of cells, with those that hold no token as missing."""
    is_token = np.append(~is_empty_text(cells.tokens.values), False)[cells.tokens.codes]
    cell_of_token = np.repeat(np.arange(len(cells.lengths)), cells.lengths)
    n_tokens = np.bincount(cell_of_token[is_token], minlength=len(cells.lengths))
    place = np.where(n_tokens > 0, np.arange(len(cells.lengths)), -1)
    return np.append(place, -1).astype(np.int32)[cells.codes]
