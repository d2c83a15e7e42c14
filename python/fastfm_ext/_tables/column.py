"""Column of a table, read as distinct values with codes, as numbers, or as multi-valued cells."""

import reprlib
from abc import ABC, abstractmethod
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float64, Int32, Int64, object_array
from fastfm_ext._tables.coding import Coded, code_array, code_text_objects
from fastfm_ext._tables.times import TIME_TYPES, seconds, seconds_of
from fastfm_ext._tables.vocabulary import canonical, missing_mask

COLLECTIONS = (list, tuple, set, frozenset, np.ndarray)


class Cells(NamedTuple):
    """A multi-valued column: every row points to a cell, every cell is a run of tokens.

    Attributes
    ----------
    codes : int32 ndarray of shape (n_rows,)
        Cell of each row, -1 where the cell is missing.
    lengths : int64 ndarray of shape (n_cells,)
        Number of tokens of each cell.
    tokens : Coded
        The tokens of all cells, one cell after the other.
    """

    codes: Int32
    lengths: Int64
    tokens: Coded


class Column(ABC):
    """One column of a table; it keeps what it has read, so that fitting and encoding a table read it once."""

    def __init__(self, name: str, data: Any, *, inside_cells: bool = False) -> None:
        self.name = name
        self.data = data
        self.inside_cells = inside_cells
        self._cells: dict[str | None, Cells] = {}

    def __len__(self) -> int:
        return len(self.data)

    @cached_property
    def coded(self) -> Coded:
        """Each row's single value, in canonical form."""
        try:
            codes, values, all_used = self.texts or self._factorize()
        # For lists, Arrow raises NotImplementedError where Python raises TypeError.
        except (TypeError, NotImplementedError) as error:
            raise TypeError(self._why_not_categories()) from error
        missing = missing_mask(values)
        if missing.any():
            kept = np.cumsum(~missing, dtype=np.int32) - 1
            codes = np.append(np.where(missing, -1, kept), -1).astype(np.int32)[codes]
            values = values[~missing]
        plain = canonical(values)
        if plain.dtype.kind == "O" and plain is not values:
            # Several values may have one canonical form, such as 7 and "7".
            within, plain, _ = code_array(plain)
            codes = np.append(within, np.int32(-1))[codes]
        return Coded(codes, plain, all_used)

    @cached_property
    def numbers(self) -> Float64:
        """Each row's number, shape (n_rows,), NaN where it is missing; times and durations in seconds."""
        return self._read_numbers()

    @property
    def is_category(self) -> bool:
        """Whether the table says that these are categories."""
        return False

    @property
    def holds_times(self) -> bool:
        """Whether the type is one of times or durations; a column of objects may hold some, too."""
        return getattr(getattr(self.data, "dtype", None), "kind", "") in ("m", "M")

    @property
    def holds_floats(self) -> bool:
        """Whether the type is one of floats; a column of objects may hold some, too."""
        return getattr(getattr(self.data, "dtype", None), "kind", "") == "f"

    @cached_property
    def texts(self) -> Coded | None:
        """Each row's text, where the column holds objects that are all str or missing; else None."""
        objects = self._object_array()
        return None if objects is None else code_text_objects(objects)

    def cells(self, sep: str | None) -> Cells:
        """Each row's several values: a collection as it is, a string split at `sep` (None: not split)."""
        if sep not in self._cells:
            found = self._read_collections(sep) if self.texts is None else None
            self._cells[sep] = found or self._split_strings(sep)
        return self._cells[sep]

    def _why_not_categories(self) -> str:
        value = next((value for value in self._objects() if not _is_hashable(value)), None)
        what = f"{reprlib.repr(value)} ({type(value).__name__}), which can't be a category"
        place = "has a cell with" if self.inside_cells else "holds"
        return f"column {self.name!r} {place} {what}; {self._advice(is_list=isinstance(value, COLLECTIONS))}"

    def _advice(self, *, is_list: bool) -> str:
        if self.inside_cells:
            return "a cell must be a flat list of strings or numbers"
        if is_list:
            return f"declare a column with several values a cell as multi({self.name!r})"
        return "turn such values into strings or numbers"

    def _split_strings(self, sep: str | None) -> Cells:
        codes, values, all_used = self.coded
        if values.dtype.kind != "O" or sep is None:
            alone = Coded(np.arange(len(values), dtype=np.int32), values, all_used)
            return Cells(codes, np.ones(len(values), dtype=np.int64), alone)
        return _cells_of(self.name, codes, [_split(value, sep) for value in values])

    @abstractmethod
    def _objects(self) -> list[Any]:
        """Return the rows as Python objects."""

    def _object_array(self) -> AnyArray | None:
        """Return the rows if they are Python objects in memory, else None."""
        return None

    @abstractmethod
    def _factorize(self) -> Coded:
        """Code the rows; the distinct values may hold missing ones, and need not be canonical."""

    @abstractmethod
    def _read_numbers(self) -> Float64: ...

    @abstractmethod
    def _read_collections(self, sep: str | None) -> Cells | None:
        """Read cells that are collections; None if no cell is one."""


