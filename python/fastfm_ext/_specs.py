"""Column specs, and what each becomes once fitted: a block of features of the encoded matrix."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fastfm_ext._columns import ArrayColumn, Column
from fastfm_ext._vocabulary import Vocabulary, kind_of

Norm = Literal["l2", "l1"]
State = tuple[dict[str, Any], dict[str, NDArray[Any]]]


@dataclass(frozen=True)
class ColumnSpec(ABC):
    """How one column is encoded. A new kind of column is a new subclass, entered in `SPEC_KINDS`."""

    column: str

    def __post_init__(self) -> None:
        if not isinstance(self.column, str):
            raise TypeError(f"a column name must be a string, got {self.column!r}")

    @abstractmethod
    def fit(self, column: Column) -> "FittedColumn":
        """Learn the column's features."""

    @abstractmethod
    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedColumn":
        """Undo `FittedColumn.state`."""


@dataclass(frozen=True)
class Categorical(ColumnSpec):
    """One feature for each distinct value; what a plain string means."""

    def fit(self, column: Column) -> "FittedCategorical":
        """Learn the distinct values."""
        return FittedCategorical(self, Vocabulary.learn(column.coded.values))

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedCategorical":
        """Undo `FittedColumn.state`."""
        return FittedCategorical(self, Vocabulary.from_arrays(meta["form"], arrays))


@dataclass(frozen=True, repr=False)
class Multi(ColumnSpec):
    """One feature for each distinct value of a column with several values a cell."""

    sep: str | None = "|"
    norm: Norm | None = "l2"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sep is not None and (not isinstance(self.sep, str) or not self.sep):
            raise ValueError(f"sep of multi({self.column!r}) must be a non-empty string or None, got {self.sep!r}")
        if self.norm is not None and self.norm not in get_args(Norm):
            raise ValueError(f"norm of multi({self.column!r}) must be 'l2', 'l1' or None, got {self.norm!r}")

    def __repr__(self) -> str:
        return f"multi({self.column!r}, sep={self.sep!r}, norm={self.norm!r})"

    def fit(self, column: Column) -> "FittedMulti":
        """Learn the distinct values."""
        values = column.cells(self.sep).tokens.values
        if values.dtype.kind == "O":
            values = values[values != ""]
        return FittedMulti(self, Vocabulary.learn(values))

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedMulti":
        """Undo `FittedColumn.state`."""
        return FittedMulti(self, Vocabulary.from_arrays(meta["form"], arrays))


