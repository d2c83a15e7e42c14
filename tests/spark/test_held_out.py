"""Rows to validate on, and rows of no weight, where a partition holds nothing else."""

import pytest

pytest.importorskip("pyspark", reason="needs PySpark")

from pyspark.ml.linalg import Vectors
from pyspark.sql import functions

from fastfm_ext.spark import FMClassifier


@pytest.fixture(scope="module")
def frame(spark):
    rows = [(float(number % 2), Vectors.sparse(4, [number % 4], [1.0]), 1.0) for number in range(20)]
    return spark.createDataFrame(rows, ["label", "features", "weight"])


@pytest.mark.parametrize(
    ("held_out", "weight", "message"),
    [
        (True, 1.0, "'held_out' holds out all rows, and leaves none to train on"),
        (False, 0.0, "no rows of positive weight to train on"),
    ],
)
def test_a_frame_that_leaves_no_row_to_train_on_is_refused(frame, held_out, weight, message):
    rows = frame.withColumn("held_out", functions.lit(held_out)).withColumn("weight", functions.lit(weight))
    with pytest.raises(ValueError, match=message):
        FMClassifier(validationIndicatorCol="held_out", weightCol="weight").fit(rows)


def test_no_row_need_be_held_out(frame):
    rows = frame.withColumn("held_out", functions.lit(False))
    model = FMClassifier(validationIndicatorCol="held_out", maxIter=2).fit(rows)
    assert model.numFeatures == 4