class ArrayColumn(Column):
    """A NumPy array or a list."""

    def __init__(self, name: str, data: Any, *, inside_cells: bool = False) -> None:
        super().__init__(name, _one_dimensional(name, data), inside_cells=inside_cells)

    def _objects(self) -> list[Any]:
        return list(self.data.tolist())

    def _object_array(self) -> AnyArray | None:
        return self.data if self.data.dtype.kind == "O" else None

    def _factorize(self) -> Coded:
        return code_array(self.data)

    def _read_numbers(self) -> Float64:
        if self.data.dtype.kind in "biuf":
            numbers: Float64 = self.data.astype(np.float64)
            return numbers
        if self.holds_times:
            return seconds_of(self.data)
        return numbers_from_objects(self.name, self._objects())

    def _read_collections(self, sep: str | None) -> Cells | None:
        return cells_from_objects(self.name, self.data, sep) if self.data.dtype.kind == "O" else None


def _one_dimensional(name: str, data: Any) -> AnyArray:
    if not isinstance(data, np.ndarray):
        if isinstance(data, str | bytes) or not hasattr(data, "__len__"):
            raise TypeError(f"column {name!r} must be an array or a list, got {type(data).__name__}")
        data = np.fromiter(data, dtype=object, count=len(data))
    if isinstance(data, np.ma.MaskedArray):
        values, data = data, data.data.astype(object)
        data[np.ma.getmaskarray(values)] = None
    if data.ndim != 1:
        raise ValueError(f"column {name!r} must be one-dimensional, got shape {data.shape}")
    return np.asarray(data)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def numbers_from_objects(name: str, values: list[Any]) -> Float64:
    """Read numbers, NaN where they are missing, and seconds of times and durations.

    Raises
    ------
    ValueError
        If a value is not a number.
    """
    numbers = np.full(len(values), np.nan)
    present = ~missing_mask(object_array(values))
    for row in np.flatnonzero(present):
        value = values[row]
        try:
            if isinstance(value, str | bytes | np.complexfloating):
                raise TypeError("text is not a number, and NumPy would drop an imaginary part")
            numbers[row] = seconds(value) if isinstance(value, TIME_TYPES) else float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"column {name!r} is declared numeric but row {row} holds {value!r} ({type(value).__name__}); "
                "convert the column to numbers or declare it as a plain (categorical) column"
            ) from error
    return numbers


def _split(value: Any, sep: str | None) -> list[Any]:
    if not isinstance(value, str) or sep is None:
        return [value]
    return [token.strip() for token in value.split(sep)]


def cells_from_objects(name: str, data: AnyArray, sep: str | None) -> Cells | None:
    """Read cells of which some are collections; None if no cell is one."""
    if not any(issubclass(kind, COLLECTIONS) for kind in set(map(type, data))):
        return None
    lists = [cell if isinstance(cell, COLLECTIONS) else _split(cell, sep) for cell in data]
    return _cells_of(name, np.arange(len(data), dtype=np.int32), lists)


def _cells_of(name: str, codes: Int32, lists: list[Any]) -> Cells:
    lengths = np.fromiter(map(len, lists), dtype=np.int64, count=len(lists))
    flat = np.fromiter(chain.from_iterable(lists), dtype=object, count=int(lengths.sum()))
    return Cells(codes, lengths, ArrayColumn(name, flat, inside_cells=True).coded)
