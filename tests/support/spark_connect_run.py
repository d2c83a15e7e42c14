"""Fit, predict, save and load through a local server of Spark Connect; run by tests/spark/ml/test_connect.py.

    python spark_connect_run.py FOLDER

Prints what the test compares, as JSON. A process of its own, since a session of Connect and one of the classic kind do
not live in one.
"""

import json
import sys

from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from fastfm_ext.spark import FMClassificationModel, FMClassifier, FMRegressor


def main(folder: str) -> None:
    """Print the type of the session, predictions of a model and of the same one loaded, and of one of two workers."""
    builder = SparkSession.builder.remote("local[2]")
    for name, value in {
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "2",
    }.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    rows = [(float(a == b), Vectors.sparse(4, [a, 2 + b], [1.0, 1.0])) for a in (0, 1) for b in (0, 1)]
    frame = spark.createDataFrame(rows * 20, ["label", "features"])
    model = FMClassifier(factorSize=4).fit(frame)
    first = frame.limit(4)
    model.save(f"{folder}/model")
    again = FMClassificationModel.load(f"{folder}/model")
    apart = FMRegressor(factorSize=2, maxIter=2, numWorkers=2).fit(frame)
    found = {
        "session": type(spark).__module__,
        "predictions": [row.prediction for row in model.transform(first).collect()],
        "probabilities": [list(row.probability) for row in model.transform(first).collect()],
        "probabilities_loaded": [list(row.probability) for row in again.transform(first).collect()],
        "epochs_apart": len(apart.history["train_loss"]),
    }
    print(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
