"""Data sets as sparse matrices with rows to train, validate and test on, and as DataFrames of Spark."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.datasets import dump_svmlight_file

from fastfm_ext import FMEncoder, multi, numeric

sys.path.insert(0, os.fspath(Path(__file__).parent.parent))
from quality import find, read_frappe


@dataclass(frozen=True)
class DataSet:
    """Rows X and targets y to train, validate and test on; a task is "regression" or "classification"."""

    name: str
    task: str
    train: tuple[sp.csr_matrix, Any]
    validation: tuple[sp.csr_matrix, Any]
    test: tuple[sp.csr_matrix, Any]

    @property
    def n_features(self) -> int:
        """Columns of X."""
        return int(self.train[0].shape[1])

    @property
    def unit(self) -> str:
        """What models are compared by."""
        return "RMSE" if self.task == "regression" else "log loss"


def load(name: str, folder: Path) -> DataSet:
    """Return "ml-1m" (users and films with what is known of them), "ml-1m-ids" (the ids alone) or "frappe"."""
    return frappe(folder) if name == "frappe" else movielens_1m(folder, ids_only=name.endswith("ids"))


def movielens_1m(folder: Path, *, ids_only: bool) -> DataSet:
    """Return a random tenth of the ratings to test on, a tenth to validate on, and the others."""
    ratings = pd.read_csv(find(folder / "ml-1m", "ratings.csv"), usecols=[0, 1, 2])
    ratings.columns = ["user", "film", "rating"]
    columns: list[Any] = ["user", "film"]
    if not ids_only:
        names = ["user", "gender", "age", "occupation", "zip"]
        users = _table(folder, "users.dat", names).drop(columns="zip")
        films = _table(folder, "movies.dat", ["film", "title", "genres"]).drop(columns="title")
        ratings = ratings.merge(users, on="user").merge(films, on="film")
        columns = ["user", "gender", "occupation", numeric("age"), "film", multi("genres")]
    ratings = ratings.iloc[np.random.default_rng(0).permutation(len(ratings))]
    tenth = len(ratings) // 10
    test, validation, train = ratings[:tenth], ratings[tenth : 2 * tenth], ratings[2 * tenth :]
    encoder = FMEncoder(user=columns, item=[]).fit(train)
    parts = [(encoder.transform(part), part["rating"].to_numpy(float)) for part in (train, validation, test)]
    return DataSet("ml-1m-ids" if ids_only else "ml-1m", "regression", *parts)


def _table(folder: Path, name: str, columns: list[str]) -> pd.DataFrame:
    path = find(folder / "ml-1m", name)
    return pd.read_csv(path, sep="::", engine="python", header=None, names=columns, encoding="latin-1")


def frappe(folder: Path) -> DataSet:
    """Return the split of He and Chua (2017)."""
    names = ("frappe.train.rebuilt.libfm", "frappe.validation.libfm", "frappe.test.libfm")
    parts = [read_frappe(folder / "frappe-nfm", name) for name in names]
    return DataSet("frappe", "classification", *[(X, (y > 0).astype(float)) for X, y in parts])


def as_frame(spark: Any, data: DataSet, folder: Path) -> Any:
    """Return the rows to train and to validate on as "features", "label" and "is_validation", in Spark's memory."""
    from pyspark.sql import functions

    frames = []
    for name, (X, y) in (("train", data.train), ("validation", data.validation)):
        path = folder / f"{data.name}-{name}.libsvm"
        if not path.exists():
            dump_svmlight_file(X, y, os.fspath(path), zero_based=False)
        frame = spark.read.format("libsvm").option("numFeatures", data.n_features).load(path.as_uri())
        frames.append(frame.withColumn("is_validation", functions.lit(name == "validation")))
    # Sorted, the rows come in the same order again when Spark has lost what it kept of them.
    rows = frames[0].unionByName(frames[1]).withColumn("place", functions.rand(0)).repartition(4, "place")
    frame = rows.sortWithinPartitions("place").drop("place").persist()
    frame.count()
    return frame


def score(data: DataSet, model: Any, part: str = "test") -> float:
    """Return the RMSE or the log loss of a local model on the rows to validate or to test on."""
    from sklearn.metrics import log_loss, root_mean_squared_error

    X, y = getattr(data, part)
    if data.task == "regression":
        return float(root_mean_squared_error(y, model.predict(X)))
    return float(log_loss(y, model.predict_proba(X)[:, 1]))
