"""Array types, and arrays in the layout that compiled code reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
# Of users or items, to search with or among: float32 or float16.
FloatVectors = NDArray[np.float32 | np.float16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Bools = NDArray[np.bool_]

# The largest row, feature or item number of the compiled code, and so the most of them.
MAX_INT32 = int(np.iinfo(np.int32).max)


def as_kernels_read(values: Any, dtype: Any = None) -> Any:
    """Return a C-contiguous array of this type without a copy where possible, each value where its type may lie."""
    return np.require(values, dtype, ["C", "ALIGNED", "ENSUREARRAY"])


def object_array(values: Any) -> AnyArray:
    """Return an array of objects, one for each value, also where values are lists."""
    items = list(values)
    return np.fromiter(items, dtype=object, count=len(items))
