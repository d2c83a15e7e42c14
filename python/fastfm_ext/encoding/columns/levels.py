"""Levels of a categorical column: features of its frequent values, and shared ones for all others."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import AnyArray, Int32, Int64
from fastfm_ext._tables.vocabulary import Vocabulary, canonical
from fastfm_ext.encoding.columns.base import FeatureKind, Missing, State, Unknown, arrays_under

# The shared features, in the order in which they stand before those of single values.
SHARED: tuple[FeatureKind, ...] = ("rare", "missing", "unknown")


@dataclass(frozen=True)
class LevelOptions:
    """Which values get features: see `fastfm_ext.encoding.categorical`."""

    min_count: int = 1
    missing: Missing = "ignore"
    unknown: Unknown = "ignore"

    @property
    def shared(self) -> list[FeatureKind]:
        """Kinds of the shared features."""
        wanted: dict[FeatureKind, bool] = {
            "rare": self.min_count > 1,
            "missing": self.missing == "feature",
            "unknown": self.unknown == "feature",
        }
        return [kind for kind in SHARED if wanted[kind]]


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
    rare_counts: Int64

    @classmethod
    def learn(cls, options: LevelOptions, values: AnyArray, counts: NDArray[np.integer[Any]]) -> "Levels":
        """Learn from distinct values (n,) that were seen `counts` (n,) times; 0 times is not seen."""
        nothing = Vocabulary(np.empty(0, dtype=object))
        return cls(options, nothing, nothing, np.zeros(0, dtype=np.int64)).grown(values, counts)

    def grown(self, values: AnyArray, counts: NDArray[np.integer[Any]]) -> "Levels":
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

    def shared_position(self, kind: FeatureKind) -> int:
        """Return the position of a shared feature, -1 if there is none."""
        return self.options.shared.index(kind) if kind in self.options.shared else -1

    @property
    def missing_position(self) -> int:
        """Position of a missing value, -1 if it has no feature."""
        return self.shared_position("missing")

    @property
    def unknown_position(self) -> int:
        """Position of an unknown value, -1 if it has no feature."""
        return self.shared_position("rare" if self.options.unknown == "rare" else "unknown")

    def find(self, values: AnyArray) -> Int64:
        """Return the position (n,) of each canonical value (n,), -1 if it has no feature."""
        codes = self.vocabulary.find(values)
        positions = np.where(codes >= 0, codes + self.n_shared, self.unknown_position)
        if len(self.rare):
            positions[(codes < 0) & (self.rare.find(values) >= 0)] = self.shared_position("rare")
        return positions

    def kind_and_code(self, position: int) -> tuple[FeatureKind, int]:
        """Return the kind of a shared feature and -1, or ``"value"`` and the value's code in the vocabulary."""
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
    def restore(cls, options: LevelOptions, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "Levels":
        """Undo `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a state that `state` did not make.
        """
        vocabulary = Vocabulary.from_arrays(meta["form"], arrays)
        if options.min_count <= 1:
            return cls(options, vocabulary, Vocabulary(np.empty(0, dtype=object)), np.zeros(0, dtype=np.int64))
        rare = Vocabulary.from_arrays(meta["rare_form"], arrays_under(arrays, "rare_"))
        counts = arrays["rare_counts"]
        if counts.dtype != np.int64 or counts.shape != (len(rare),):
            raise ValueError(f"{len(rare)} rare values with counts of shape {counts.shape} and type {counts.dtype}")
        return cls(options, vocabulary, rare, counts)


def counts_of(codes: Int32, n_values: int) -> NDArray[np.intp]:
    """Return how many rows have each value, shape (n_values,), from the codes (n_rows,)."""
    return np.bincount(codes + 1, minlength=n_values + 1)[1:]


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
