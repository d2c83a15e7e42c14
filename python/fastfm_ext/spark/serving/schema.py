"""Schema of recommendations: user, rank, item and score."""

from __future__ import annotations

from typing import Any

from fastfm_ext._common.arrays import AnyArray


def result_schema(user: str, user_type: Any, item: str, ids: AnyArray) -> Any:
    """Return the schema of a result.

    Parameters
    ----------
    user, item : str
        Names of the columns of ids.
    user_type : pyspark.sql.types.DataType
        Of the ids of users.
    ids : ndarray of shape (n_items,)
        Of the items.

    Raises
    ------
    TypeError
        If the ids of items are neither all integers nor all texts.
    ValueError
        If two columns have one name.
    """
    from pyspark.sql.types import FloatType, IntegerType, StructField, StructType

    names = [user, "rank", item, "score"]
    if len(set(names)) < len(names):
        raise ValueError(f"the columns of the result must have four names, got {', '.join(names)}.")
    return StructType(
        [
            StructField(user, user_type),
            StructField("rank", IntegerType(), nullable=False),
            StructField(item, _type_of_ids(ids), nullable=False),
            StructField("score", FloatType(), nullable=False),
        ]
    )


def _type_of_ids(ids: AnyArray) -> Any:
    from pyspark.sql.types import LongType, StringType

    if ids.dtype.kind == "i":
        return LongType()
    other = next((value for value in ids.tolist() if not isinstance(value, str)), None)
    if other is not None:
        raise TypeError(f"the ids of the index must be all int or all str, got {other!r}: turn them into text.")
    return StringType()
