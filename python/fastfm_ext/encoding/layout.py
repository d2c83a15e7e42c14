"""Layout of an encoded matrix: the fitted columns, and which of its features are whose."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext._common.arrays import MAX_INT32, AnyArray, Int32
from fastfm_ext.encoding.assemble import assemble_rows, count_of_several
from fastfm_ext.encoding.columns.base import ColumnsByName, ColumnSpec, Feature, FittedColumn, State, arrays_under
from fastfm_ext.encoding.columns.implicit import FittedImplicit
from fastfm_ext.encoding.columns.statistics import Statistics
from fastfm_ext.encoding.declare import spec_from_meta, spec_to_meta
from fastfm_ext.encoding.field_names import field_names

STATE_VERSION = 2
# Of implicit sets, 2 GB: nobody wants more of them written out.
MOST_ENTRIES = 1 << 28


@dataclass(frozen=True)
class Layout:
    """The columns' features in the matrix.

    Fitted at once, the features of each column are neighbors. Those that `grown` adds stand behind all others.

    Attributes
    ----------
    groups : list of str
        Side of each field.
    fitted : list of FittedColumn
        The fields.
    features : list of int32 ndarray
        For each field the feature of the matrix at each of its positions, ascending.
    """

    groups: list[str]
    fitted: list[FittedColumn]
    features: list[Int32]

    @classmethod
    def learn(cls, specs: list[tuple[str, ColumnSpec]], columns: ColumnsByName) -> Self:
        """Learn all features.

        Raises
        ------
        ValueError
            If there are none.
        """
        return cls.decided(specs, [spec.statistics(columns) for _, spec in specs])

    @classmethod
    def decided(cls, specs: list[tuple[str, ColumnSpec]], statistics: list[Statistics]) -> Self:
        """Choose all features by what each spec's statistics say.

        Raises
        ------
        ValueError
            If there are none.
        """
        fitted = [spec.decide(own) for (_, spec), own in zip(specs, statistics, strict=True)]
        layout = cls.side_by_side([group for group, _ in specs], fitted)
        if not layout.n_features:
            raise ValueError(f"nothing to encode: every value of {', '.join(layout.names)} is missing")
        return layout

    @classmethod
    def side_by_side(cls, groups: list[str], fitted: list[FittedColumn]) -> Self:
        """Give each column neighboring features, one column after the other."""
        stops = np.cumsum([column.n_features for column in fitted]).tolist()
        _check_width(stops[-1])
        starts = [0, *stops[:-1]]
        features = [np.arange(start, stop, dtype=np.int32) for start, stop in zip(starts, stops, strict=True)]
        return cls(groups, fitted, features)

    def grown(self, columns: ColumnsByName) -> Self:
        """Learn new features behind the old, of one field after the other."""
        fitted = [column.grown(column.spec.statistics(columns)) for column in self.fitted]
        start, features = self.n_features, []
        for column, old in zip(fitted, self.features, strict=True):
            stop = start + column.n_features - len(old)
            _check_width(stop)
            features.append(np.concatenate((old, np.arange(start, stop, dtype=np.int32))))
            start = stop
        return type(self)(self.groups, fitted, features)

    @property
    def n_features(self) -> int:
        """Width of the matrix."""
        return sum(map(len, self.features))

    @property
    def names(self) -> list[str]:
        """Names of the fields."""
        return field_names([column.spec for column in self.fitted])

    @property
    def fields(self) -> Int32:
        """Field of every feature."""
        fields = np.empty(self.n_features, dtype=np.int32)
        for field, features in enumerate(self.features):
            fields[features] = field
        return fields

    @property
    def is_side_by_side(self) -> bool:
        """Whether each field's features lie side by side, in the order of the fields."""
        starts = np.cumsum([0, *map(len, self.features)]).tolist()
        bounds = zip(self.features, starts[:-1], starts[1:], strict=True)
        return all(not len(own) or (own[0] == start and own[-1] == stop - 1) for own, start, stop in bounds)

    @property
    def slices(self) -> dict[str, slice]:
        """Features of every field.

        Raises
        ------
        AttributeError
            If they are not `is_side_by_side`, as after growth.
        """
        if not self.is_side_by_side:
            raise AttributeError("slices_ is gone since partial_fit added features elsewhere; use fields_")
        stops = np.cumsum([len(features) for features in self.features]).tolist()
        bounds = zip(self.names, [0, *stops[:-1]], stops, strict=True)
        return {name: slice(start, stop) for name, start, stop in bounds}

    def index_of(self, field: int, value: Any) -> int:
        """Return the feature of a value of a field.

        Raises
        ------
        KeyError
            If it has none.
        """
        column = self.fitted[field]
        position = column.position(value)
        if position < 0:
            name = self.names[field]
            raise KeyError(f"column {name!r} has no feature for {value!r} ({column.n_features} values seen in fit)")
        return int(self.features[field][position])

    def feature_at(self, index: int, field: int) -> Feature:
        """Describe a feature, which is one of this field."""
        feature = self.fitted[field].feature(int(np.searchsorted(self.features[field], index)))
        return feature._replace(field=self.names[field])

    def columns_of(self, groups: tuple[str, ...]) -> list[str]:
        """Return the columns that the fields of these sides are made of, each once."""
        fields = zip(self.groups, self.fitted, strict=True)
        return list(dict.fromkeys(name for group, f in fields if group in groups for name in f.spec.columns))

    @property
    def columns_to_fit(self) -> list[str]:
        """Columns that growth reads, each once."""
        return list(dict.fromkeys(name for column in self.fitted for name in column.spec.columns_to_fit))

    def encode(self, columns: ColumnsByName, n_rows: int, groups: tuple[str, ...]) -> sparse.csr_array:
        """Encode the rows' columns of these sides; the features of the others stay empty.

        Raises
        ------
        ValueError
            If the rows have implicit sets, and more than `MOST_ENTRIES` entries with them.
        """
        fields = zip(self.groups, self.fitted, self.features, strict=True)
        encoded = [(field, field.entries(columns, features)) for group, field, features in fields if group in groups]
        sets = [entries for field, entries in encoded if isinstance(field, FittedImplicit)]
        if (nnz := sum(map(count_of_several, sets))) > MOST_ENTRIES:
            raise ValueError(
                f"the sets of implicit(...) have {nnz:,} entries in these {n_rows:,} rows, {8 * nnz / 1e9:.1f} GB as a "
                "sparse matrix: use transform_blocks, or set_output(transform='blocks') in a Pipeline, which encode "
                "each set once; or encode fewer rows at a time"
            )
        return assemble_rows(
            [entries for _, entries in encoded], n_rows, self.n_features, sort=not self.is_side_by_side
        )

    def labels(self) -> NDArray[np.object_]:
        """Name every feature."""
        labels = np.empty(self.n_features, dtype=object)
        for name, column, features in zip(self.names, self.fitted, self.features, strict=True):
            own = column.labels()
            if name != column.spec.name:
                own = [name + label.removeprefix(column.spec.name) for label in own]
            labels[features] = own
        return labels

    def state(self) -> State:
        """Return all that is needed to restore the layout: JSON values, and arrays by name.

        Raises
        ------
        TypeError
            If a category is not a str, int, float, bool or datetime.
        """
        described: list[dict[str, Any]] = []
        arrays: dict[str, AnyArray] = {}
        for number, (group, column) in enumerate(zip(self.groups, self.fitted, strict=True)):
            meta, own_arrays = column.state()
            described.append({"side": group, "spec": spec_to_meta(column.spec), "fitted": meta})
            arrays |= {f"column_{number}_{name}": array for name, array in own_arrays.items()}
        if not self.is_side_by_side:
            arrays["fields"] = self.fields
        return {"version": STATE_VERSION, "columns": described}, arrays

    @classmethod
    def restore(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self:
        """Undo `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a state that `state` did not make.
        """
        if meta["version"] != STATE_VERSION:
            raise ValueError(f"encoder state has version {meta['version']!r}, this version reads {STATE_VERSION}")
        fitted = []
        for number, described in enumerate(meta["columns"]):
            own_arrays = arrays_under(arrays, f"column_{number}_")
            fitted.append(spec_from_meta(described["spec"]).restore(described["fitted"], own_arrays))
        layout = cls.side_by_side([described["side"] for described in meta["columns"]], fitted)
        return layout._arranged(arrays["fields"]) if "fields" in arrays else layout

    def _arranged(self, fields: Int32) -> Self:
        """Return the layout in which feature j is of the field fields[j]."""
        widths = [len(features) for features in self.features]
        if fields.dtype != np.int32 or fields.shape != (self.n_features,) or not len(fields):
            raise ValueError(
                f"fields of the type {fields.dtype} and shape {fields.shape} for {self.n_features} features"
            )
        # Checked first, since bincount takes memory for the largest, which may be any number.
        is_field = fields.min() >= 0 and fields.max() < len(widths)
        if not is_field or np.bincount(fields, minlength=len(widths)).tolist() != widths:
            raise ValueError("the fields of the features do not fit their columns")
        features = [np.flatnonzero(fields == field).astype(np.int32) for field in range(len(widths))]
        return type(self)(self.groups, self.fitted, features)


def _check_width(n_features: int) -> None:
    if n_features > MAX_INT32:
        raise ValueError(f"{n_features} features are more than {MAX_INT32}; raise min_count, or hash columns")
