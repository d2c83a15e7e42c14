"""pandas columns whose memory is not Arrow's."""

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._tables.coding import Coded, code_array
from fastfm_ext._tables.column import Cells, Column, cells_from_objects, numbers_from_objects
from fastfm_ext._tables.times import seconds_of


class PandasColumn(Column):
    """A pandas Series in NumPy's memory, or in pandas' own."""

    @property
    def is_category(self) -> bool:
        """Whether the Series is of pandas' category type."""
        return hasattr(self.data, "cat")

    def _objects(self) -> list[Any]:
        return list(self.data.to_list())

    def _object_array(self) -> AnyArray | None:
        if self.data.dtype == object or self.data.dtype.name in ("str", "string"):
            objects: AnyArray = self.data.to_numpy(dtype=object)
            return objects
        return None

    def _factorize(self) -> Coded:
        data = self.data
        if hasattr(data, "cat"):
            return Coded(data.cat.codes.to_numpy().astype(np.int32), _pandas_values(data.cat.categories), False)
        if isinstance(data.dtype, np.dtype):
            return code_array(data.to_numpy())
        if data.dtype.kind in "biuf":  # with a mask
            values = data.to_numpy(dtype=data.dtype.numpy_dtype, na_value=data.dtype.numpy_dtype.type(0))
            return code_array(values, data.notna().to_numpy().view(np.uint8))
        codes, values = data.factorize()
        return Coded(codes.astype(np.int32), _pandas_values(values))

    def _read_numbers(self) -> Float64:
        if self.data.dtype.kind in "biuf":
            numbers: Float64 = self.data.to_numpy(dtype=np.float64, na_value=np.nan)
            return numbers
        if self.holds_times:
            has_zone = getattr(self.data.dtype, "tz", None) is not None
            return seconds_of((self.data.dt.tz_convert(None) if has_zone else self.data).to_numpy())
        return numbers_from_objects(self.name, self._objects())

    def _read_collections(self, sep: str | None) -> Cells | None:
        if hasattr(self.data, "cat") or self.data.dtype.kind != "O" or self.data.dtype.name in ("str", "string"):
            return None
        return cells_from_objects(self.name, self.data.to_numpy(dtype=object), sep)


def _pandas_values(index: Any) -> Any:
    return (index.tz_convert(None) if getattr(index, "tz", None) is not None else index).to_numpy()
