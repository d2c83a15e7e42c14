"""Best items of all users of a Spark DataFrame: the workers search an index that each of them unpacks once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import kind_of
from fastfm_ext._validation.vectors import check_count
from fastfm_ext.recommender.recommender import FMRecommender
from fastfm_ext.retrieval.for_users import recommend
from fastfm_ext.retrieval.ids import IdPositions, positions_by_id
from fastfm_ext.retrieval.index import ItemIndex
from fastfm_ext.spark.arrow import map_arrow
from fastfm_ext.spark.encoding.types import columns_named
from fastfm_ext.spark.reading import quoted
from fastfm_ext.spark.serving.recommenders import recommend_by
from fastfm_ext.spark.serving.rows import ID, SideReader, local_encoder, local_model, side_columns
from fastfm_ext.spark.serving.schema import result_schema
from fastfm_ext.spark.shipping import Shipped

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_EXCLUDED = "__excluded"


def recommend_for_all(
    model: Any,
    index: ItemIndex | None,
    users: DataFrame,
    n: int = 10,
    exclude: DataFrame | None = None,
    *,
    encoder: Any = None,
    userCol: str = "user",
    itemCol: str = "item",
    featuresCol: str = "features",
) -> DataFrame:
    """Find the best items of every user of a Spark DataFrame.

    Parameters
    ----------
    model : FMRegressor, FMClassifier, FMRanker or FMRecommender
        Fitted, of `fastfm_ext` or `fastfm_ext.spark`. With an FMRecommender, `users` needs ids alone, and columns of
        the context if there are any; what the recommender knows that a user has chosen is left out.
    index : fastfm_ext.ItemIndex or None
        Over the model's item vectors; None with an FMRecommender.
    users : pyspark.sql.DataFrame
        A row for each user: the id, and the features, with zeros on the item's side.
    n : int, default=10
        Items a user, at least 1. Users for whom fewer are left get fewer.
    exclude : pyspark.sql.DataFrame, optional
        Pairs of a user and an item that the user must not get, in the columns `userCol` and `itemCol`. Pairs of other
        users and items have no effect.
    encoder : FMEncoder, optional
        Fitted, of `fastfm_ext` or `fastfm_ext.spark`: then `users` has the encoder's columns of the user and the
        context in place of `featuresCol`.
    userCol, itemCol : str
        Columns of ids, in the arguments and in the result.
    featuresCol : str, default="features"
        Column of vectors in `users`.

    Returns
    -------
    pyspark.sql.DataFrame
        Columns `userCol`, ``rank`` (int, from 1 for each user), `itemCol`, and ``score`` (float): what the model
        predicts, before the link of a classifier. The same as of `fastfm_ext.recommend` on one machine.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the encoder is not fitted, or the index has no items.
    TypeError
        If an argument is something else, or a column is of a type that does not fit.
    ValueError
        If a column is missing, `n` is below 1, or the arguments do not fit each other.

    Notes
    -----
    Model and index travel to each executor once, and each Python worker unpacks them once. A task searches with one
    thread, as Spark runs a task on each core. `exclude` is grouped by user and joined to `users` by Spark.

    Examples
    --------
    >>> import numpy as np
    >>> from pyspark.ml.linalg import Vectors
    >>> from fastfm_ext import FMRegressor, ItemIndex
    >>> from fastfm_ext.spark import recommend_for_all
    >>> V = [[1.0, 0.0], [1.0, 2.0], [2.0, 1.0], [0.0, 3.0]]  # two users, two films
    >>> model = FMRegressor.from_parameters(0.0, [0.0] * 4, V)
    >>> films = np.eye(4)[2:]
    >>> index = ItemIndex().fit(model.item_vector(films), ids=["Alien", "Brazil"])
    >>> users = spark.createDataFrame(
    ...     [("ann", Vectors.sparse(4, [0], [1.0])), ("bob", Vectors.sparse(4, [1], [1.0]))],
    ...     ["user", "features"],
    ... )
    >>> best = recommend_for_all(model, index, users, n=2, itemCol="film")
    >>> best.orderBy("user", "rank").show()
    +----+----+------+-----+
    |user|rank|  film|score|
    +----+----+------+-----+
    | ann|   1| Alien|  2.0|
    | ann|   2|Brazil|  0.0|
    | bob|   1|Brazil|  6.0|
    | bob|   2| Alien|  4.0|
    +----+----+------+-----+
    """
    n = check_count(n, "n")
    if isinstance(model, FMRecommender):
        if index is not None or exclude is not None or encoder is not None:
            raise ValueError(
                "index, exclude and encoder must be None with an FMRecommender, which has its own and leaves out what "
                "it knows of: pass its parts, recommender.model and so on, for others."
            )
        return recommend_by(model, users, n, userCol, itemCol)
    local = local_model(model)
    if not isinstance(index, ItemIndex):
        raise TypeError(f"index must be an ItemIndex, got {kind_of(index)}.")
    reader = SideReader(int(local.n_features_in_), local_encoder(encoder), "user")
    rows = users.select(*side_columns(users, userCol, featuresCol, reader))
    if exclude is not None:
        rows = _with_excluded(rows, users, exclude, userCol, itemCol)
    schema = result_schema(userCol, users.schema[userCol].dataType, itemCol, index.ids)
    return map_arrow(rows, _Search(Shipped(_Task(local, index, reader, n))), schema)


@dataclass(frozen=True)
class _Task:
    """What workers search with."""

    model: Any
    index: ItemIndex
    reader: SideReader
    n: int


class _Search:
    """Finds the best items of the users of a partition, in a worker.

    Parameters
    ----------
    task : Shipped of _Task
    """

    def __init__(self, task: Shipped[_Task]) -> None:
        self._task = task

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Give Arrow batches of a row for each user and item."""
        task = self._task.get()
        index = task.index
        index.n_jobs = None
        positions = positions_by_id(index.ids)
        for batch in batches:
            if not batch.num_rows:
                continue
            X = task.reader.matrix(batch)
            excluded = None
            if _EXCLUDED in batch.schema.names:
                excluded = _excluded_items(batch.column(_EXCLUDED), positions)
            for best in recommend(task.model, index, X, task.n, exclude=excluded):
                users = batch.column(ID).slice(best.users.start, len(best.users))
                yield _ranked(users, best.ids, best.scores)