@dataclass(frozen=True, repr=False)
class Numeric(ColumnSpec):
    """One feature that holds the standardised number."""

    def __repr__(self) -> str:
        return f"numeric({self.column!r})"

    def fit(self, column: Column) -> "FittedNumeric":
        """Learn mean and standard deviation."""
        numbers = column.numbers
        _require_finite(self.column, numbers, np.isinf(numbers))
        numbers = numbers[~np.isnan(numbers)]
        if not len(numbers):
            raise ValueError(f"column {self.column!r} is declared numeric but has no value: all rows are missing")
        largest = np.abs(numbers).max()
        if np.ptp(numbers / (largest or 1.0)) <= 10 * np.finfo(np.float64).eps:
            return FittedNumeric(self, float(numbers[0]), 1.0)
        # Divided by the largest value first, the squares can't overflow.
        unit = numbers / largest
        return FittedNumeric(self, float(unit.mean() * largest), float(unit.std() * largest))

    def restore(self, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "FittedNumeric":
        """Undo `FittedColumn.state`."""
        values = arrays["mean_scale"]
        if values.dtype != np.float64 or values.shape != (2,) or not np.isfinite(values).all() or values[1] <= 0:
            raise ValueError(f"column {self.column!r} has {values!r} for its mean and standard deviation")
        mean, scale = values.tolist()
        return FittedNumeric(self, mean, scale)


def numeric(column: str) -> Numeric:
    """Declare a column of numbers: one feature, ``(value - mean) / standard deviation`` of the fitted rows.

    A missing value gives no entry, which equals the mean. A column with a single distinct value has no scale: its
    numbers are only centred.

    Parameters
    ----------
    column : str
        Name of the column. Numbers and booleans; text is an error even where it looks like a number.

    Returns
    -------
    Numeric
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.

    Examples
    --------
    >>> from fastfm_ext.encoding import numeric
    >>> numeric("age")
    numeric('age')
    """
    return Numeric(column)


def multi(column: str, sep: str | None = "|", *, norm: Norm | None = "l2") -> Multi:
    """Declare a column with several values a cell, such as ``"Action|Comedy"``: one feature for each value.

    Parameters
    ----------
    column : str
        Name of the column. A cell is a string, split at `sep`, or a list, tuple, set or array, or a polars list.
        White space around split values is removed. Repeated values of a cell count once; empty strings not at all.
    sep : str or None, default="|"
        What separates the values of a string; None: a string is a single value.
    norm : {"l2", "l1"} or None, default="l2"
        Weight of each of the m known values of a cell: ``"l2"`` 1/sqrt(m), so that rows have equal length;
        ``"l1"`` 1/m, the average of the values; None 1, their sum.

    Returns
    -------
    Multi
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.
    ValueError
        If `sep` or `norm` is none of the above.

    Examples
    --------
    >>> from fastfm_ext.encoding import multi
    >>> multi("genres", sep=",")
    multi('genres', sep=',', norm='l2')
    """
    return Multi(column, sep, norm)


class FittedColumn(ABC):
    """A column's block of features."""

    spec: ColumnSpec

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Width of the block."""

    @abstractmethod
    def encode(self, column: Column) -> sparse.csr_array:
        """Encode every row: float32 of shape (n_rows, n_features), canonical, without stored zeros."""

    @abstractmethod
    def labels(self) -> list[str]:
        """Name every feature."""

    @abstractmethod
    def position(self, value: Any) -> int:
        """Return the place in the block of a value, -1 if it was not seen."""

    @abstractmethod
    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""


@dataclass(frozen=True)
class FittedCategorical(FittedColumn):
    """One feature for each value of the vocabulary."""

    spec: Categorical | Multi
    vocabulary: Vocabulary

    @property
    def n_features(self) -> int:
        """Width of the block."""
        return len(self.vocabulary)

    def encode(self, column: Column) -> sparse.csr_array:
        """Encode every row: a one at its value's feature, nothing if the value is missing or unknown."""
        codes, values = column.coded
        feature = np.append(self._find(values), -1)[codes]
        known = feature >= 0
        indptr = np.concatenate(([0], np.cumsum(known)))
        ones = np.ones(int(indptr[-1]), dtype=np.float32)
        return _csr(ones, feature[known], indptr, self.n_features)

    def labels(self) -> list[str]:
        """Name every feature ``column=value``."""
        return [f"{self.spec.column}={label}" for label in self.vocabulary.labels()]

    def position(self, value: Any) -> int:
        """Return the place in the block of a value, -1 if it was not seen."""
        codes, values = ArrayColumn(self.spec.column, [value]).coded
        return int(self.vocabulary.find(values)[0]) if codes[0] >= 0 else -1

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        try:
            form, arrays = self.vocabulary.to_arrays()
        except TypeError as error:
            raise TypeError(f"column {self.spec.column!r}: {error}") from None
        return {"form": form}, arrays

    def _find(self, values: NDArray[Any]) -> NDArray[np.int64]:
        found = self.vocabulary.find(values)
        if len(found) and len(self.vocabulary) and (found < 0).all():
            self._warn_if_other_kind(kind_of(values))
        return found

    def _warn_if_other_kind(self, kind: str) -> None:
        fitted = self.vocabulary.kind
        if fitted != kind and "mixed" not in (fitted, kind):
            warnings.warn(
                f"column {self.spec.column!r} held {fitted} when the encoder was fitted and holds {kind} now: "
                "no value can match, so all count as unknown; convert the column to the same type",
                UserWarning,
                stacklevel=2,
            )


@dataclass(frozen=True)
class FittedMulti(FittedCategorical):
    """One feature for each value of the vocabulary, several a row."""

    spec: Multi

    def encode(self, column: Column) -> sparse.csr_array:
        """Encode every distinct cell once, then gather the rows."""
        cells = column.cells(self.spec.sep)
        feature = np.append(self._find(cells.tokens.values), -1)[cells.tokens.codes]
        cell = np.repeat(np.arange(len(cells.lengths)), cells.lengths)
        known = feature >= 0
        width = max(self.n_features, 1)
        # Sorting the pairs as one number drops repeated values and gives the order CSR wants.
        cell, feature = np.divmod(np.unique(cell[known] * width + feature[known]), width)
        counts = np.bincount(cell, minlength=len(cells.lengths) + 1)
        indptr = np.concatenate(([0], np.cumsum(counts)))
        weights = self._weights(counts)[cell]
        # The last row is the empty cell of the rows where the value is missing.
        return _csr(weights, feature, indptr, self.n_features)[
            np.where(cells.codes < 0, len(cells.lengths), cells.codes)
        ]

    def _weights(self, counts: NDArray[np.intp]) -> NDArray[np.float32]:
        power = {"l2": 0.5, "l1": 1.0, None: 0.0}[self.spec.norm]
        weights: NDArray[np.float32] = (np.maximum(counts, 1) ** -power).astype(np.float32)
        return weights


@dataclass(frozen=True)
class FittedNumeric(FittedColumn):
    """One feature, ``(value - mean) / scale``."""

    spec: Numeric
    mean: float
    scale: float

    @property
    def n_features(self) -> int:
        """Width of the block."""
        return 1

    def encode(self, column: Column) -> sparse.csr_array:
        """Encode every row: the standardised number, nothing if it is missing or the mean."""
        numbers = column.numbers
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((numbers - self.mean) / self.scale).astype(np.float32)
        missing = np.isnan(numbers)
        _require_finite(self.spec.column, numbers, ~missing & ~np.isfinite(scaled))
        return sparse.csr_array(np.where(missing, np.float32(0), scaled).reshape(-1, 1))

    def labels(self) -> list[str]:
        """Name the feature by its column."""
        return [self.spec.column]

    def position(self, value: Any) -> int:
        """Return 0: the only feature, whatever its value."""
        return 0

    def state(self) -> State:
        """Return JSON-able metadata and arrays without Python objects."""
        return {}, {"mean_scale": np.array([self.mean, self.scale])}


SPEC_KINDS: dict[str, type[ColumnSpec]] = {"categorical": Categorical, "multi": Multi, "numeric": Numeric}


def spec_to_meta(spec: ColumnSpec) -> dict[str, Any]:
    """Describe a spec in JSON-able form."""
    kind = next(kind for kind, cls in SPEC_KINDS.items() if type(spec) is cls)
    return {"kind": kind, **asdict(spec)}


def spec_from_meta(meta: dict[str, Any]) -> ColumnSpec:
    """Undo `spec_to_meta`."""
    options = {key: value for key, value in meta.items() if key != "kind"}
    if meta["kind"] not in SPEC_KINDS:
        raise ValueError(f"unknown column spec {meta['kind']!r}; this version knows {', '.join(SPEC_KINDS)}")
    return SPEC_KINDS[meta["kind"]](**options)


def _csr(data: NDArray[np.float32], indices: NDArray[Any], indptr: NDArray[Any], n_features: int) -> sparse.csr_array:
    # SciPy keeps int64 indices if given them, at twice the memory.
    index = np.int32 if max(indptr[-1], n_features) <= np.iinfo(np.int32).max else np.int64
    shape = (len(indptr) - 1, n_features)
    return sparse.csr_array((data, indices.astype(index), indptr.astype(index)), shape=shape)


def _require_finite(column: str, numbers: NDArray[np.float64], bad: NDArray[np.bool_]) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        reason = "is infinite" if np.isinf(numbers[row]) else "is too far from the mean for float32"
        raise ValueError(
            f"column {column!r}, row {row}: {numbers[row]} {reason}; replace it by a missing value, or clip the column"
        )
