"""Hashed columns: features by the hash of a value, in a width that never grows, and without a vocabulary."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from fastfm_ext._common.arrays import MAX_INT32, AnyArray, Float32, Int32, Int64
from fastfm_ext._tables.column import ArrayColumn
from fastfm_ext._tables.texts import murmur3
from fastfm_ext._tables.vocabulary import Vocabulary
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
from fastfm_ext.encoding.columns.collisions import HashCollisions, HashedValues
from fastfm_ext.encoding.columns.multi import check_separator, entries_of_cells
from fastfm_ext.encoding.columns.statistics import seen_values

_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, repr=False)
class Hashed(SingleColumn):
    """A fixed number of features, which values share by their hash."""

    written_as: ClassVar[str] = "hashed"
    always_shown: ClassVar[tuple[str, ...]] = ("n_features",)
    n_features: int = 2**18
    signed: bool = False
    sep: str | None = None
    missing: Missing = "ignore"

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.n_features) is not int or not 1 <= self.n_features < MAX_INT32:
            raise ValueError(
                f"n_features of hashed({self.column!r}) must be an integer from 1 to {MAX_INT32 - 1}, "
                f"got {self.n_features!r}"
            )
        if not isinstance(self.signed, bool):
            raise ValueError(f"signed of hashed({self.column!r}) must be True or False, got {self.signed!r}")
        check_separator(self)
        self._check_choice("missing", Missing)

    def statistics(self, columns: ColumnsByName) -> HashedValues:
        """Hash the values, to know how many of them share features."""
        column = columns[self.column]
        coded = column.coded if self.sep is None else column.cells(self.sep).tokens
        present = coded._replace(codes=coded.codes[coded.codes >= 0])
        return HashedValues.of(murmur3(Vocabulary(seen_values(present)).labels()))

    def decide(self, statistics: Any) -> "FittedHashed":
        """Give a feature to each hash."""
        return FittedHashed(self, statistics if isinstance(statistics, HashedValues) else None)

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedHashed":
        """Undo `FittedColumn.state`."""
        return FittedHashed(self, HashedValues.restored(arrays["hashes"]) if "hashes" in arrays else None)


@dataclass(frozen=True)
class FittedHashed(FittedColumn):
    """One feature for each hash, and one for the missing if wanted.

    `seen` are the values of all calls of fit; None for encoders of earlier files.
    """

    spec: Hashed
    seen: HashedValues | None = field(default=None, compare=False)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.spec.n_features + (self.spec.missing == "feature")

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row: one, or minus one, at its value's hash."""
        column = columns[self.spec.column]
        if self.spec.sep is None:
            codes, values, _ = column.coded
            of_values, signs = self._features(values, features)
            weights = np.concatenate((np.ones(1, np.float32), signs)) if self.spec.signed else None
            return Entries(EntryKind.ONE, codes, of_values, values=weights)
        cells = column.cells(self.spec.sep)
        # Weights of values with one hash are added, as scikit-learn does it.
        return entries_of_cells(cells, *self._features(cells.tokens.values, features))

    def _features(self, values: AnyArray, features: Int32) -> tuple[Int32, Float32]:
        """Return the features (n + 1,) of a missing value and of n values, and the signs (n,) of these."""
        positions, signs = self._positions(values)
        return features_at(features, np.append(self._missing_position, positions)), signs

    def _positions(self, values: AnyArray) -> tuple[Int64, Float32]:
        """Return position (n,) and sign (n,) of every value."""
        hashes = murmur3(Vocabulary(values).labels())
        signs = np.where(hashes < 0, -1, 1) if self.spec.signed else np.ones(len(hashes))
        return self._positions_of(hashes), signs.astype(np.float32)

    def _positions_of(self, hashes: Int32) -> Int64:
        """Return the position (n,) of every hash (n,)."""
        size = self.spec.n_features
        magnitude = np.abs(hashes.astype(np.int64))
        # As scikit-learn does it, since the least number has no absolute value in 32 bits.
        positions: Int64 = np.where(hashes == _INT32.min, _INT32.max - (size - 1), magnitude) % size
        return positions

    def grown(self, statistics: Any) -> Self:
        """Count new values; there are no new features."""
        if self.seen is None or not isinstance(statistics, HashedValues):
            return self
        return replace(self, seen=self.seen.joined(statistics))

    @property
    def collisions(self) -> HashCollisions | None:
        """How the values that have been seen share features, if anybody has counted them."""
        return None if self.seen is None else self.seen.collisions(self._positions_of, self.spec.n_features)

    @property
    def _missing_position(self) -> int:
        return self.spec.n_features if self.spec.missing == "feature" else -1

    def labels(self) -> list[str]:
        """Name every feature ``column#hash``."""
        names = [f"{self.spec.column}#{hash_}" for hash_ in range(self.spec.n_features)]
        return names + [f"{self.spec.column}=<missing>"] * (self.spec.missing == "feature")

    def feature(self, position: int) -> Feature:
        """Describe the feature at a position."""
        if position == self._missing_position:
            return Feature(self.spec.column, "missing", None)
        return Feature(self.spec.column, "hash", position)

    def position(self, value: Any) -> int:
        """Return the position of a value's feature, or -1."""
        codes, values, _ = ArrayColumn(self.spec.column, [value]).coded
        return int(self._positions(values)[0][0]) if codes[0] >= 0 else self._missing_position

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {} if self.seen is None else {"hashes": self.seen.hashes}
