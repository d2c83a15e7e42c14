"""Result of `contributions`: what features or columns add to the scores of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._common.checks import is_integer
from fastfm_ext._common.extras import require
from fastfm_ext.explain.opened import Columns

# Features of a row that a label of their column names.
MOST_NAMED = 3


class Contribution(NamedTuple):
    """What one feature or column adds to one score.

    Attributes
    ----------
    name : str
        Of the feature or column.
    data : str
        What the row has there: a number, or names of values.
    value : float
        What it adds.
    std : float or None
        How far that may be off, for models that keep draws from a posterior.

    Examples
    --------
    >>> from fastfm_ext import FMRegressor
    >>> from fastfm_ext.explain import contributions
    >>> model = FMRegressor.from_parameters(1.0, [2.0, 0.0, 0.0], [[1.0], [3.0], [0.0]])
    >>> step = contributions(model, [[1, 1, 0]]).top(0)[0]
    >>> step.name, step.value
    ('0', 3.5)
    """

    name: str
    data: str
    value: float
    std: float | None = None


@dataclass(frozen=True)
class Contributions:
    """Contributions of features, or of columns, to the scores of rows: Shapley values.

    Attributes
    ----------
    values : ndarray of shape (n_rows, n_columns), float32; or csr_array of shape (n_rows, n_features)
        What each column adds, or each feature. With more than two classes an array (n_rows, n_columns, n_classes), or
        a list of sparse ones, one a class. float64 for models that keep draws.
    base_value : float or ndarray of shape (n_classes,)
        The mean score of the background: that of a row without features for a background of zeros. It and the values
        of a row add up to the row's score.
    names : object ndarray of shape (n_columns,) or (n_features,)
    classes : ndarray of shape (n_classes,), or None
        Of more than two classes.
    std : of the shape of `values`, or None
        Standard deviation of the values over the draws of a Bayesian model that keeps them.

    Examples
    --------
    >>> from fastfm_ext import FMEncoder, FMRegressor
    >>> from fastfm_ext.explain import contributions
    >>> table = {"city": ["Oslo", "Rome"] * 20, "day": ["sun", "mon", "mon", "sun"] * 10}
    >>> encoder = FMEncoder().fit(table)
    >>> model = FMRegressor(n_factors=2, random_state=0).fit(
    ...     encoder.transform(table), [1.0, 5.0] * 20
    ... )
    >>> found = contributions(
    ...     model, encoder.transform(table), encoder.transform(table), encoder=encoder
    ... )
    >>> found.values.shape, [step.name for step in found.top(0, 1)]
    ((40, 2), ['city'])
    """

    values: Any
    base_value: float | Float64
    names: AnyArray
    classes: AnyArray | None
    std: Any
    _X: Any = field(repr=False)
    _columns: Columns = field(repr=False)
    _table: Any = field(repr=False, default=None)

    def __len__(self) -> int:
        return int(self._X.shape[0])

    @property
    def scores(self) -> Float64:
        """Sums: what the model scores, (n_rows,), or (n_rows, n_classes) for more than two classes."""
        sums = [np.asarray(of_class.sum(axis=1, dtype=np.float64)) for of_class in self._by_class(self.values)]
        totals = sums[0] if self.classes is None else np.stack(sums, axis=1)
        found: Float64 = self.base_value + totals
        return found

    def top(self, row: int, n: int | None = 10, label: Any = None) -> list[Contribution]:
        """List the largest contributions to the score of a row.

        Parameters
        ----------
        row : int
            Number of the row, from 0.
        n : int, optional, default=10
            How many; None for all that are not 0.
        label : object, optional
            The class, for a model of more than two.

        Returns
        -------
        list of Contribution
            By falling size.

        Raises
        ------
        ValueError
            For a row, a number or a class that there is not.
        """
        if not is_integer(0)(row) or row >= len(self):
            raise ValueError(f"row must be the number of a row, 0 to {len(self) - 1}; got {row!r}")
        if n is not None and not is_integer(1)(n):
            raise ValueError(f"n must be a positive integer, or None for all; got {n!r}")
        number = self._class_number(label)
        values = _row(self._by_class(self.values)[number], row)
        std = None if self.std is None else _row(self._by_class(self.std)[number], row)
        order = np.argsort(-np.abs(values), kind="stable")
        order = order[values[order] != 0][:n]
        data = self._data(row)
        return [
            Contribution(str(self.names[i]), data(i), float(values[i]), None if std is None else float(std[i]))
            for i in order.tolist()
        ]

    def to_shap(self) -> Any:
        """Return a `shap.Explanation`, which the plots of shap draw.

        Returns
        -------
        shap.Explanation
            Values of shape (n_rows, n_columns), or (n_rows, n_columns, n_classes) for more than two classes. `data` has
            numbers, by which plots choose colors: of features their values, of columns the value or the position of
            the category among those of the column; `display_data` has the names of values.

        Raises
        ------
        ImportError
            If shap is not installed.
        """
        shap = require("shap", "explain")
        values = [_dense(of_class).astype(np.float64) for of_class in self._by_class(self.values)]
        n_rows, n_classes = len(self), len(values)
        base = np.broadcast_to(np.asarray(self.base_value, dtype=np.float64), (n_rows, n_classes))
        is_single = self.classes is None
        texts = np.empty((n_rows, len(self.names)), dtype=object)
        for row in range(n_rows):
            text_of = self._data(row)
            texts[row] = [text_of(i) for i in range(len(self.names))]
        return shap.Explanation(
            values[0] if is_single else np.stack(values, axis=2),
            base_values=base[:, 0].copy() if is_single else base.copy(),
            data=self._numbers(),
            display_data=texts,
            feature_names=[str(name) for name in self.names],
            output_names=None if self.classes is None else [str(label) for label in self.classes],
        )

    def _by_class(self, values: Any) -> Sequence[Any]:
        """Return the values of each class apart."""
        if self.classes is None:
            return [values]
        return values if isinstance(values, list) else [values[:, :, number] for number in range(len(self.classes))]

    def _class_number(self, label: Any) -> int:
        if self.classes is None:
            if label is not None:
                raise ValueError(f"label is for models of more than two classes; got {label!r}")
            return 0
        labels = self.classes.tolist()
        if label not in labels:
            raise ValueError(f"label must name one of the classes {labels}; got {label!r}")
        return int(labels.index(label))

    def _data(self, row: int) -> Any:
        """Return a function from the number of a column to what a row has there, as text."""
        X = self._X
        features, data = X.indices[X.indptr[row] : X.indptr[row + 1]], X.data[X.indptr[row] : X.indptr[row + 1]]
        columns = self._columns
        if columns.group_of is None:
            value_of = dict(zip(features.tolist(), data.tolist(), strict=True))
            return lambda i: f"{value_of.get(i, 0.0):g}"
        texts: dict[int, list[str]] = {}
        names = columns.feature_names if columns.given_names is None else columns.given_names
        for feature, value in zip(features.tolist(), data.tolist(), strict=True):
            group = int(columns.group_of[feature])
            texts.setdefault(group, []).append(text_of_feature(str(names[feature]), str(columns.names[group]), value))
        return lambda i: self._cell(row, str(columns.names[i])) or _joined(texts.get(i, []))

    def _cell(self, row: int, column: str) -> str:
        """Return a cell of the table that was encoded, as text; nothing where there is no such column."""
        if self._table is None or column not in _columns_in(self._table):
            return ""
        cell = np.asarray(self._table[column])[row]
        return f"{cell:g}" if isinstance(cell, float | np.floating) else str(cell)

    def _numbers(self) -> Float64:
        """Return numbers to choose colors by: see `to_shap`."""
        if self._columns.group_of is None:
            return np.asarray(self._X.toarray(), dtype=np.float64)
        group_of = self._columns.group_of
        sizes = np.bincount(group_of, minlength=len(self.names))
        position = np.empty(len(group_of))
        position[np.argsort(group_of, kind="stable")] = np.concatenate([np.arange(size) for size in sizes])
        X = self._X
        rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
        numbers = np.zeros((X.shape[0], len(self.names)))
        groups = group_of[X.indices]
        numbers[rows, groups] = np.where(sizes[groups] == 1, X.data, position[X.indices])
        return numbers


def text_of_feature(feature: str, column: str, value: float) -> str:
    """Return what a row has in a column by one of its features: the value's name, or a number."""
    name = feature.removeprefix(column + "=")
    if name in (column, feature):
        return f"{value:g}" if name == column else (feature if value == 1 else f"{feature}: {value:g}")
    return name


def _columns_in(table: Any) -> list[Any]:
    """Return the names of the columns of a pandas, polars or Arrow table, or of a mapping; none of anything else."""
    if isinstance(table, Mapping):
        return list(table)
    return list(getattr(table, "column_names", getattr(table, "columns", ())))


def _joined(texts: list[str]) -> str:
    rest = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _row(values: Any, row: int) -> AnyArray:
    of_row: AnyArray = _dense(values[[row]])[0]
    return of_row


def _dense(values: Any) -> AnyArray:
    dense: AnyArray = values.toarray() if sp.issparse(values) else values
    return dense
