"""Types of records in memory: float32, or 16 bits: parameters in float16, the optimizer's state in bfloat16."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32

UInt16 = NDArray[np.uint16]
Records = NDArray[Any]  # (n_rows, 1 + n_slots, width): float32, or uint16 for halves

# Bits of numbers without their sign: of the largest float16, at which larger ones end, and of bfloat16's infinity.
_LARGEST, _INFINITE_STATE = 0x7BFF, 0x7F80


def is_half(records: Records) -> bool:
    """Return whether records are in halves."""
    return records.dtype == np.uint16


def parameters_of(records: Records) -> Float32:
    """Return the parameters of records, (n_rows, width): a view, or a copy of halves."""
    parameters = records[:, 0]
    return parameters.view(np.float16).astype(np.float32) if is_half(records) else parameters


def put_parameters(records: Records, rows: NDArray[np.integer] | slice, parameters: Float32) -> None:
    """Overwrite the parameters of these rows, (n, width); halves are rounded to nearest."""
    records[rows, 0] = parameters.astype(np.float16).view(np.uint16) if is_half(records) else parameters


def states_of(records: Records) -> Float32:
    """Return the optimizer's state in records, (n_rows, n_slots, width): a view, or a copy of halves."""
    states = records[:, 1:]
    return (states.astype(np.uint32) << 16).view(np.float32) if is_half(records) else states


def put_states(records: Records, states: Float32) -> None:
    """Overwrite the optimizer's state in records; halves are rounded to nearest."""
    if is_half(records):
        bits = states.view(np.uint32)
        records[:, 1:] = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    else:
        records[:, 1:] = states


def narrowed(records: Float32) -> UInt16:
    """Return records in halves, rounded to nearest."""
    halves = np.empty(records.shape, dtype=np.uint16)
    with np.errstate(over="ignore"):
        put_parameters(halves, slice(None), records[:, 0])
    put_states(halves, records[:, 1:])
    return halves


def is_finite(records: Records) -> bool:
    """Return whether all values are finite; halves also where they have not reached the largest number."""
    if not records.size:
        return True
    if not is_half(records):
        # NaN and infinity reach the least or the largest value, and neither needs memory.
        return bool(np.isfinite([records.min(), records.max()]).all())
    n_at_once = max(1, (1 << 18) // (records.shape[1] * records.shape[2]))
    for first in range(0, len(records), n_at_once):
        magnitudes = records[first : first + n_at_once] & np.uint16(0x7FFF)
        if magnitudes[:, 0].max() >= _LARGEST or magnitudes[:, 1:].max(initial=0) >= _INFINITE_STATE:
            return False
    return True
