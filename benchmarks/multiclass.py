"""Multi-class quality: one against the rest beside one softmax, by log loss and accuracy on held-out rows.

    python benchmarks/multiclass.py

Five splits of small tables and two of large ones, a quarter of the rows held out, default settings. Small tables come
with scikit-learn. Others are read from the folder that the environment variable FASTFM_EXT_DATA names, where it is set:
MovieLens 100K, whose stars are taken as five classes, and UCI Adult with two of its columns as the target.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from fastfm_ext import FMClassifier, FMEncoder, numeric

ADULT_COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours",
    "country",
    "income",
]
ADULT_CLASSES = ("occupation", "marital_status")


def tables() -> Iterator[tuple[str, Any, Any]]:
    """Yield names, rows and classes."""
    for name, load in (("iris", load_iris), ("wine", load_wine), ("digits", load_digits)):
        X, y = load(return_X_y=True)
        yield name, StandardScaler().fit_transform(X), y
    named = os.environ.get("FASTFM_EXT_DATA")
    if named:
        yield from real_tables(Path(named))


def real_tables(folder: Path) -> Iterator[tuple[str, Any, Any]]:
    ratings = pd.read_csv(folder / "ml-100k" / "u.data.xz", sep="\t", names=["user", "film", "stars", "time"])
    X = FMEncoder(user=["user"], item=["film"]).fit_transform(ratings)
    yield "ML-100K stars", X, ratings["stars"].to_numpy()
    adult = pd.read_csv(folder / "ctr" / "adult" / "adult-uci.csv.gz", names=ADULT_COLUMNS, skipinitialspace=True)
    for target in ADULT_CLASSES:
        classes = adult[target]
        some = classes.isin(classes.value_counts().loc[lambda counts: counts >= 100].index)
        others = adult.loc[some].drop(columns=target)
        specs = [numeric(name) if pd.api.types.is_numeric_dtype(others[name]) else name for name in others]
        yield f"Adult {target}", FMEncoder(context=specs).fit_transform(others), classes[some].to_numpy()


def models() -> dict[str, Any]:
    return {
        "ovr": FMClassifier(random_state=0),
        "multinomial": FMClassifier(multi_class="multinomial", random_state=0),
        "LogisticRegression": make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=300)),
    }


def main() -> None:
    print("| table | rows | classes | model | log loss | accuracy | seconds |")
    print("|---|---|---|---|---|---|---|")
    for name, X, y in tables():
        n_splits = 5 if len(y) < 10_000 else 2
        splits = list(StratifiedShuffleSplit(n_splits, test_size=0.25, random_state=0).split(np.zeros(len(y)), y))
        for kind in models():
            scores = []
            for train, test in splits:
                model, begun = models()[kind], time.perf_counter()
                p = model.fit(X[train], y[train]).predict_proba(X[test])
                seconds = time.perf_counter() - begun
                labels = model.classes_
                hits = accuracy_score(y[test], labels[p.argmax(axis=1)])
                scores.append((log_loss(y[test], p, labels=labels), hits, seconds))
            loss, accuracy, seconds = np.mean(scores, axis=0)
            cells = [name, f"{len(y):,}", len(np.unique(y)), kind, f"{loss:.4f}", f"{accuracy:.4f}", f"{seconds:.2f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
