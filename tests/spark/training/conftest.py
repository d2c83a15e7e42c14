"""Packed ratings, which the tests of training share."""

from typing import Any, NamedTuple

import numpy as np
import pytest

N_USERS, N_ITEMS = 60, 30


class Ratings(NamedTuple):
    """Packed rows of a user and an item, with a label of two factors; and the same as arrays."""

    packed: Any
    X: Any
    y: Any


@pytest.fixture(scope="package")
def ratings(spark):
    from pyspark.ml.linalg import Vectors

    from fastfm_ext.spark.partitions import Partitioning, pack_rows
    from fastfm_ext.spark.reading import LabelRule, SourceColumns

    rng, n_rows, size = np.random.default_rng(0), 4000, N_USERS + N_ITEMS
    users, items = rng.integers(N_USERS, size=n_rows), rng.integers(N_ITEMS, size=n_rows)
    U, V = rng.normal(size=(N_USERS, 2)), rng.normal(size=(N_ITEMS, 2))
    y = (U[users] * V[items]).sum(axis=1) + 0.1 * rng.normal(size=n_rows)
    rows = [
        (Vectors.sparse(size, [u, N_USERS + i], [1.0, 1.0]), label, number % 10 == 0)
        for number, (u, i, label) in enumerate(zip(users.tolist(), items.tolist(), y.tolist(), strict=True))
    ]
    frame = spark.createDataFrame(rows, ["features", "label", "validation"])
    X = np.zeros((n_rows, size), dtype=np.float32)
    X[np.arange(n_rows), users] = X[np.arange(n_rows), N_USERS + items] = 1.0
    columns = SourceColumns("features", "label", held_out="validation")
    packed = pack_rows(frame, columns, size, LabelRule(), Partitioning(2))
    yield Ratings(packed, X, y)
    packed.unpersist()
