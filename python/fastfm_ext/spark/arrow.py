"""Functions of Arrow batches over a Spark DataFrame, whatever its columns are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def map_arrow(frame: DataFrame, function: Callable[[Iterable[Any]], Iterator[Any]], schema: Any) -> DataFrame:
    """Apply a function to the batches of each partition, as ``frame.mapInArrow`` does where names have no dots.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
    function : callable
        From the batches of a partition, pyarrow.RecordBatch with the frame's columns, to those of the result.
    schema : pyspark.sql.types.StructType or str
        Of the result.

    Returns
    -------
    pyspark.sql.DataFrame
    """
    names = frame.columns
    plain = frame.toDF(*(f"column_{place}" for place in range(len(names))))
    return plain.mapInArrow(_Named(function, names), schema)


class _Named:
    """Calls a function with batches whose columns have their own names again."""

    def __init__(self, function: Callable[[Iterable[Any]], Iterator[Any]], names: list[str]) -> None:
        self._function = function
        self._names = names

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        return self._function(batch.rename_columns(self._names) for batch in batches)
