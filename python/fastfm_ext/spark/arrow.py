"""Functions of Arrow batches over a Spark DataFrame, and the Python workers that run them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T")


def map_arrow(frame: DataFrame, function: Callable[[Iterable[Any]], Iterator[Any]], schema: Any) -> DataFrame:
    """Apply a function to the batches of each partition, whatever the columns of the frame are called.

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
    return map_plain(plain, _Named(function, names), schema)


def map_plain(frame: DataFrame, function: Callable[[Iterable[Any]], Iterator[Any]], schema: Any) -> DataFrame:
    """Apply a function as `map_arrow` does, to a frame whose columns have names that Spark reads literally."""
    return frame.mapInArrow(_SettledTask(function), schema)


def partition() -> int:
    """Return the number of the partition whose task runs here; 0 where none does."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return 0 if context is None else int(context.partitionId())


def in_settled_worker(results: Iterable[T]) -> Iterator[T]:
    """Give the results of a task, and leave what its imports made out of garbage collections from then on.

    Spark's daemon collects garbage after each task of a worker, before the next can begin: with the libraries that
    a first task imports, that takes longer than many a task.
    """
    from pyspark import TaskContext

    yield from results
    if TaskContext.get() is not None:
        _settle()


@cache
def _settle() -> None:
    """Leave all objects of this process out of garbage collections; once, or the garbage of each task would stay."""
    gc.freeze()


class _Named:
    """Calls a function with batches whose columns have their own names again."""

    def __init__(self, function: Callable[[Iterable[Any]], Iterator[Any]], names: list[str]) -> None:
        self._function = function
        self._names = names

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        return self._function(batch.rename_columns(self._names) for batch in batches)


class _SettledTask:
    """Calls a function in a worker that is settled afterwards."""

    def __init__(self, function: Callable[[Iterable[Any]], Iterator[Any]]) -> None:
        self._function = function

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        return in_settled_worker(self._function(batches))
