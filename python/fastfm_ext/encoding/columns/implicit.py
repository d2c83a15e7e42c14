"""Implicit feedback as features: of each user the set of items in the fitted table, or of each item its users."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int32, Int64
from fastfm_ext._tables.column import ArrayColumn
from fastfm_ext._tables.vocabulary import Vocabulary
from fastfm_ext.encoding.assemble import Entries, EntryKind
from fastfm_ext.encoding.columns.base import (
    ColumnsByName,
    Feature,
    FittedColumn,
    SingleColumn,
    State,
    arrays_under,
    check_column_name,
)
from fastfm_ext.encoding.columns.categorical import check_found
from fastfm_ext.encoding.columns.multi import Norm, check_norm, weights_of_cells
from fastfm_ext.encoding.columns.statistics import Counts, seen_values

# An owner and a member of its set, each below 2^31, as one number.
_SHIFT = 32


@dataclass(frozen=True, repr=False)
class Implicit(SingleColumn):
    """A feature for each value of the column `of`; a row has those that stand beside its value of `column` in fit."""

    written_as: ClassVar[str] = "implicit"
    of: str = field(kw_only=True)
    norm: Norm | None = "l2"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_column_name(self.of)
        if self.of == self.column:
            raise ValueError(f"implicit({self.column!r}) needs another column for its sets, got of={self.of!r}")
        check_norm(self)

    @property
    def name(self) -> str:
        """Name of the field."""
        return f"{self.column} has {self.of}"

    @property
    def columns_to_fit(self) -> tuple[str, ...]:
        """Columns that fit reads."""
        return (self.column, self.of)

    def statistics(self, columns: ColumnsByName) -> Counts:
        """Find the pairs of a value and a member of its set."""
        return Counts.of_combinations([columns[self.column].coded, columns[self.of].coded])

    def decide(self, statistics: Counts) -> "FittedImplicit":
        """Take the sets, with a feature for each member."""
        nothing = Vocabulary(np.empty(0, dtype=object))
        no_sets = FittedImplicit(self, nothing, nothing, np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int32))
        return no_sets.grown(statistics)

    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedImplicit":
        """Undo `FittedColumn.state`."""
        owners, members = (
            Vocabulary.from_arrays(meta[part], arrays_under(arrays, f"{part}_")) for part in ("owners", "members")
        )
        fitted = FittedImplicit(self, owners, members, arrays["indptr"], arrays["positions"])
        fitted.check()
        return fitted


@dataclass(frozen=True)
class FittedImplicit(FittedColumn):
    """The set of each value of the column.

    Attributes
    ----------
    owners : Vocabulary
        Values of `column`, of length n_owners.
    members : Vocabulary
        Values of `of`; the features.
    indptr : int64 ndarray of shape (n_owners + 1,)
        Where the set of each owner begins.
    positions : int32 ndarray of shape (indptr[-1],)
        The sets, one after the other: codes of members, ascending in each.
    """

    spec: Implicit
    owners: Vocabulary
    members: Vocabulary
    indptr: Int64
    positions: Int32

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.members)

    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row: the set of its value, or nothing for a value without one."""
        codes, values, _ = columns[self.spec.column].coded
        check_found(self.spec.column, self.owners, values)
        owner_of = np.append(self.owners.find(values), -1).astype(np.int32)
        of_missing = np.zeros(1, dtype=np.int64)
        return Entries(
            EntryKind.SEVERAL,
            owner_of[codes],
            features[self.positions],
            np.concatenate((of_missing, self.indptr)),
            weights_of_cells(np.diff(self.indptr), self.spec.norm),
        )

    def grown(self, statistics: Counts) -> "FittedImplicit":
        """Put new members behind the old, and add to the sets of the old owners."""
        owners, members = statistics.columns
        known_owners = self.owners.grown(seen_values(owners))
        known_members = self.members.grown(seen_values(members))
        of_pairs = [
            known.find(coded.values)[coded.codes] for known, coded in ((known_owners, owners), (known_members, members))
        ]
        old_owners = np.repeat(np.arange(len(self.owners)), np.diff(self.indptr))
        pairs = np.sort(np.concatenate((old_owners << _SHIFT | self.positions, of_pairs[0] << _SHIFT | of_pairs[1])))
        pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])[: len(pairs)]]  # some versions of np.unique are slow
        indptr = np.searchsorted(pairs, np.arange(len(known_owners) + 1) << _SHIFT).astype(np.int64)
        positions = (pairs & (2**_SHIFT - 1)).astype(np.int32)
        return FittedImplicit(self.spec, known_owners, known_members, indptr, positions)

    def check(self) -> None:
        """Raise ValueError unless every set is one of known members."""
        name, indptr, positions = self.spec.name, self.indptr, self.positions
        if indptr.dtype != np.int64 or indptr.shape != (len(self.owners) + 1,) or positions.dtype != np.int32:
            raise ValueError(
                f"sets of {name!r} of the types {indptr.dtype} and {positions.dtype}, shape {indptr.shape}"
            )
        if positions.ndim != 1 or indptr[0] != 0 or indptr[-1] != len(positions) or (np.diff(indptr) < 0).any():
            raise ValueError(f"sets of {name!r} that do not fit the {len(positions)} members")
        if len(positions) and not (positions.min() >= 0 and positions.max() < len(self.members)):
            raise ValueError(f"a set of {name!r} names a value that is not there")
        ascends = np.diff(positions) > 0
        begins = indptr[1:-1]
        ascends[begins[(begins > 0) & (begins < len(positions))] - 1] = True
        if not ascends.all():
            raise ValueError(f"a set of {name!r} does not ascend")

    def labels(self) -> list[str]:
        """Name every feature ``user_id has item_id=value``."""
        return [f"{self.spec.name}={label}" for label in self.members.labels()]

    def feature(self, position: int) -> Feature:
        """Describe the feature at a position."""
        return Feature(self.spec.name, "value", self.members.value(position))

    def position(self, value: Any) -> int:
        """Return the position of a member's feature, or -1."""
        codes, values, _ = ArrayColumn(self.spec.of, [value]).coded
        return int(self.members.find(values)[0]) if codes[0] >= 0 else -1

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        meta: dict[str, Any] = {}
        arrays: dict[str, AnyArray] = {"indptr": self.indptr, "positions": self.positions}
        for part, vocabulary, column in (
            ("owners", self.owners, self.spec.column),
            ("members", self.members, self.spec.of),
        ):
            try:
                meta[part], own = vocabulary.to_arrays()
            except TypeError as error:
                raise TypeError(f"column {column!r}: {error}") from None
            arrays |= {f"{part}_{name}": array for name, array in own.items()}
        return meta, arrays
