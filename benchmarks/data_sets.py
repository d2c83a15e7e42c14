"""Data sets to train on: rows and targets, the estimator, how it is measured, and a simple model to compare with.

Each function takes the folder of the data, a seed for the split, and how many rows to train on: None for all but the
test rows. The peer of rows is scikit-learn's `Ridge` or `LogisticRegression` with default settings on the same matrix;
that of rankings is the number of interactions of an item.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from fastfm_ext import FMClassifier, FMEncoder, FMRanker, FMRegressor, evaluate, multi, numeric
from quality import find, read_films, read_frappe, read_ratings
from top_n.data import ids_only, read_gowalla

MOST_TEST_ROWS = 3_000  # of a table that is split


class Task(NamedTuple):
    """Data to train on, the estimator, how a fitted one is measured and in what; and the measure of a simple model."""

    estimator: Any
    data: tuple[Any, ...]
    measure: Callable[[Any], float]
    peer: Callable[[], float]
    unit: str


# --- measures --------------------------------------------------------------------------------------------------------


def regression(X: Any, y: Any, X_test: Any, y_test: Any) -> Task:
    y, y_test = np.asarray(y, dtype=float), np.asarray(y_test, dtype=float)

    def rmse(model: Any) -> float:
        return float(root_mean_squared_error(y_test, np.clip(model.predict(X_test), y.min(), y.max())))

    return Task(FMRegressor, (X, y), rmse, lambda: rmse(Ridge().fit(X, y)), "RMSE")


def classification(X: Any, y: Any, X_test: Any, y_test: Any) -> Task:
    y, y_test = np.asarray(y), np.asarray(y_test)

    def loss(model: Any) -> float:
        return float(log_loss(y_test, model.predict_proba(X_test), labels=model.classes_))

    return Task(FMClassifier, (X, y), loss, lambda: loss(LogisticRegression(max_iter=2_000).fit(X, y)), "log loss")


def ranking(train: sp.csr_array, test: sp.csr_array) -> Task:
    X_user, X_item = ids_only(*train.shape)

    def recall(model: Any) -> float:
        return evaluate(model, X_user, X_item, test, seen=train)["recall@20"]

    def of_popularity() -> float:
        scores = np.tile(train.sum(axis=0), (train.shape[0], 1)).astype(float)
        scores[train.nonzero()] = -np.inf
        best = np.argsort(-scores, axis=1, kind="stable")[:, :20]
        hits = np.take_along_axis(test.toarray(), best, axis=1).sum(axis=1)
        n_relevant = np.diff(test.indptr)
        return float((hits / np.maximum(n_relevant, 1))[n_relevant > 0].mean())

    return Task(FMRanker, (X_user, X_item, train), recall, of_popularity, "Recall@20")


# --- splits ----------------------------------------------------------------------------------------------------------


def parts(table: Any, y: Any, seed: int, n_train: int | None) -> list[Any]:
    """Return training and test rows, then training and test targets."""
    n_test = min(len(y) // 5, MOST_TEST_ROWS)
    strata = y if pd.Series(y).nunique() < 20 else None
    return list(
        train_test_split(
            table, y, test_size=n_test, train_size=n_train or len(y) - n_test, random_state=seed, stratify=strata
        )
    )


def encoded(table: pd.DataFrame, y: Any, columns: list[Any], seed: int, n_train: int | None, task: Any) -> Task:
    """Return the task of a table whose columns become features."""
    train, test, y_train, y_test = parts(table, y, seed, n_train)
    encoder = FMEncoder(user=columns, item=[])
    X = encoder.fit_transform(train)
    return task(X, y_train, encoder.transform(test), y_test)


def standardised(X: Any, y: Any, seed: int, n_train: int | None, task: Any) -> Task:
    """Return the task of a dense table."""
    X_train, X_test, y_train, y_test = parts(X, y, seed, n_train)
    scaler = StandardScaler().fit(X_train)
    return task(scaler.transform(X_train), y_train, scaler.transform(X_test), y_test)


def by_type(table: pd.DataFrame) -> list[Any]:
    """Return columns for the encoder: those of numbers with many values as numbers, others as categories."""
    return [
        numeric(name) if pd.api.types.is_numeric_dtype(table[name]) and table[name].nunique() > 40 else name
        for name in table.columns
    ]


# --- ratings and other numbers ---------------------------------------------------------------------------------------


def film_ratings(folder: Path, name: str) -> pd.DataFrame:
    """Return a file of MovieLens 100K with what is known of users and films."""
    names = ["user", "age", "gender", "occupation"]
    users = pd.read_csv(find(folder, "u.user"), sep="|", header=None, usecols=range(4), names=names)
    return read_ratings(folder, name).merge(users, on="user").merge(read_films(folder), on="film")


FILM_COLUMNS = [["user", "gender", "occupation", numeric("age")], ["film", multi("genres")]]


def ml_100k(data: Path, seed: int, n_train: int | None = None) -> Task:
    """Return the official folds for all rows, else a part of all ratings."""
    folder, columns = data / "ml-100k", [column for side in FILM_COLUMNS for column in side]
    if n_train is not None:
        table = film_ratings(folder, "u.data")
        return encoded(table, table["rating"], columns, seed, n_train, regression)
    train, test = (film_ratings(folder, f"u{seed % 5 + 1}.{part}") for part in ("base", "test"))
    encoder = FMEncoder(user=columns, item=[])
    X = encoder.fit_transform(train)
    return regression(X, train["rating"], encoder.transform(test), test["rating"])


def ml_1m(data: Path, seed: int, n_train: int | None = None) -> Task:
    table = pd.read_csv(find(data / "ml-1m", "ratings.csv"))
    train, test = train_test_split(table, test_size=0.1, train_size=n_train, random_state=seed)
    encoder = FMEncoder(user=[table.columns[0]], item=[table.columns[1]])
    X, rating = encoder.fit_transform(train), table.columns[2]
    return regression(X, train[rating], encoder.transform(test), test[rating])


def diabetes(data: Path, seed: int, n_train: int | None = None) -> Task:
    return standardised(*load_diabetes(return_X_y=True), seed, n_train, regression)


def california(data: Path, seed: int, n_train: int | None = None) -> Task:
    table = pd.read_csv(data / "tables" / "california_housing.csv.gz")
    y = table.pop("MedHouseVal").to_numpy()
    long_tailed = ["MedInc", "AveRooms", "AveBedrms", "Population", "AveOccup"]
    table[long_tailed] = np.log(table[long_tailed])
    return standardised(table.to_numpy(), y, seed, n_train, regression)


def bike_sharing(data: Path, seed: int, n_train: int | None = None) -> Task:
    table = pd.read_csv(data / "tables" / "bike_sharing.csv.gz")
    y = np.log1p(table["count"].to_numpy())
    table = table.drop(columns=["casual", "registered", "count"])
    return encoded(table, y, by_type(table), seed, n_train, regression)


# --- clicks and other classes ----------------------------------------------------------------------------------------


def frappe(data: Path, seed: int, n_train: int | None = None) -> Task:
    folder = data / "frappe-nfm"
    train, test = (read_frappe(folder, name) for name in ("frappe.train.rebuilt.libfm", "frappe.test.libfm"))
    rows = np.random.default_rng(seed).permutation(len(train[1]))[:n_train]
    return classification(train[0][rows], train[1][rows] > 0, test[0], test[1] > 0)


def adult(data: Path, seed: int, n_train: int | None = None) -> Task:
    table = pd.read_csv(data / "ctr" / "adult" / "adult-uci.csv.gz", header=None, skipinitialspace=True)
    table.columns = [f"column{number}" for number in table.columns]
    target = table.pop(table.columns[-1])
    return encoded(table, target, by_type(table), seed, n_train, classification)


def bank(data: Path, seed: int, n_train: int | None = None) -> Task:
    table = pd.read_csv(data / "tables" / "bank-uci.csv.gz")
    target = table.pop("y")
    table = table.drop(columns="id")
    return encoded(table, target, by_type(table), seed, n_train, classification)


def criteo(data: Path, seed: int, n_train: int | None = None) -> Task:
    numbers, texts = [f"I{i}" for i in range(1, 14)], [f"C{i}" for i in range(1, 27)]
    file = find(data / "ctr" / "criteo-10k", "train_examples.txt")
    table = pd.read_csv(file, sep="\t", header=None, names=["label", *numbers, *texts])
    table[numbers] = np.log1p(table[numbers].clip(lower=0)).fillna(0)
    columns = [*(numeric(name) for name in numbers), *texts]
    return encoded(table, table.pop("label"), columns, seed, n_train, classification)


def avazu(data: Path, seed: int, n_train: int | None = None) -> Task:
    table = pd.read_csv(find(data / "ctr" / "avazu-8k", "train.csv"), dtype=str).drop(columns="id")
    clicked = table.pop("click") == "1"
    return encoded(table, clicked, list(table.columns), seed, n_train, classification)


def breast_cancer(data: Path, seed: int, n_train: int | None = None) -> Task:
    return standardised(*load_breast_cancer(return_X_y=True), seed, n_train, classification)


def wine(data: Path, seed: int, n_train: int | None = None) -> Task:
    return standardised(*load_wine(return_X_y=True), seed, n_train, classification)


def digits(data: Path, seed: int, n_train: int | None = None) -> Task:
    return standardised(*load_digits(return_X_y=True), seed, n_train, classification)


# --- rankings --------------------------------------------------------------------------------------------------------


def gowalla(data: Path, seed: int, n_train: int | None = None) -> Task:
    """Return a quarter of the users, and the items that are left to them."""
    train, test = read_gowalla(data / "gowalla")
    users = np.random.default_rng(seed).choice(train.shape[0], train.shape[0] // 4, replace=False)
    train, test = train[users], test[users]
    known = np.flatnonzero(np.bincount(train.indices, minlength=train.shape[1]))
    return ranking(train[:, known], test[:, known])


def rated_films(data: Path, seed: int, n_train: int | None = None) -> Task:
    """Return who rated which film in MovieLens 100K, with a quarter as many to be found."""
    table = read_ratings(data / "ml-100k", "u.data")
    n_train = n_train or len(table) * 4 // 5
    train, test = train_test_split(table, train_size=n_train, test_size=n_train // 4, random_state=seed)
    users, films = (pd.unique(pd.concat([train[name], test[name]])) for name in ("user", "film"))

    def matrix(part: pd.DataFrame) -> sp.csr_array:
        places = (pd.Index(users).get_indexer(part["user"]), pd.Index(films).get_indexer(part["film"]))
        return sp.csr_array((np.ones(len(part), dtype=np.float32), places), (len(users), len(films)))

    return ranking(matrix(train), matrix(test))
