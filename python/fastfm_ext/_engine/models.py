"""Models as tables of parameters: what each table is called, its width, and how it follows from units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def padded(n_factors: int) -> int:
    """Return the number of factors that the kernels store: 0, 4, 8 or the next multiple of 16."""
    return next((k for k in (0, 4, 8) if n_factors <= k), -(-n_factors // 16) * 16)


def one(n_factors: int) -> int:
    """Return the width of a table that holds a single number for each row."""
    return 1


@dataclass(frozen=True)
class TableSpec:
    """One kind of parameters of a model.

    Attributes
    ----------
    name : str
        In Rendle's notation.
    per_feature : bool
        Whether there is a row for each feature, of which threads may have copies; else one row in all.
    width : callable
        From ``n_factors`` to the values in a row, with the kernels' padding.
    target_power : float
        d, where on targets of standard deviation s the table's values are ``s**d`` times those on standard deviation 1.
    feature_power : int
        The power of the factor that a feature's values were divided by which its parameters are divided by.
    is_drawn : bool
        Whether it starts from normal numbers; else from zero.
    """

    name: str
    per_feature: bool
    width: Callable[[int], int]
    target_power: float
    feature_power: int
    is_drawn: bool = False

    @property
    def array_name(self) -> str:
        """The name of its array in files."""
        return f"{self.name}_records" if self.per_feature else f"{self.name}_record"

    def shape(self, n_features: int, n_slots: int, n_factors: int) -> tuple[int, int, int]:
        """Return the shape of its records: rows, a value with the optimizer's state for it, width."""
        return (n_features if self.per_feature else 1), 1 + n_slots, self.width(n_factors)

    def array_shape(self, n_features: int, n_slots: int, n_factors: int) -> tuple[int, ...]:
        """Return the shape of its array in files: an axis that is always 1 long is left out."""
        n_rows, n_values, width = self.shape(n_features, n_slots, n_factors)
        return (n_rows,) * self.per_feature + (n_values,) + (width,) * (self.width is not one)


# The factorization machine of Rendle (2010): p = w0 + sum_i w_i x_i + sum_{i<j} <v_i, v_j> x_i x_j.
FM_TABLES = (
    TableSpec("w0", per_feature=False, width=one, target_power=1.0, feature_power=0),
    TableSpec("w", per_feature=True, width=one, target_power=1.0, feature_power=1),
    TableSpec("V", per_feature=True, width=padded, target_power=0.5, feature_power=1, is_drawn=True),
)
