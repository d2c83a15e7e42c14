"""Times and durations as numbers of seconds."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float64

TIME_TYPES = (date, time, timedelta, np.datetime64, np.timedelta64)


def seconds_of(values: AnyArray) -> Float64:
    """Return times and durations (n,), of NumPy's types or Python objects, as seconds (n,), NaN for NaT."""
    if values.dtype.kind in "mM":
        durations = values - np.datetime64(0, "s") if values.dtype.kind == "M" else values
        numbers: Float64 = durations / np.timedelta64(1, "s")
        return numbers
    return np.array([seconds(value) for value in values.tolist()], dtype=np.float64)


def seconds(value: Any) -> float:
    """Return the seconds since 1970, in UTC, of a date or an instant, since midnight of a time, and of a duration."""
    if isinstance(value, np.datetime64):
        value = value - np.datetime64(0, "s")
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s"))
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond / 1e6
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return float((value if value.tzinfo is not None else value.replace(tzinfo=UTC)).timestamp())
