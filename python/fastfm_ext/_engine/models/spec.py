"""Descriptions of models: their tables of parameters, and how each follows from units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Int32
from fastfm_ext._native import core

NUMBERS = {name: traits.number for name, traits in core.models().items()}


class Fields(NamedTuple):
    """Which of ``n`` fields each feature belongs to: ``of_feature`` (n_features,). Models without have none."""

    n: int
    of_feature: Int32 | None


NO_FIELDS = Fields(0, None)


def padded(n_factors: int) -> int:
    """Return the number of factors that the kernels store: 0, 4, 8 or the next multiple of 16."""
    return next((k for k in (0, 4, 8) if n_factors <= k), -(-n_factors // 16) * 16)


def one(n_factors: int, n_fields: int) -> int:
    """Return the width of a table that holds a single number for each row."""
    return 1


def factors(n_factors: int, n_fields: int) -> int:
    """Return the width of a table that holds a vector of factors for each row."""
    return padded(n_factors)


@dataclass(frozen=True)
class TableSpec:
    """One kind of parameters of a model.

    Attributes
    ----------
    name : str
        In Rendle's notation.
    per_feature : bool
        Whether there is a row for each feature, of which threads may have copies; else the rows are the whole model's.
    width : callable
        From ``n_factors`` and ``n_fields`` to the values in a row, with the kernels' padding.
    target_power : float
        d, where on targets of standard deviation s the table's values are ``s**d`` times those on standard deviation 1.
    feature_power : int
        The power of the factor that a feature's values were divided by which its parameters are divided by.
    is_drawn : bool
        Whether it starts from normal numbers, in vectors of ``n_factors`` with padding; else from `start`.
    start : callable or None
        From ``n_factors`` and ``n_fields`` to the first values, (n_rows, width), of a table that belongs to the whole
        model; None for a single row of zeros, or zeros for each feature.
    of_pair : callable or None
        For a table of what pairs of fields have: from k, the padded factors, to the shape of what a single pair has.
    """

    name: str
    per_feature: bool
    width: Callable[[int, int], int]
    target_power: float
    feature_power: int
    is_drawn: bool = False
    start: Callable[[int, int], Float32] | None = None
    of_pair: Callable[[int], tuple[int, ...]] | None = None

    @property
    def array_name(self) -> str:
        """The name of its array in files."""
        return f"{self.name}_records" if self.per_feature else f"{self.name}_record"

    def first_values(self, n_factors: int, n_fields: int) -> Float32:
        """Return the first values of a table of the whole model, (n_rows, width), but for the intercept."""
        return np.zeros((1, 1), dtype=np.float32) if self.start is None else self.start(n_factors, n_fields)

    def shape(self, n_features: int, n_slots: int, n_factors: int, n_fields: int) -> tuple[int, int, int]:
        """Return the shape of its records: rows, a value with the optimizer's state for it, width."""
        n_rows = n_features if self.per_feature else len(self.first_values(n_factors, n_fields))
        return n_rows, 1 + n_slots, self.width(n_factors, n_fields)

    def array_shape(self, n_features: int, n_slots: int, n_factors: int, n_fields: int) -> tuple[int, ...]:
        """Return the shape of its array in files: an axis that is always 1 long is left out."""
        n_rows, n_values, width = self.shape(n_features, n_slots, n_factors, n_fields)
        has_rows = self.per_feature or self.start is not None
        return (n_rows,) * has_rows + (n_values,) + (width,) * (self.width is not one)


@dataclass(frozen=True)
class ModelSpec:
    """A model of the kernels.

    Attributes
    ----------
    name : str
        In ``models/registry.hpp``.
    tables : tuple of TableSpec
    pull : callable or None
        For models that ask which field a feature belongs to: how features of some fields F act on those of fields G.
        Takes the sums S_F of v_i x_i over a row's features by field, (n_rows, n_F, n_factors), and R of the pairs,
        (n_F, n_G, ...), or None. Returns T_G, (n_rows, n_G, n_factors): with a feature j of G, all features of F add
        ``<v_j, T_G> x_j``. With a vector for each field, S_F is (n_rows, n_F, n_G, n_factors), and T_G is
        (n_rows, n_G, n_F, n_factors).
    has_halves : bool
        Whether its factors may be in float16.
    """

    name: str
    tables: tuple[TableSpec, ...]
    pull: Callable[[AnyArray, AnyArray | None], AnyArray] | None = None
    has_halves: bool = False

    @property
    def has_vectors_by_field(self) -> bool:
        """Whether a feature has a vector for each field, and not one for all."""
        return any(table.name == "V" and table.width is not factors for table in self.tables)

    def n_vectors(self, n_fields: int) -> int:
        """Return how many vectors a feature has, one after the other in a row of V; padding is behind them."""
        return n_fields if self.has_vectors_by_field else 1

    def shape_of_pair(self, k: int) -> tuple[int, ...] | None:
        """Return the shape of what R has for a pair of fields, with k factors; None without R."""
        return next((table.of_pair(k) for table in self.tables if table.of_pair is not None), None)

    @property
    def has_fields(self) -> bool:
        """Whether it asks which field a feature belongs to."""
        return self.pull is not None

    @property
    def number(self) -> int:
        """Its number for the kernels."""
        return NUMBERS[self.name]


# What every model has.
W0 = TableSpec("w0", per_feature=False, width=one, target_power=1.0, feature_power=0)
W = TableSpec("w", per_feature=True, width=one, target_power=1.0, feature_power=1)
# A vector for each feature, where it is the same for all fields.
V = TableSpec("V", per_feature=True, width=factors, target_power=0.5, feature_power=1, is_drawn=True)
