"""Best items of users by an `FMRecommender`, which knows its users, its items and what each user has chosen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from fastfm_ext.recommender.recommender import FMRecommender
from fastfm_ext.spark.arrow import map_arrow
from fastfm_ext.spark.encoding.types import columns_named
from fastfm_ext.spark.reading import quoted
from fastfm_ext.spark.serving.rows import ID
from fastfm_ext.spark.serving.schema import result_schema
from fastfm_ext.spark.shipping import Shipped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def recommend_by(recommender: FMRecommender, users: DataFrame, n: int, user: str, item: str) -> DataFrame:
    """Find the best items of every user, without what the recommender knows that the user has chosen.

    Parameters
    ----------
    recommender : FMRecommender
        Fitted.
    users : pyspark.sql.DataFrame
        A row for each user: the id, and columns of the context if there are any.
    n : int
        Items a user.
    user, item : str
        Names of the columns of ids.

    Returns
    -------
    pyspark.sql.DataFrame
        As of `recommend_for_all`; users of whom nothing is known get what is popular.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the recommender is not fitted.
    ValueError
        If there is no column of users.
    """
    from pyspark.sql import functions

    names = recommender._fitted().columns.context
    context = [name for name in names if name in users.columns]
    columns_named(users, [user, *context])
    wanted = [functions.col(quoted(user)).alias(ID)]
    wanted += [functions.col(quoted(name)).alias(f"context {name}") for name in context]
    kind = users.schema[user].dataType
    schema = result_schema(user, kind, item, recommender.index.ids)
    task = _Request(recommender, n, tuple(context))
    return map_arrow(users.select(*wanted), _Recommending(Shipped(task)), schema)


class _Request(NamedTuple):
    """What workers ask the recommender for."""

    recommender: FMRecommender
    n: int
    context: tuple[str, ...]


class _Recommending:
    """Serves the users of a partition, in a worker.

    Parameters
    ----------
    request : Shipped of _Request
    """

    def __init__(self, request: Shipped[_Request]) -> None:
        self._request = request

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give Arrow batches of a row for each user and item."""
        import pyarrow as pa

        recommender, n, names = self._request.get()
        for batch in batches:
            if not batch.num_rows:
                continue
            ids = batch.column(ID)
            columns = [batch.column(f"context {name}") for name in names]
            context = pa.RecordBatch.from_arrays(columns, names=list(names)) if names else None
            best = recommender._best(ids.to_pylist(), n, True, None, context, "popular")
            users, items, scores = list(best.columns.values())[:3]
            arrays = [
                pa.array(users, type=ids.type),
                pa.array(best.ranks, type=pa.int32()),
                pa.array(items),
                pa.array(scores, type=pa.float32()),
            ]
            yield pa.RecordBatch.from_arrays(arrays, names=["user", "rank", "item", "score"])
