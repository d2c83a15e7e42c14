"""Columns whose values are features by their hash: a width that never grows, and nothing to learn."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import MAX_INT32, Float32, Int32
from fastfm_ext._tables.coding import Block, BlockKind, murmur3, tidy_cells
from fastfm_ext._tables.column import ArrayColumn, Column
from fastfm_ext._tables.vocabulary import Vocabulary
from fastfm_ext.encoding.columns.base import Columns, Feature, FittedColumn, Missing, SingleColumn, State, numbers_at
from fastfm_ext.encoding.columns.categorical import check_separator, is_empty_text, without_empty

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

    def fit(self, columns: Columns) -> "FittedHashed":
        """Learn nothing."""
        return FittedHashed(self)

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedHashed":
        """Undo `FittedColumn.state`."""
        return FittedHashed(self)


@dataclass(frozen=True)
class FittedHashed(FittedColumn):
    """One feature for each hash, and one for the missing if wanted."""

    spec: Hashed

    @property
    def n_features(self) -> int:
        """Number of features."""
        return self.spec.n_features + (self.spec.missing == "feature")

    def block(self, columns: Columns, numbers: Int32) -> Block:
        """Encode every row: one, or minus one, at its value's hash."""
        column = columns[self.spec.column]
        if self.spec.sep is None:
            codes, values, _ = column.coded
            positions, signs = self._hashes(values)
            features = numbers_at(numbers, np.concatenate(([self._missing_position], positions)))
            weights = np.concatenate(([np.float32(1)], signs)) if self.spec.signed else None
            return Block(BlockKind.ONE, codes, features, values=weights)
        return self._block_of_cells(column, numbers)

    def _block_of_cells(self, column: Column, numbers: Int32) -> Block:
        cells = column.cells(self.spec.sep)
        positions, signs = self._hashes(cells.tokens.values)
        positions[is_empty_text(cells.tokens.values)] = -1
        missing = numbers_at(numbers, np.array([self._missing_position]))
        features = np.concatenate((missing, np.append(numbers_at(numbers, positions), -1)[cells.tokens.codes]))
        weights = np.concatenate(([np.float32(1)], np.append(signs, np.float32(0))[cells.tokens.codes]))
        # Weights of values with one hash are added, as scikit-learn does it.
        lengths = np.concatenate(([1], cells.lengths))
        tidy = tidy_cells(lengths, features.astype(np.int32), weights.astype(np.float32))
        codes = without_empty(cells) if missing[0] >= 0 else cells.codes
        indptr, features, sums = tidy
        return Block(BlockKind.SEVERAL, codes, features, indptr, sums)

    def _hashes(self, values: NDArray[Any]) -> tuple[NDArray[np.int64], Float32]:
        """Return position and sign of every value."""
        hashes = murmur3(Vocabulary(values).labels())
        size = self.spec.n_features
        magnitude = np.abs(hashes.astype(np.int64))
        # As scikit-learn does it: the least number has no positive one in 32 bits.
        positions = np.where(hashes == _INT32.min, _INT32.max - (size - 1), magnitude) % size
        signs = np.where(hashes < 0, -1, 1) if self.spec.signed else np.ones(len(hashes))
        return positions, signs.astype(np.float32)

    @property
    def _missing_position(self) -> int:
        return self.spec.n_features if self.spec.missing == "feature" else -1

    def labels(self) -> list[str]:
        """Name every feature ``column#hash``."""
        names = [f"{self.spec.column}#{hash_}" for hash_ in range(self.spec.n_features)]
        return names + [f"{self.spec.column}=<missing>"] * (self.spec.missing == "feature")

    def feature(self, position: int) -> Feature:
        """Return what a position stands for."""
        if position == self._missing_position:
            return Feature(self.spec.column, "missing", None)
        return Feature(self.spec.column, "hash", position)

    def position(self, value: Any) -> int:
        """Return where a value is encoded, -1 for nowhere."""
        codes, values, _ = ArrayColumn(self.spec.column, [value]).coded
        return int(self._hashes(values)[0][0]) if codes[0] >= 0 else self._missing_position

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {}