def _ranked(users: Any, ids: AnyArray, scores: AnyArray) -> Any:
    """Return the rows of a result: of users, an Arrow array (n_users,), and the ids and scores (n_users, n)."""
    import pyarrow as pa

    rows, places = np.nonzero(scores > -np.inf)
    columns = [
        users.take(pa.array(rows)),
        pa.array((places + 1).astype(np.int32)),
        pa.array(ids[rows, places]),
        pa.array(scores[rows, places]),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["user", "rank", "item", "score"])


def _excluded_items(lists: Any, positions: IdPositions) -> sparse.csr_array:
    """Return lists of items, an Arrow array (n_users,), as a matrix of ones (n_users, n_items); others are left out."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    coded = lists.flatten().dictionary_encode()
    found = np.array(positions.find(coded.dictionary.to_pylist(), "exclude"), dtype=np.int64)
    items = found[coded.indices.to_numpy()]
    users = np.repeat(np.arange(len(lengths)), lengths)
    is_known = items >= 0
    pairs = (users[is_known], items[is_known])
    return sparse.csr_array((np.ones(len(pairs[0]), dtype=np.float32), pairs), shape=(len(lengths), len(positions)))


def _with_excluded(rows: DataFrame, users: DataFrame, exclude: DataFrame, user: str, item: str) -> DataFrame:
    """Return the rows with a list of the items that each user must not get.

    Raises
    ------
    TypeError
        If the ids of users are of two types.
    ValueError
        If a column is missing.
    """
    from pyspark.sql import functions

    pairs = columns_named(exclude, [user, item])
    wanted, given = users.schema[user].dataType, exclude.schema[user].dataType
    if given != wanted:
        raise TypeError(
            f"column {user!r} of exclude is of the type {given.simpleString()}, and that of users of the type "
            f"{wanted.simpleString()}: cast one of them."
        )
    lists = pairs.groupBy(functions.col(quoted(user)).alias("__user")).agg(
        functions.collect_set(functions.col(quoted(item))).alias(_EXCLUDED)
    )
    return rows.join(lists, rows[ID] == lists["__user"], "left").drop("__user")
