"""Bases of all kinds of columns: the spec that a user writes, and the fitted column that encodes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, Self, get_args

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int32, Int64
from fastfm_ext._tables.column import Column
from fastfm_ext.encoding.assemble import Entries
from fastfm_ext.encoding.columns.statistics import Statistics

State = tuple[dict[str, Any], dict[str, AnyArray]]
ColumnsByName = Mapping[str, Column]
Missing = Literal["ignore", "feature"]
Unknown = Literal["ignore", "feature", "rare"]
FeatureKind = Literal["value", "number", "bin", "hash", "rare", "missing", "unknown"]


class Feature(NamedTuple):
    """What a feature of an encoded matrix stands for.

    Attributes
    ----------
    field : str
        Its field: the column's name, or ``"a*b"`` for the crossed columns a and b.
    kind : {"value", "number", "bin", "hash", "rare", "missing", "unknown"}
        Whether it stands for one value, for the number in the column, for a bin of numbers, for all values with one
        hash, for all rare values, for a missing or for an unknown value.
    value : object
        The value; of crossed columns a tuple; (low, high) of a bin, the number of a hash, None for other kinds.

    Examples
    --------
    >>> from fastfm_ext import FMEncoder
    >>> encoder = FMEncoder(["city"]).fit({"city": ["Oslo", "Rome"]})
    >>> encoder.feature_at(1)
    Feature(field='city', kind='value', value='Rome')
    """

    field: str
    kind: FeatureKind
    value: Any


@dataclass(frozen=True)
class ColumnSpec(ABC):
    """How a column is encoded. A new kind of column is a new subclass, entered in `SPEC_KINDS`."""

    # The function by which the user writes it, and the options that repr shows even with their defaults.
    written_as: ClassVar[str]
    always_shown: ClassVar[tuple[str, ...]] = ()
    # Whether the column must hold numbers; a reader of text looks here.
    reads_numbers: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the field."""

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Columns that it is made of."""

    @property
    def columns_to_fit(self) -> tuple[str, ...]:
        """Columns that fit reads."""
        return self.columns

    @abstractmethod
    def statistics(self, columns: ColumnsByName) -> Statistics:
        """Find out what `decide` needs to know of the rows."""

    @abstractmethod
    def decide(self, statistics: Any) -> "FittedColumn":
        """Choose the features, by the statistics that `statistics` returns."""

    def fit(self, columns: ColumnsByName) -> "FittedColumn":
        """Learn the features."""
        return self.decide(self.statistics(columns))

    @abstractmethod
    def restore(self, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> "FittedColumn":
        """Undo `FittedColumn.state`."""

    def __repr__(self) -> str:
        first, *options = fields(self)
        shown = [f"{o.name}={v!r}" for o in options if (v := getattr(self, o.name)) != o.default or self._shows(o.name)]
        positional = getattr(self, first.name)
        names = positional if isinstance(positional, tuple) else (positional,)
        return f"{self.written_as}({', '.join([*map(repr, names), *shown])})"

    def _shows(self, option: str) -> bool:
        return option in self.always_shown

    def _check_choice(self, option: str, choices: Any) -> None:
        value = getattr(self, option)
        if value not in get_args(choices):
            listed = ", ".join(map(repr, get_args(choices)))
            raise ValueError(f"{option} of {self.written_as}({self.name!r}) must be one of {listed}, got {value!r}")


@dataclass(frozen=True, repr=False)
class SingleColumn(ColumnSpec):
    """A spec of one column, after which its field is named."""

    column: str

    def __post_init__(self) -> None:
        check_column_name(self.column)

    @property
    def name(self) -> str:
        """Name of the field."""
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it is made of."""
        return (self.column,)


def check_column_name(name: Any) -> None:
    """Raise TypeError unless this is a string."""
    if not isinstance(name, str):
        raise TypeError(f"a column name must be a string, got {name!r}")


class FittedColumn(ABC):
    """A column with its features, each at a *position* from 0 on; the layout gives each a column of the matrix."""

    spec: ColumnSpec

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Number of features."""

    @abstractmethod
    def entries(self, columns: ColumnsByName, features: Int32) -> Entries:
        """Encode every row.

        Parameters
        ----------
        columns : mapping of str to Column
        features : int32 ndarray of shape (n_features,)
            Feature of the matrix at each position.
        """

    @abstractmethod
    def labels(self) -> list[str]:
        """Name every feature."""

    @abstractmethod
    def feature(self, position: int) -> Feature:
        """Describe the feature at a position."""

    @abstractmethod
    def position(self, value: Any) -> int:
        """Return the position of a value's feature, or -1."""

    @abstractmethod
    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""

    def grown(self, statistics: Any) -> Self:
        """Choose new features behind the old, which keep their positions, by the spec's statistics; here: none."""
        return self


def features_at(features: Int32, positions: Int64) -> Int32:
    """Return the feature (n,) of the matrix at every position (n,), -1 at those that are negative."""
    if not len(features):
        return np.full(len(positions), -1, dtype=np.int32)
    return np.where(positions < 0, np.int32(-1), features[positions])


def arrays_under(arrays: dict[str, AnyArray], prefix: str) -> dict[str, AnyArray]:
    """Return the arrays whose names begin with a prefix, under the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
