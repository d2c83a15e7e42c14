"""Trainings whose workers are killed."""

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

import fastfm_ext
from fastfm_ext.spark.training import TrainingSettings, train
from model_bits import bits
from spark_workers import CAN_FIND_WORKERS, WorkerKiller


@pytest.mark.skipif(not CAN_FIND_WORKERS, reason="workers are found in /proc, which is not here")
def test_workers_that_are_killed_change_no_bit(spark, ratings):
    estimator = fastfm_ext.FMRegressor(n_factors=4, random_state=0)
    settings = TrainingSettings(n_epochs=3, n_rounds=2)
    undisturbed = train(estimator, ratings.packed, settings)
    with WorkerKiller(spark, n_kills=2, seconds=(0.1, 0.5)) as killer:
        model = train(estimator, ratings.packed, settings)
    assert len(killer.killed) == 2
    np.testing.assert_array_equal(bits(model), bits(undisturbed))
