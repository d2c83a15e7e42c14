"""Arrow columns: values, numbers and lists in Arrow's memory, in one chunk or more."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import Float64, Int64
from fastfm_ext._tables.arrow_memory import ArrowArray, arrow_numbers, code_arrow
from fastfm_ext._tables.coding import Coded, code_array
from fastfm_ext._tables.column import Cells, Column, numbers_from_objects
from fastfm_ext._tables.times import seconds_of
from fastfm_ext._tables.vocabulary import join_values


class ArrowColumn(Column):
    """A column in Arrow's memory, in one chunk or more."""

    data: list[ArrowArray]

    def __init__(
        self,
        name: str,
        data: list[ArrowArray],
        *,
        objects: Callable[[], list[Any]] | None = None,
        inside_cells: bool = False,
    ) -> None:
        super().__init__(name, data, inside_cells=inside_cells)
        # The library that lends the memory knows best which objects its values are.
        self._lenders_objects = objects

    def __len__(self) -> int:
        return sum(chunk.length for chunk in self.data)

    @property
    def is_category(self) -> bool:
        """Whether the values are those of a dictionary."""
        return self.data[0].dictionary is not None

    @property
    def holds_times(self) -> bool:
        """Whether they are dates or instants; other types of times have no codes, and are read as objects."""
        return self.data[0].format.startswith(("td", "ts"))

    @property
    def holds_floats(self) -> bool:
        """Whether they are floats."""
        return self.data[0].format in ("e", "f", "g")

    def _objects(self) -> list[Any]:
        if self._lenders_objects is not None:
            return self._lenders_objects()
        codes, values, _ = self.coded
        return [None if code < 0 else values[code] for code in codes.tolist()]

    def _why_not_categories(self) -> str:
        if self._lenders_objects is not None:
            return super()._why_not_categories()
        type_ = f"values of the Arrow type {self.data[0].format!r}, which can't be categories"
        return f"column {self.name!r} holds {type_}; {self._advice(is_list=self.data[0].is_list())}"

    def _factorize(self) -> Coded:
        return _joined([code_arrow(chunk) for chunk in self.data])

    def _read_numbers(self) -> Float64:
        if self.data[0].is_number() and self.data[0].dictionary is None:
            return np.concatenate([arrow_numbers(chunk) for chunk in self.data])
        if self.holds_times:
            codes, values, _ = self.coded
            numbers: Float64 = np.append(seconds_of(values), np.nan)[codes]
            return numbers
        if self.data[0].format == "n":
            return np.full(len(self), np.nan)
        codes, values, _ = self.coded
        if values.dtype.kind in "iuf":
            return np.append(values.astype(np.float64), np.nan)[codes]
        return numbers_from_objects(self.name, self._objects())

    def _read_collections(self, sep: str | None) -> Cells | None:
        if not self.data[0].is_list():
            return None
        parts = [self._lists(chunk) for chunk in self.data]
        lengths = np.concatenate([lengths for lengths, _ in parts])
        return Cells(np.arange(len(lengths), dtype=np.int32), lengths, _joined([tokens for _, tokens in parts]))

    def _lists(self, chunk: ArrowArray) -> tuple[Int64, Coded]:
        """Return the length (n_rows,) of each row's list, 0 for a missing one, and the values of all lists."""
        begins, ends = chunk.list_bounds()
        lengths = ends - begins
        first = int(begins[0]) if len(begins) else 0
        child = chunk.children[0].part(first, int(ends[-1]) - first if len(ends) else 0)
        lenders = self._lenders_objects
        objects = None if lenders is None else partial(_flat, lenders)
        codes, values, all_used = ArrowColumn(self.name, [child], objects=objects, inside_cells=True).coded
        valid = chunk.valid()
        if valid is not None and lengths[valid == 0].any():
            codes = codes[np.repeat(valid, lengths) != 0]
        return lengths if valid is None else np.where(valid, lengths, 0), Coded(codes, values, all_used)


def _flat(objects: Callable[[], list[Any]]) -> list[Any]:
    """Return the values of all lists, one list after the other."""
    return [value for cell in objects() if cell is not None for value in cell]


def _joined(parts: list[Coded]) -> Coded:
    """Join codes of chunks into codes of the whole; equal values of several chunks have one code."""
    if len(parts) == 1:
        return parts[0]
    joint_codes, values, _ = code_array(join_values([part.values for part in parts]))
    pieces, start = [], 0
    for codes, own, _ in parts:
        stop = start + len(own)
        # The last code is for missing values.
        pieces.append(np.append(joint_codes[start:stop], np.int32(-1))[codes])
        start = stop
    return Coded(np.concatenate(pieces), values, all(part.all_used for part in parts))
