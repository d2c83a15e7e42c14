"""Training on packed rows."""

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

import fastfm_ext
from fastfm_ext.spark.partitions import Partitioning, pack_rows
from fastfm_ext.spark.reading import LabelRule, SourceColumns
from fastfm_ext.spark.training import TrainingSettings, train

N_USERS, N_ITEMS = 60, 30


def ratings(spark, n_rows=4000):
    """Rows of a user and an item, with a label of two factors; and the same as arrays."""
    from pyspark.ml.linalg import Vectors

    rng = np.random.default_rng(0)
    users, items = rng.integers(N_USERS, size=n_rows), rng.integers(N_ITEMS, size=n_rows)
    U, V = rng.normal(size=(N_USERS, 2)), rng.normal(size=(N_ITEMS, 2))
    y = (U[users] * V[items]).sum(axis=1) + 0.1 * rng.normal(size=n_rows)
    size = N_USERS + N_ITEMS
    rows = [
        (Vectors.sparse(size, [u, N_USERS + i], [1.0, 1.0]), label)
        for u, i, label in zip(users.tolist(), items.tolist(), y.tolist(), strict=True)
    ]
    X = np.zeros((n_rows, size), dtype=np.float32)
    X[np.arange(n_rows), users] = X[np.arange(n_rows), N_USERS + items] = 1.0
    return spark.createDataFrame(rows, ["features", "label"]), X, y


@pytest.mark.parametrize("n_partitions", [2])
def test_it_learns_what_one_machine_learns(spark, n_partitions):
    frame, X, y = ratings(spark)
    estimator = fastfm_ext.FMRegressor(n_factors=4, random_state=0)
    packed = pack_rows(
        frame,
        SourceColumns("features", "label"),
        X.shape[1],
        LabelRule(),
        Partitioning(n_partitions, share_held_out=lambda n: 0.1),
    )
    model = train(estimator, packed, TrainingSettings(n_epochs=4))
    packed.unpersist()
    assert len(model.history_["val_loss"]) == model.n_iter_
    alone = fastfm_ext.FMRegressor(n_factors=4, random_state=0, max_iter=4, early_stopping=False).fit(X, y)
    errors = [np.sqrt(np.mean((each.predict(X) - y) ** 2)) for each in (model, alone)]
    assert errors[0] < 1.2 * errors[1]
