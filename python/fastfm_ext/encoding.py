"""From a data frame to the sparse matrix a factorization machine learns from."""

from collections.abc import Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._columns import Column, column_names, read_columns
from fastfm_ext._specs import (
    Categorical,
    ColumnSpec,
    FittedColumn,
    State,
    multi,
    numeric,
    spec_from_meta,
    spec_to_meta,
)

__all__ = ["FMEncoder", "multi", "numeric"]

Side = Literal["user", "item"]
_GROUPS = ("user", "item", "context")
# The context of a request is known together with the user, before any item is.
_GROUPS_OF_SIDE: dict[Side | None, tuple[str, ...]] = {None: _GROUPS, "user": ("user", "context"), "item": ("item",)}
_STATE_VERSION = 1
_LISTED_COLUMNS = 20


class FMEncoder(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Encode the columns of a data frame as features of users, items and their context.

    Every column becomes a contiguous block of features, and is one field: first the user's columns, then the item's,
    then the context's, in the order given. The features of a block are sorted by value, so the order of the rows
    plays no part.

    A value that `fit` did not see, and a missing value (None, NaN, NaT, pandas' NA, null; in a multi-valued column
    also an empty collection or string), gives no entry: the row has no feature of that column. So an unknown user
    scores like a user about whom nothing is known, and a missing number counts as the mean.

    Parameters
    ----------
    user, item, context : list of column specs, default=None
        Columns that describe the user, the item, and the situation (hour, device). A string is a categorical column;
        for others see `numeric` and `multi`. None and an empty list mean no columns.

    Attributes
    ----------
    n_features_out_ : int
        Width of the encoded matrix.
    fields_ : int32 ndarray of shape (n_features_out_,)
        Field of every feature; the field of a column is its place in `field_names_`.
    field_names_ : list of str
        Column of every field.
    slices_ : dict of str to slice
        Features of every column.
    n_features_in_ : int
        Number of columns used.
    feature_names_in_ : ndarray of str objects of shape (n_features_in_,)
        Columns used; a frame may have others, which are ignored.

    See Also
    --------
    numeric : A column of numbers.
    multi : A column with several values a cell.

    Notes
    -----
    Values are compared by what they are, not by how a library stores them: pandas and polars give the same matrix,
    the float 1.0 is the integer 1 (a column of ids turns into floats when one is missing), and time zones are
    converted to UTC. The string ``"1"`` is another value than the integer 1; when a column's values change in this
    way as a whole, so that none can match, `transform` warns.

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, multi, numeric
    >>> ratings = {"user_id": [1, 1, 2], "age": [20, 20, 40], "genres": ["Action", "Comedy|Drama", "Action|Drama"]}
    >>> encoder = FMEncoder(user=["user_id", numeric("age")], item=[multi("genres", sep="|")])
    >>> X = encoder.fit_transform(ratings)
    >>> X.shape
    (3, 6)
    >>> encoder.get_feature_names_out().tolist()
    ['user_id=1', 'user_id=2', 'age', 'genres=Action', 'genres=Comedy', 'genres=Drama']
    >>> encoder.transform({"genres": ["Drama", "Western"]}, side="item").toarray().tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """

    n_features_out_: int
    n_features_in_: int
    fields_: NDArray[np.int32]
    field_names_: list[str]
    feature_names_in_: NDArray[np.object_]
    slices_: dict[str, slice]

    def __init__(
        self,
        *,
        user: Sequence[str | ColumnSpec] | None = None,
        item: Sequence[str | ColumnSpec] | None = None,
        context: Sequence[str | ColumnSpec] | None = None,
    ) -> None:
        self.user = user
        self.item = item
        self.context = context

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the features of every column.

        Parameters
        ----------
        X : pandas or polars DataFrame, or mapping of column name to array, with n_rows rows
            Needs every column of the specs.
        y : ignored
            Present because pipelines pass it.

        Returns
        -------
        FMEncoder
            This encoder.

        Raises
        ------
        TypeError
            If `X` or a spec is of another type, or a column holds lists or other values that can't be categories.
        ValueError
            If there are no column specs, a column is missing or given twice, `X` has no rows, a numeric column holds
            text or infinite values, or no column has a value.
        """
        self._fit(X)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> sparse.csr_array:
        """Fit, then encode the same rows; reads the columns only once.

        Parameters
        ----------
        X : pandas or polars DataFrame, or mapping of column name to array, with n_rows rows
            As for `fit`.
        y : ignored
            Present because pipelines pass it.

        Returns
        -------
        float32 csr_array of shape (n_rows, n_features_out_)
            As from `transform`.

        Raises
        ------
        TypeError, ValueError
            As for `fit`.
        """
        return self._encode(*self._fit(X))

    def transform(self, X: Any, side: Side | None = None) -> sparse.csr_array:
        """Encode rows.

        Parameters
        ----------
        X : pandas or polars DataFrame, or mapping of column name to array, with n_rows rows
            Needs the columns of the side that is encoded; others are ignored.
        side : {"user", "item"} or None, default=None
            ``"user"`` encodes the user's and the context's columns, ``"item"`` the item's, None all. The rows are
            of full width, the features of the other side empty: the two sides add up to the whole.

        Returns
        -------
        float32 csr_array of shape (n_rows, n_features_out_)
            Sorted indices, no duplicates, no stored zeros. The indices are int32, as long as the number of stored
            values allows.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        TypeError
            If `X` is of another type, or a column holds lists or other values that can't be categories.
        ValueError
            If `side` is unknown, a column is missing, `X` has no rows, or a numeric column holds text or infinite
            values.

        Warns
        -----
        UserWarning
            If a column held numbers in `fit` and holds text now, or the like, so that no value can match.
        """
        check_is_fitted(self, "fields_")
        if side not in _GROUPS_OF_SIDE:
            raise ValueError(f"side must be {', '.join(map(repr, get_args(Side)))} or None, got {side!r}")
        groups = _GROUPS_OF_SIDE[side]
        wanted = [name for name, group in zip(self.field_names_, self._groups, strict=True) if group in groups]
        return self._encode(*_read(X, wanted))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Name every feature: ``user_id=42``, ``genres=Action``, ``age``.

        Parameters
        ----------
        input_features : ignored
            Present because pipelines pass it.

        Returns
        -------
        ndarray of str objects of shape (n_features_out_,)
            In the order of the matrix's columns.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        """
        check_is_fitted(self, "fields_")
        return np.array([label for column in self._fitted for label in column.labels()], dtype=object)

    def feature_index(self, column: str, value: Any = None) -> int:
        """Find the feature of a value.

        Parameters
        ----------
        column : str
            One of `field_names_`.
        value : object, default=None
            The value; ignored for a numeric column, which has a single feature.

        Returns
        -------
        int
            Column of the encoded matrix, row of `V_` and place in `w_` of a model trained on it.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        KeyError
            If there is no such column, or `fit` did not see the value.
        TypeError
            If the value can't be a category, such as a list.

        Examples
        --------
        >>> encoder = FMEncoder(user=["user_id"]).fit({"user_id": [7, 42]})
        >>> encoder.feature_index("user_id", 42)
        1
        """
        check_is_fitted(self, "fields_")
        if column not in self.slices_:
            raise KeyError(f"no column {column!r}; there are {', '.join(self.field_names_)}")
        fitted = self._fitted[self.field_names_.index(column)]
        position = fitted.position(value)
        if position < 0:
            raise KeyError(f"column {column!r} has no feature for {value!r} ({fitted.n_features} values seen in fit)")
        return int(self.slices_[column].start) + position

    def set_output(self, *, transform: str | None = None) -> Self:
        """Refuse any output other than the sparse matrix.

        Parameters
        ----------
        transform : {"default"} or None, default=None
            Nothing else is possible.

        Returns
        -------
        FMEncoder
            This encoder.

        Raises
        ------
        ValueError
            If another output is asked for.
        """
        if transform not in (None, "default"):
            raise ValueError(
                f"FMEncoder can't give {transform} output: it is a wide sparse matrix, which no data frame holds well"
            )
        return self

    def _fit(self, X: Any) -> tuple[dict[str, Column], int]:
        specs = [(group, spec) for group in _GROUPS for spec in _check_specs(group, getattr(self, group))]
        names = [spec.column for _, spec in specs]
        _check_names(names)
        columns, n_rows = _read(X, names)
        self._keep([spec.fit(columns[spec.column]) for _, spec in specs], [group for group, _ in specs])
        return columns, n_rows

    def _keep(self, fitted: list[FittedColumn], groups: list[str]) -> None:
        widths = [column.n_features for column in fitted]
        names = [column.spec.column for column in fitted]
        if not sum(widths):
            raise ValueError(f"nothing to encode: every value of {', '.join(names)} is missing")
        stops = np.cumsum(widths).tolist()
        self._fitted = fitted
        self._groups = groups
        self.field_names_ = names
        self.slices_ = {name: slice(stop - width, stop) for name, width, stop in zip(names, widths, stops, strict=True)}
        self.fields_ = np.repeat(np.arange(len(names), dtype=np.int32), widths)
        self.n_features_out_ = stops[-1]
        self.n_features_in_ = len(names)
        self.feature_names_in_ = np.array(names, dtype=object)

    def _encode(self, columns: dict[str, Column], n_rows: int) -> sparse.csr_array:
        """Encode the columns at hand; the features of the others stay empty."""
        blocks = []
        for fitted in self._fitted:
            column = columns.get(fitted.spec.column)
            empty = sparse.csr_array((n_rows, fitted.n_features), dtype=np.float32)
            blocks.append(empty if column is None else fitted.encode(column))
        # Before 1.13 SciPy stacks arrays to a matrix.
        return sparse.csr_array(sparse.hstack(blocks, format="csr", dtype=np.float32))

    def _to_state(self) -> State:
        """Return all that is needed to restore the fitted encoder: JSON values, and arrays by name.

        Raises
        ------
        TypeError
            If a category is not a str, int, float, bool or datetime.
        """
        check_is_fitted(self, "fields_")
        described: list[dict[str, Any]] = []
        arrays: dict[str, NDArray[Any]] = {}
        for number, (group, column) in enumerate(zip(self._groups, self._fitted, strict=True)):
            meta, own_arrays = column.state()
            described.append({"side": group, "spec": spec_to_meta(column.spec), "fitted": meta})
            arrays |= {f"column_{number}_{name}": array for name, array in own_arrays.items()}
        return {"version": _STATE_VERSION, "columns": described}, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Undo `_to_state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a state that `_to_state` did not make.
        """
        if meta["version"] != _STATE_VERSION:
            raise ValueError(f"encoder state has version {meta['version']!r}, this version reads {_STATE_VERSION}")
        groups = [described["side"] for described in meta["columns"]]
        specs = [spec_from_meta(described["spec"]) for described in meta["columns"]]
        _check_names([spec.column for spec in specs])
        fitted = []
        for number, (spec, described) in enumerate(zip(specs, meta["columns"], strict=True)):
            prefix = f"column_{number}_"
            own_arrays = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
            fitted.append(spec.restore(described["fitted"], own_arrays))
        given: dict[str, list[str | ColumnSpec]] = {group: [] for group in _GROUPS}
        for group, spec in zip(groups, specs, strict=True):
            given[group].append(spec.column if isinstance(spec, Categorical) else spec)
        encoder = cls(**{group: columns or None for group, columns in given.items()})
        encoder._keep(fitted, groups)
        return encoder


def _check_specs(group: str, specs: Any) -> list[ColumnSpec]:
    if specs is None:
        return []
    if isinstance(specs, str | ColumnSpec):
        raise TypeError(f"{group} must be a list of column specs; did you mean {group}=[{specs!r}]?")
    if not isinstance(specs, list | tuple):
        raise TypeError(f"{group} must be a list of column specs, got {type(specs).__name__}")
    for spec in specs:
        if not isinstance(spec, str | ColumnSpec):
            raise TypeError(f"{group} must hold column names, numeric(...) or multi(...), got {spec!r}")
    return [Categorical(spec) if isinstance(spec, str) else spec for spec in specs]


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError("FMEncoder has no columns to encode: name some in user, item or context")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"column {repeated[0]!r} is given twice in user, item and context")


def _read(X: Any, names: list[str]) -> tuple[dict[str, Column], int]:
    present = column_names(X)
    missing = [name for name in names if name not in present]
    if missing:
        listed = ", ".join(map(str, present[:_LISTED_COLUMNS])) + (", ..." if len(present) > _LISTED_COLUMNS else "")
        word = "column" if len(missing) == 1 else "columns"
        raise ValueError(f"X has no {word} {', '.join(map(repr, missing))}; it has {listed or 'no columns'}")
    columns, n_rows = read_columns(X, names)
    if not n_rows:
        raise ValueError("X is empty: it has no rows to encode")
    return columns, n_rows
