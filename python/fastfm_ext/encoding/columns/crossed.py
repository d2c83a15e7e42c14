"""Crossed columns: a feature for each combination of several columns' values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Bools, Int32, Int64
from fastfm_ext._tables.coding import Coded, code_ints
from fastfm_ext._tables.column import ArrayColumn
from fastfm_ext._tables.vocabulary import Vocabulary
from fastfm_ext.encoding.assemble import Entries, EntryKind
from fastfm_ext.encoding.columns.base import (
    ColumnsByName,
    ColumnSpec,
    Feature,
    FittedColumn,
    Missing,
    State,
    Unknown,
    arrays_under,
    check_column_name,
    features_at,
)
from fastfm_ext.encoding.columns.categorical import check_found
from fastfm_ext.encoding.columns.levels import LevelOptions, Levels, check_level_options
from fastfm_ext.encoding.columns.statistics import Counts, seen_values

# A pair of codes, each below 2^31, as one number.
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

    def statistics(self, columns: ColumnsByName) -> Counts:
        """Count the rows of each combination."""
        return Counts.of_combinations([columns[name].coded for name in self.columns])

    def decide(self, statistics: Counts) -> "FittedCrossed":
        """Give a feature to each combination that is frequent enough."""
        nothing = Vocabulary(np.empty(0, dtype=object))
        parts, pairs = [nothing] * len(self.columns), [nothing] * (len(self.columns) - 2)
        levels = Levels.learn(self.level_options, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        return FittedCrossed(self, parts, pairs, levels).grown(statistics)

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedCrossed":
        """Undo `FittedColumn.state`."""
        vocabularies = [
            Vocabulary.from_arrays(form, arrays_under(arrays, f"table_{number}_"))
            for number, form in enumerate(meta["forms"])
        ]
        n_parts = len(self.columns)
        if len(vocabularies) != 2 * n_parts - 2:
            raise ValueError(f"{self.name!r} has {len(vocabularies)} tables of values, {2 * n_parts - 2} are needed")
        levels = Levels.restore(self.level_options, meta, arrays_under(arrays, "levels_"))
        fitted = FittedCrossed(self, vocabularies[:n_parts], vocabularies[n_parts:], levels)
        fitted.check()
        return fitted


@dataclass(frozen=True)
class FittedCrossed(FittedColumn):
    """A feature for each combination.

    Codes of the first two columns make a number, a key; this key's code in ``pairs[0]`` and that of the third column
    make the next key, and so on. The last keys are the values of `levels`.

    Attributes
    ----------
    parts : list of Vocabulary
        Values of each column.
    pairs : list of Vocabulary
        Keys of the first two columns, the first three, and so on, but not of all.
    """

    spec: Crossed
    parts: list[Vocabulary]
    pairs: list[Vocabulary]
    levels: Levels

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.levels)

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row: a one at its combination's feature."""
        codes, positions = self._coded(columns)
        return Entries(EntryKind.ONE, codes, features_at(features, np.append(self.levels.missing_position, positions)))

    def _coded(self, columns: ColumnsByName) -> tuple[Int32, Int64]:
        """Return the code (n_rows,) of each row's combination, and the position (n_codes,) of each code.

        The last code is that of a combination with an unknown value; -1 stands for one with a missing value.
        """
        keys, is_missing, is_known = self._keys([columns[name].coded for name in self.spec.columns])
        codes = np.where(is_known, keys.codes, np.int32(len(keys.values)))
        codes[is_missing] = -1
        return codes, np.append(self.levels.find(keys.values), self.levels.unknown_position)

    def _keys(self, columns: Sequence[Coded]) -> tuple[Coded, Bools, Bools]:
        """Return the rows' keys, and which rows (n_rows,) miss a value, and which hold no unknown one."""
        found, is_missing = self._found(columns[0], 0)
        for number in range(1, len(self.parts)):
            other, other_missing = self._found(columns[number], number)
            is_missing |= other_missing
            is_known = (found >= 0) & (other >= 0)
            keys = (found << _SHIFT) | other
            codes, first = code_ints(keys, is_known.view(np.uint8))
            values = keys[first]
            if number < len(self.parts) - 1:
                found = np.append(self.pairs[number - 1].find(values), -1)[codes]
        return Coded(codes, values), is_missing, is_known

    def _found(self, column: Coded, number: int) -> tuple[Int64, Bools]:
        """Return the code (n_rows,) of each row's value among those known, -1 if it is none, and if it is missing."""
        codes, values, _ = column
        check_found(self.spec.columns[number], self.parts[number], values)
        return np.append(self.parts[number].find(values), -1)[codes], codes < 0

    def grown(self, statistics: Counts) -> "FittedCrossed":
        """Give features to new combinations."""
        columns, counts = statistics
        parts = [part.grown(seen_values(coded)) for part, coded in zip(self.parts, columns, strict=True)]
        grown = FittedCrossed(self.spec, parts, list(self.pairs), self.levels)
        for number in range(len(self.pairs)):
            shorter = FittedCrossed(self.spec, parts[: number + 2], grown.pairs[:number], self.levels)
            grown.pairs[number] = self.pairs[number].grown(shorter._keys(columns)[0].values)
        found, _, _ = grown._keys(columns)
        totals = np.zeros(len(found.values), dtype=np.int64)
        np.add.at(totals, found.codes, counts)
        return FittedCrossed(self.spec, parts, grown.pairs, self.levels.grown(found.values, totals))

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

    def _codes_of(self, code: int) -> list[int]:
        """Return the code of each column's value in the combination of this code."""
        codes = []
        for vocabulary in [self.levels.vocabulary, *reversed(self.pairs)]:
            key = int(vocabulary.values[code])
            codes.append(key & (2**_SHIFT - 1))
            code = key >> _SHIFT
        return [code, *reversed(codes)]

    def labels(self) -> list[str]:
        """Name every feature ``a=1*b=x``."""
        named = zip(self.spec.columns, self.parts, strict=True)
        parts = [[f"{name}={label}" for label in part.labels()] for name, part in named]
        shared = [f"{self.spec.name}=<{name}>" for name in self.levels.options.shared]
        combinations = (self._codes_of(code) for code in range(len(self.levels.vocabulary)))
        return shared + ["*".join(part[c] for part, c in zip(parts, codes, strict=True)) for codes in combinations]

    def feature(self, position: int) -> Feature:
        """Describe the feature at a position."""
        kind, code = self.levels.kind_and_code(position)
        if code < 0:
            return Feature(self.spec.name, kind, None)
        values = zip(self.parts, self._codes_of(code), strict=True)
        return Feature(self.spec.name, kind, tuple(part.value(c) for part, c in values))

    def position(self, value: Any) -> int:
        """Return where a tuple of values is encoded, -1 for nowhere."""
        if not isinstance(value, tuple | list) or len(value) != len(self.parts):
            raise TypeError(f"a value of {self.spec.name!r} is a tuple of {len(self.parts)} values, got {value!r}")
        columns = {name: ArrayColumn(name, [v]) for name, v in zip(self.spec.columns, value, strict=True)}
        codes, positions = self._coded(columns)
        return int(positions[codes[0]]) if codes[0] >= 0 else self.levels.missing_position

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        forms: list[str] = []
        arrays: dict[str, AnyArray] = {}
        for number, vocabulary in enumerate([*self.parts, *self.pairs]):
            try:
                form, own = vocabulary.to_arrays()
            except TypeError as error:
                raise TypeError(f"column {self.spec.columns[number]!r}: {error}") from None
            forms.append(form)
            arrays |= {f"table_{number}_{name}": array for name, array in own.items()}
        meta, own = self.levels.state()
        arrays |= {f"levels_{name}": array for name, array in own.items()}
        return {"forms": forms, **meta}, arrays
