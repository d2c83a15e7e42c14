"""Several columns as one: a feature for each combination of their values."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Int32
from fastfm_ext._tables.coding import Block, BlockKind, Coded, code_ints
from fastfm_ext._tables.column import ArrayColumn
from fastfm_ext._tables.vocabulary import Vocabulary
from fastfm_ext.encoding.columns.base import (
    Columns,
    ColumnSpec,
    Feature,
    FittedColumn,
    Missing,
    State,
    Unknown,
    check_column_name,
    numbers_at,
)
from fastfm_ext.encoding.columns.categorical import check_level_options, counts_of
from fastfm_ext.encoding.columns.levels import LevelOptions, Levels

# A pair of positions, each below 2^31, as one number.
_SHIFT = 32


@dataclass(frozen=True, repr=False)
class Crossed(ColumnSpec):
    """One feature for each combination of the columns' values that occurs."""

    written_as: ClassVar[str] = "crossed"
    crossed_columns: tuple[str, ...]
    min_count: int = 1
    missing: Missing = "ignore"
    unknown: Unknown = "ignore"

    def __post_init__(self) -> None:
        # Lists come from JSON.
        object.__setattr__(self, "crossed_columns", tuple(self.crossed_columns))
        for name in self.crossed_columns:
            check_column_name(name)
        if len(self.crossed_columns) < 2 or len(set(self.crossed_columns)) != len(self.crossed_columns):
            raise ValueError(f"crossed needs two columns or more, each once, got {self.crossed_columns!r}")
        check_level_options(self)

    @property
    def name(self) -> str:
        """Name of the field."""
        return "*".join(self.crossed_columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it is made of."""
        return self.crossed_columns

    @property
    def level_options(self) -> LevelOptions:
        """The options that say which combinations have features."""
        return LevelOptions(self.min_count, self.missing, self.unknown)

    def fit(self, columns: Columns) -> "FittedCrossed":
        """Learn the combinations."""
        nothing = Vocabulary(np.empty(0, dtype=object))
        parts, pairs = [nothing] * len(self.columns), [nothing] * (len(self.columns) - 2)
        levels = Levels.learn(self.level_options, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        return FittedCrossed(self, parts, pairs, levels).grown(columns)

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedCrossed":
        """Undo `FittedColumn.state`."""
        tables = [
            Vocabulary.from_arrays(form, _own(arrays, f"table_{number}_")) for number, form in enumerate(meta["forms"])
        ]
        n_parts = len(self.columns)
        if len(tables) != 2 * n_parts - 2:
            raise ValueError(f"{self.name!r} has {len(tables)} tables of values, {2 * n_parts - 2} are needed")
        levels = Levels.restore(self.level_options, meta, _own(arrays, "levels_"))
        fitted = FittedCrossed(self, tables[:n_parts], tables[n_parts:], levels)
        fitted.check()
        return fitted


def _own(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class FittedCrossed(FittedColumn):
    """A feature for each combination.

    Positions of the first two columns make a number; this number's position in ``pairs[0]`` and that of the third
    column make the next, and so on. The last numbers are the values of `levels`.

    Attributes
    ----------
    parts : list of Vocabulary
        Values of each column.
    pairs : list of Vocabulary
        Combinations of the first two columns, the first three, and so on, but not of all.
    """

    spec: Crossed
    parts: list[Vocabulary]
    pairs: list[Vocabulary]
    levels: Levels

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.levels)

    def block(self, columns: Columns, numbers: Int32) -> Block:
        """Encode every row: a one at its combination's feature."""
        keys, positions = self._positions(columns)
        unknown = [self.levels.unknown_position]
        table = np.concatenate(([self.levels.missing_position], positions, unknown))
        return Block(BlockKind.ONE, keys, numbers_at(numbers, table))

    def _positions(self, columns: Columns) -> tuple[Int32, NDArray[np.int64]]:
        """Return codes of the combinations, one behind the last for those of unknown values; and their positions."""
        coded, is_missing, is_known = self._keys(columns)
        codes = np.where(is_known, coded.codes, np.int32(len(coded.values)))
        codes[is_missing] = -1
        return codes, self.levels.find(coded.values)

    def _keys(self, columns: Columns) -> tuple[Coded, NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the combinations' numbers, and which rows miss a value or hold one that no combination can have."""
        at, is_missing = self._at(columns, 0)
        for number in range(1, len(self.parts)):
            other, other_missing = self._at(columns, number)
            is_missing |= other_missing
            is_known = (at >= 0) & (other >= 0)
            keys = (at << _SHIFT) | other
            codes, first = code_ints(keys, is_known.view(np.uint8))
            values = keys[first]
            if number < len(self.parts) - 1:
                at = np.append(self.pairs[number - 1].find(values), -1)[codes]
        return Coded(codes, values), is_missing, is_known

    def _at(self, columns: Columns, number: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the position of each row's value, -1 if it has none, and whether it is missing."""
        codes, values, _ = columns[self.spec.columns[number]].coded
        return np.append(self.parts[number].find(values), -1)[codes], codes < 0

    def grown(self, columns: Columns) -> "FittedCrossed":
        """Learn new combinations."""
        coded = [columns[name].coded for name in self.spec.columns]
        # A value counts only where no other column is missing.
        complete = np.logical_and.reduce([codes >= 0 for codes, _, _ in coded])
        parts = []
        for (codes, values, _), part in zip(coded, self.parts, strict=True):
            parts.append(part.grown(values[counts_of(codes[complete], len(values)) > 0]))
        grown = FittedCrossed(self.spec, parts, list(self.pairs), self.levels)
        for number in range(len(self.pairs)):
            shorter = FittedCrossed(self.spec, parts[: number + 2], grown.pairs[:number], self.levels)
            found, is_missing, _ = shorter._keys(columns)
            used = counts_of(found.codes[complete & ~is_missing], len(found.values)) > 0
            grown.pairs[number] = self.pairs[number].grown(found.values[used])
        found, _, _ = grown._keys(columns)
        counts = counts_of(found.codes[complete], len(found.values))
        return FittedCrossed(self.spec, parts, grown.pairs, self.levels.grown(found.values, counts))

    def check(self) -> None:
        """Raise ValueError unless every combination is one of known values."""
        sizes = [len(self.parts[0]), *map(len, self.pairs)]
        last = (sizes[-1], self.parts[-1], self.levels.rare.values)
        keys = [*(pair.values for pair in self.pairs), self.levels.vocabulary.values]
        for size, part, values in [*zip(sizes, self.parts[1:], keys, strict=True), last]:
            if not len(values):
                continue
            if values.dtype != np.int64 or (values < 0).any():
                raise ValueError(f"combinations of {self.spec.name!r} of the type {values.dtype}")
            if (values >> _SHIFT).max() >= size or (values & (2**_SHIFT - 1)).max() >= len(part):
                raise ValueError(f"a combination of {self.spec.name!r} names a value that is not there")

    def _places(self, place: int) -> list[int]:
        """Return the position of each column's value in the combination at this place of the vocabulary."""
        places = []
        for table in [self.levels.vocabulary, *reversed(self.pairs)]:
            key = int(table.values[place])
            places.append(key & (2**_SHIFT - 1))
            place = key >> _SHIFT
        return [place, *reversed(places)]

    def labels(self) -> list[str]:
        """Name every feature ``a=1*b=x``."""
        named = zip(self.spec.columns, self.parts, strict=True)
        parts = [[f"{name}={label}" for label in part.labels()] for name, part in named]
        shared = [f"{self.spec.name}=<{name}>" for name in self.levels.options.shared]
        combinations = (self._places(place) for place in range(len(self.levels.vocabulary)))
        return shared + ["*".join(part[p] for part, p in zip(parts, places, strict=True)) for places in combinations]

    def feature(self, position: int) -> Feature:
        """Return what a position stands for."""
        kind, place = self.levels.place(position)
        if place < 0:
            return Feature(self.spec.name, kind, None)  # type: ignore[arg-type]
        values = zip(self.parts, self._places(place), strict=True)
        return Feature(self.spec.name, "value", tuple(part.values[p : p + 1].tolist()[0] for part, p in values))

    def position(self, value: Any) -> int:
        """Return where a tuple of values is encoded, -1 for nowhere."""
        if not isinstance(value, tuple | list) or len(value) != len(self.parts):
            raise TypeError(f"a value of {self.spec.name!r} is a tuple of {len(self.parts)} values, got {value!r}")
        columns = {name: ArrayColumn(name, [v]) for name, v in zip(self.spec.columns, value, strict=True)}
        codes, positions = self._positions(columns)
        table = [*positions.tolist(), self.levels.unknown_position, self.levels.missing_position]
        return int(table[codes[0]])

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        forms: list[str] = []
        arrays: dict[str, NDArray[Any]] = {}
        for number, table in enumerate([*self.parts, *self.pairs]):
            try:
                form, own = table.to_arrays()
            except TypeError as error:
                raise TypeError(f"column {self.spec.columns[number]!r}: {error}") from None
            forms.append(form)
            arrays |= {f"table_{number}_{name}": array for name, array in own.items()}
        meta, own = self.levels.state()
        arrays |= {f"levels_{name}": array for name, array in own.items()}
        return {"forms": forms, **meta}, arrays
