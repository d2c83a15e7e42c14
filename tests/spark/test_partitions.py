"""Rows of a DataFrame, packed and partitioned."""

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

from fastfm_ext._engine.csr import Csr
from fastfm_ext.spark.packing import joined, unpacked
from fastfm_ext.spark.partitions import Partitioning, keys_by_partition, pack_rows, place_of_most_ids
from fastfm_ext.spark.reading import LabelRule, SourceColumns

N_USERS, N_ITEMS = 300, 40
N_FEATURES = N_USERS + N_ITEMS + 1


def ratings(n_rows: int, seed: int = 0) -> list[tuple[int, int, float, float]]:
    """Users, items, a number and a label of each row."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(N_USERS, size=n_rows), rng.integers(N_ITEMS, size=n_rows)
    return list(zip(users.tolist(), items.tolist(), rng.random(n_rows).tolist(), range(n_rows), strict=True))


def frame_of(spark, rows):
    from pyspark.ml.linalg import Vectors

    vectors = [
        (Vectors.sparse(N_FEATURES, [user, N_USERS + item, N_FEATURES - 1], [1.0, 1.0, value]), float(label))
        for user, item, value, label in rows
    ]
    return spark.createDataFrame(vectors, ["features", "label"])


def test_rows_of_a_user_lie_in_one_partition_and_none_is_lost(spark):
    rows = ratings(2000)
    source = frame_of(spark, rows)
    packed = pack_rows(source, SourceColumns("features", "label"), N_FEATURES, LabelRule(), Partitioning(3, seed=1))
    tables = packed.frame.toArrow()
    by_part = {part: [] for part in range(3)}
    for batch in tables.to_batches():
        for part, block in zip(batch.column("part").to_pylist(), unpacked([batch], N_FEATURES), strict=True):
            by_part[part].append(block)
    whole = {part: joined(blocks, N_FEATURES) for part, blocks in by_part.items()}
    assert [block.n_rows for block in whole.values()] == packed.n_rows_of[:, 0].tolist()
    assert packed.n_rows_of.sum() == 2000
    assert packed.label_range == (0.0, 1999.0)
    users_of = [set(block.X.indices[::3].tolist()) for block in whole.values()]
    assert not set.intersection(*users_of)
    found = {}
    for block in whole.values():
        for row, label in enumerate(block.labels.tolist()):
            at = slice(block.X.indptr[row], block.X.indptr[row + 1])
            found[int(label)] = block.X.indices[at].tolist(), block.X.data[at].tolist()
    for user, item, value, label in rows:
        assert found[label] == ([user, N_USERS + item, N_FEATURES - 1], [1.0, 1.0, float(np.float32(value))])
    packed.unpersist()


def test_spark_sends_each_key_to_its_partition(spark):
    n_partitions = 7
    keys = keys_by_partition(n_partitions)
    frame = spark.createDataFrame([(key, part) for part, key in enumerate(keys)], "key int, part int")
    for row in frame.selectExpr("part", f"pmod(hash(key), {n_partitions}) AS sent").collect():
        assert row["sent"] == row["part"]


def test_the_place_of_most_ids_is_that_of_the_users():
    users, items = np.arange(1000) % 200, 200 + np.arange(1000) % 7
    X = Csr(np.arange(1001) * 2, np.stack([users, items], axis=1).reshape(-1).astype(np.int32), None, 207)
    assert place_of_most_ids(X, 2) == 0
    dense = Csr(np.arange(1001) * 2, np.tile(np.arange(2, dtype=np.int32), 1000), np.ones(2000, np.float32), 2)
    assert place_of_most_ids(dense, 2) is None
