"""Types of Spark's columns that an encoder reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.hashed import Hashed
from fastfm_ext.encoding.columns.multi import Multi
from fastfm_ext.spark.reading import check_is_frame, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_WHOLE = ("tinyint", "smallint", "int", "bigint")
_FLOATS = ("float", "double")
_TIMES = ("date", "timestamp", "timestamp_ntz")
_TEXTS = ("string", "varchar", "char")


def columns_named(frame: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return a frame of these columns alone.

    Raises
    ------
    ValueError
        If it has no such column, or two.
    TypeError
        If it is no DataFrame of Spark.
    """
    from pyspark.sql import functions

    check_is_frame(frame)
    for name in names:
        n_found = frame.columns.count(name)
        if n_found != 1:
            listed = ", ".join(frame.columns[:20]) + (", ..." if len(frame.columns) > 20 else "")
            found = "no column" if not n_found else "more than one column named"
            raise ValueError(f"the DataFrame has {found} {name!r}; it has {listed or 'no columns'}")
    return frame.select([functions.col(quoted(name)).alias(name) for name in names])


def check_readable(frame: DataFrame, spec: ColumnSpec, names: Sequence[str]) -> None:
    """Raise TypeError for a column, one of these that the frame has, of a type that its spec cannot read."""
    takes_lists = isinstance(spec, Multi) or (isinstance(spec, Hashed) and spec.sep is not None)
    for name in names:
        kind = frame.schema[name].dataType
        shown = kind.simpleString()
        if is_list(kind) and takes_lists:
            if _is_category(kind.elementType):
                continue
            advice = "a cell must be a flat list of strings or numbers"
        elif is_list(kind):
            advice = f"declare a column with several values a cell as multi({name!r})"
        elif spec.reads_numbers:
            if _is_category(kind) and _base(kind) not in _TEXTS:
                continue
            advice = "cast the column to numbers, or declare it as a plain (categorical) column"
        elif _is_category(kind):
            continue
        else:
            advice = "cast it to a string or a number"
        raise TypeError(f"column {name!r} is of the type {shown}, which {spec.written_as} cannot read; {advice}")


def is_list(kind: Any) -> bool:
    """Return whether a type is one of arrays."""
    return bool(kind.typeName() == "array")


def is_time(kind: Any) -> bool:
    """Return whether a type is one of dates or instants."""
    return _base(kind) in _TIMES


def has_fractions(frame: DataFrame) -> dict[str, bool]:
    """Return for each column of a float type whether one of its numbers is not whole."""
    from pyspark.sql import functions

    names = [field.name for field in frame.schema.fields if _base(field.dataType) in _FLOATS]
    if not names:
        return {}
    flags = []
    for place, name in enumerate(names):
        number = functions.col(quoted(name)).cast("double")
        is_fraction = ~functions.isnan(number) & ((number == float("inf")) | (number % 1 != 0))
        flags.append(functions.max(is_fraction).alias(str(place)))
    found = columns_named(frame, names).agg(*flags).head()
    return {name: bool(found[place]) for place, name in enumerate(names)}


def _is_category(kind: Any) -> bool:
    return _base(kind) in (*_WHOLE, *_FLOATS, *_TIMES, *_TEXTS, "boolean", "decimal", "void")


def _base(kind: Any) -> str:
    """Return the name of a type without its length or precision."""
    return str(kind.simpleString()).partition("(")[0]
