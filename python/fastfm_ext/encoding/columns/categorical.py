"""Categorical columns: a feature for each distinct value."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int32, Int64
from fastfm_ext._tables.coding import Coded
from fastfm_ext._tables.column import ArrayColumn
from fastfm_ext._tables.identity import TEXT, check_meeting, kinds_of, warn_apart
from fastfm_ext._tables.vocabulary import Vocabulary
from fastfm_ext.encoding.assemble import Entries, EntryKind
from fastfm_ext.encoding.columns.base import (
    ColumnsByName,
    Feature,
    FittedColumn,
    Missing,
    SingleColumn,
    State,
    Unknown,
    features_at,
)
from fastfm_ext.encoding.columns.levels import LevelOptions, Levels, check_level_options, counts_of
from fastfm_ext.encoding.columns.statistics import Counts

# Where the values stood that an encoder knows, for messages.
_PLACE = "that the encoder was fitted on"


def counted(coded: Coded, options: LevelOptions) -> Counts:
    """Return the distinct values, and how many rows have each; 1 for any number where that is enough."""
    if options.min_count <= 1 and coded.all_used:
        return Counts.of_values(coded.values, np.ones(len(coded.values), dtype=np.intp))
    return Counts.of_values(coded.values, counts_of(coded.codes, len(coded.values)))


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


@dataclass(frozen=True, repr=False)
class Categorical(WithLevels):
    """One feature for each distinct value; what a plain string means."""

    written_as: ClassVar[str] = "categorical"

    def statistics(self, columns: ColumnsByName) -> Counts:
        """Count the rows of each value."""
        return counted(columns[self.column].coded, self.level_options)

    def decide(self, statistics: Counts) -> "FittedCategorical":
        """Give a feature to each value that is frequent enough."""
        return FittedCategorical(self, Levels.learn(self.level_options, statistics.values, statistics.counts))

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedCategorical":
        """Undo `FittedColumn.state`."""
        return FittedCategorical(self, Levels.restore(self.level_options, meta, arrays))


@dataclass(frozen=True)
class FittedLevels(FittedColumn):
    """Base of fitted columns whose features are values, one a cell or several."""

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
        """Describe the feature at a position."""
        kind, code = self.levels.kind_and_code(position)
        if code < 0:
            return Feature(self.spec.name, kind, None)
        return Feature(self.spec.name, kind, self.levels.vocabulary.value(code))

    def grown(self, statistics: Counts) -> Self:
        """Give features to new values."""
        return replace(self, levels=self.levels.grown(statistics.values, statistics.counts))

    def position(self, value: Any) -> int:
        """Return the position of a value's feature, or -1."""
        codes, values, _ = ArrayColumn(self.spec.name, [value]).coded
        return int(self.levels.find(values)[0]) if codes[0] >= 0 else self.levels.missing_position

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        try:
            return self.levels.state()
        except TypeError as error:
            raise TypeError(f"column {self.spec.name!r}: {error}") from None

    def _find(self, values: AnyArray) -> Int64:
        check_found(self.spec.name, self.levels.vocabulary, values)
        return self.levels.find(values)


def check_found(column: str, vocabulary: Vocabulary, values: AnyArray) -> None:
    """Check that canonical values (n,) are of a kind that can be among those known.

    Raises
    ------
    ValueError
        If they are not.

    Warns
    -----
    UserWarning
        If they are integers and texts none of which can be the same.
    """
    # What is found is of the right kind; most columns show it with their first value.
    if not len(values) or not len(vocabulary) or vocabulary.find(values[:1])[0] >= 0:
        return
    what, held, given = f"column {column!r}", vocabulary.kinds, kinds_of(values)
    check_meeting(what, _PLACE, held, given)
    warn_apart(what, _PLACE, held, given, vocabulary.values if TEXT in held else values)


@dataclass(frozen=True)
class FittedCategorical(FittedLevels):
    """One feature a row."""

    spec: Categorical
    levels: Levels

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row: a one at its value's feature."""
        codes, values, _ = columns[self.spec.column].coded
        positions = np.concatenate(([self.levels.missing_position], self._find(values)))
        return Entries(EntryKind.ONE, codes, features_at(features, positions))
