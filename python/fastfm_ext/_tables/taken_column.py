"""Column whose rows are rows of another column, as a join by id takes them."""

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import Float64, Int64
from fastfm_ext._tables.coding import Coded
from fastfm_ext._tables.column import Cells, Column


class TakenColumn(Column):
    """Rows of another column, each as often as it is named; nothing is copied but their codes or numbers.

    Parameters
    ----------
    column : Column
        Whose name it has, too.
    rows : int ndarray of shape (n_rows,)
        Rows of `column`; -1 gives a missing value.
    """

    def __init__(self, column: Column, rows: Int64) -> None:
        super().__init__(column.name, column.data)
        self._column = column
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def is_category(self) -> bool:
        """Whether the table says that these are categories."""
        return self._column.is_category

    @property
    def holds_times(self) -> bool:
        """Whether the type is one of times or durations."""
        return self._column.holds_times

    @property
    def holds_floats(self) -> bool:
        """Whether the type is one of floats."""
        return self._column.holds_floats

    def _objects(self) -> list[Any]:
        objects = [*self._column._objects(), None]
        return [objects[row] for row in self._rows.tolist()]

    def _factorize(self) -> Coded:
        codes, values, _ = self._column.coded
        return Coded(np.append(codes, np.int32(-1))[self._rows], values, False)

    def _read_numbers(self) -> Float64:
        numbers: Float64 = np.append(self._column.numbers, np.nan)[self._rows]
        return numbers

    def _read_collections(self, sep: str | None) -> Cells:
        cells = self._column.cells(sep)
        return cells._replace(codes=np.append(cells.codes, np.int32(-1))[self._rows])
