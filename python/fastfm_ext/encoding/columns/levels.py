"""The values of a column as features: those that are frequent enough, and shared ones for all others."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._tables.vocabulary import Vocabulary, canonical
from fastfm_ext.encoding.columns.base import Missing, State, Unknown

# The shared features, in the order in which they stand before those of single values.
SHARED = ("rare", "missing", "unknown")


@dataclass(frozen=True)
class LevelOptions:
    """Which values get features: see `fastfm_ext.encoding.categorical`."""

    min_count: int = 1
    missing: Missing = "ignore"
    unknown: Unknown = "ignore"

    @property
    def shared(self) -> list[str]:
        """Names of the shared features."""
        wanted = {
            "rare": self.min_count > 1,
            "missing": self.missing == "feature",
            "unknown": self.unknown == "feature",
        }
        return [name for name in SHARED if wanted[name]]


@dataclass(frozen=True)
class Levels:
    """Positions of values: first the shared features, then the values of the vocabulary.

    Attributes
    ----------
    options : LevelOptions
    vocabulary : Vocabulary
        Values with a feature of their own.
    rare : Vocabulary
        Values that were seen less than `min_count` times.
    rare_counts : int64 ndarray of shape (len(rare),)
        How often each was seen.
    """

    options: LevelOptions
    vocabulary: Vocabulary
    rare: Vocabulary
    rare_counts: NDArray[np.int64]

    @classmethod
    def learn(cls, options: LevelOptions, values: NDArray[Any], counts: NDArray[np.integer[Any]]) -> "Levels":
        """Learn from distinct values that were seen `counts` times; 0 times is not seen."""
        nothing = Vocabulary(np.empty(0, dtype=object))
        return cls(options, nothing, nothing, np.zeros(0, dtype=np.int64)).grown(values, counts)

    def grown(self, values: NDArray[Any], counts: NDArray[np.integer[Any]]) -> "Levels":
        """Learn from more values; those that have features keep their positions."""
        seen = counts > 0
        if not seen.all():
            values, counts = canonical(values[seen]), counts[seen]
        if self.options.min_count <= 1:
            return replace(self, vocabulary=self.vocabulary.grown(values))
        is_new = self.vocabulary.find(values) < 0
        values, counts = values[is_new], counts[is_new]
        rare = self.rare.grown(values)
        total = np.zeros(len(rare), dtype=np.int64)
        total[: len(self.rare_counts)] = self.rare_counts
        np.add.at(total, rare.find(values), counts)
        is_frequent = total >= self.options.min_count
        vocabulary = self.vocabulary.grown(canonical(rare.values[is_frequent]))
        return Levels(self.options, vocabulary, Vocabulary(rare.values[~is_frequent]), total[~is_frequent])

    @property
    def n_shared(self) -> int:
        """Number of shared features."""
        return len(self.options.shared)

    def __len__(self) -> int:
        return self.n_shared + len(self.vocabulary)

    def shared_position(self, name: str) -> int:
        """Return the position of a shared feature, -1 if there is none."""
        return self.options.shared.index(name) if name in self.options.shared else -1

    @property
    def missing_position(self) -> int:
        """Position of a missing value, -1 if it has no feature."""
        return self.shared_position("missing")

    @property
    def unknown_position(self) -> int:
        """Position of an unknown value, -1 if it has no feature."""
        return self.shared_position("rare" if self.options.unknown == "rare" else "unknown")

    def find(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the position of each canonical value, -1 if it has no feature."""
        found = self.vocabulary.find(values)
        position = np.where(found >= 0, found + self.n_shared, self.unknown_position)
        if len(self.rare):
            position[(found < 0) & (self.rare.find(values) >= 0)] = self.shared_position("rare")
        return position

    def place(self, position: int) -> tuple[str, int]:
        """Return the name of a shared feature and -1, or ``"value"`` and the value's place in the vocabulary."""
        if position < self.n_shared:
            return self.options.shared[position], -1
        return "value", position - self.n_shared

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects.

        Raises
        ------
        TypeError
            If a value is not a str, int, float, bool or datetime.
        """
        form, arrays = self.vocabulary.to_arrays()
        if self.options.min_count <= 1:
            return {"form": form}, arrays
        rare_form, rare = self.rare.to_arrays()
        arrays = arrays | {f"rare_{name}": array for name, array in rare.items()} | {"rare_counts": self.rare_counts}
        return {"form": form, "rare_form": rare_form}, arrays

    @classmethod
    def restore(cls, options: LevelOptions, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Levels":
        """Undo `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a state that `state` did not make.
        """
        vocabulary = Vocabulary.from_arrays(meta["form"], arrays)
        if options.min_count <= 1:
            return cls(options, vocabulary, Vocabulary(np.empty(0, dtype=object)), np.zeros(0, dtype=np.int64))
        own = {name.removeprefix("rare_"): array for name, array in arrays.items() if name.startswith("rare_")}
        rare = Vocabulary.from_arrays(meta["rare_form"], own)
        counts = arrays["rare_counts"]
        if counts.dtype != np.int64 or counts.shape != (len(rare),):
            raise ValueError(f"{len(rare)} rare values with counts of shape {counts.shape} and type {counts.dtype}")
        return cls(options, vocabulary, rare, counts)
