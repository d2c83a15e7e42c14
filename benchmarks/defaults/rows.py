"""Data sets of rows with targets: training and validation rows, never test rows.

Where a data set has no test file, a tenth of the rows is put aside first, as if it were one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from fastfm_ext import FMEncoder, multi, numeric
from quality import find, read_films, read_frappe, read_ratings

SMALL = 20_000  # rows
LIKED = 4  # films with this rating, of 5, or a higher one


class Split(NamedTuple):
    """Rows to train on and rows to choose with; ``X_test, y_test`` are for the quality that is reported in the end."""

    X: Any
    y: Any
    X_val: Any
    y_val: Any
    X_test: Any
    y_test: Any

    def part(self, n_train: int, n_val: int) -> Split:
        """Return at most so many of the rows, taken at random, to search in less time."""
        rng = np.random.default_rng(0)
        arrays: list[Any] = []
        for (X, y), n in (((self.X, self.y), n_train), ((self.X_val, self.y_val), n_val)):
            chosen = rng.permutation(len(y))[:n]
            arrays += [X[chosen], np.asarray(y)[chosen]]
        return self._replace(X=arrays[0], y=arrays[1], X_val=arrays[2], y_val=arrays[3])


def split(X: Any, y: Any) -> Split:
    """Put a tenth of the rows aside, and split the others into training and validation rows."""
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.1, random_state=0)
    return split_training(X, y, X_test, y_test)


def split_training(X: Any, y: Any, X_test: Any, y_test: Any) -> Split:
    """Take a tenth of the rows to validate with; of a small table more, or chance would choose."""
    share = 0.1 if X.shape[0] >= SMALL else 0.3
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=share, random_state=1)
    return Split(X_train, y_train, X_val, y_val, X_test, y_test)


def encoded(rows: Split, encoder: FMEncoder) -> Split:
    X = encoder.fit_transform(rows.X)
    X_val, X_test = encoder.transform(rows.X_val), encoder.transform(rows.X_test)
    return rows._replace(X=X, X_val=X_val, X_test=X_test)


# --- ratings ---------------------------------------------------------------------------------------------------------


def movielens_100k(data: Path) -> Split:
    """Fold u1, with the features of users and films; the validation rows are a tenth of the training file."""
    folder = data / "ml-100k"
    names = ["user", "age", "gender", "occupation"]
    users = pd.read_csv(find(folder, "u.user"), sep="|", header=None, usecols=range(4), names=names)
    base, test = (
        read_ratings(folder, name).merge(users, on="user").merge(read_films(folder), on="film")
        for name in ("u1.base", "u1.test")
    )
    encoder = FMEncoder(user=["user", "gender", "occupation", numeric("age")], item=["film", multi("genres")])
    return encoded(split_training(base, base["rating"], test, test["rating"]), encoder)


def movielens_1m(data: Path) -> Split:
    table = pd.read_csv(find(data / "ml-1m", "ratings.csv"))
    table.columns = ["user", "film", "rating", *table.columns[3:]]
    return encoded(split(table[["user", "film"]], table["rating"]), FMEncoder(user=["user"], item=["film"]))


def movielens_small(data: Path) -> Split:
    folder = data / "ml-latest-small"
    table = pd.read_csv(find(folder, "ratings.csv")).merge(pd.read_csv(find(folder, "movies.csv")), on="movieId")
    encoder = FMEncoder(user=["userId"], item=["movieId", multi("genres", sep="|")])
    return encoded(split(table, table["rating"]), encoder)


# --- numbers ---------------------------------------------------------------------------------------------------------


def diabetes(data: Path) -> Split:
    return split(*load_diabetes(return_X_y=True))


def columns_of(table: pd.DataFrame) -> list[Any]:
    """Return each column as the encoder takes it: numbers as such, and texts as categories."""
    return [numeric(name) if pd.api.types.is_numeric_dtype(table[name]) else name for name in table.columns]


def bikes(data: Path) -> Split:
    """Rentals in an hour, by season and weather."""
    table = pd.read_csv(data / "tables" / "bike_sharing.csv.gz")
    categories, numbers = ["season", "holiday", "workingday", "weather"], ["temp", "atemp", "humidity", "windspeed"]
    encoder = FMEncoder(user=[*categories, *(numeric(name) for name in numbers)], item=[])
    return encoded(split(table[[*categories, *numbers]], table["count"]), encoder)


# --- clicks and other classes ----------------------------------------------------------------------------------------


def movielens_likes(data: Path) -> Split:
    rows = movielens_100k(data)
    likes = [(np.asarray(y) >= LIKED).astype(int) for y in (rows.y, rows.y_val, rows.y_test)]
    return rows._replace(y=likes[0], y_val=likes[1], y_test=likes[2])


def frappe(data: Path) -> Split:
    folder = data / "frappe-nfm"
    names = ("frappe.train.rebuilt.libfm", "frappe.validation.libfm", "frappe.test.libfm")
    parts = [read_frappe(folder, name) for name in names]
    return Split(*(array for X, y in parts for array in (X, (y > 0).astype(int))))


def adult(data: Path) -> Split:
    table = pd.read_csv(data / "ctr" / "adult" / "adult-uci.csv.gz", header=None, skipinitialspace=True)
    table.columns = [f"column{number}" for number in table.columns]
    target = table.pop(table.columns[-1])
    rows = split(table, (target == target.iloc[0]).astype(int))
    return encoded(rows, FMEncoder(user=columns_of(table), item=[]))


def bank(data: Path) -> Split:
    table = pd.read_csv(data / "tables" / "bank-uci.csv.gz").drop(columns="id")
    rows = split(table, (table.pop("y") == "yes").astype(int))
    return encoded(rows, FMEncoder(user=columns_of(table), item=[]))


def avazu(data: Path) -> Split:
    folder = data / "ctr" / "avazu-8k"
    train = pd.read_csv(find(folder, "train.csv"), dtype=str)
    files = (find(folder, f"{part}.csv") for part in ("dev", "test"))
    dev, test = (pd.read_csv(file, dtype=str, header=None, names=train.columns) for file in files)
    train = pd.concat([train, dev], ignore_index=True)
    columns = [name for name in train.columns if name not in ("id", "click")]
    rows = split_training(train, train["click"].astype(int), test, test["click"].astype(int))
    return encoded(rows, FMEncoder(user=columns, item=[]))


def criteo(data: Path) -> Split:
    file = find(data / "ctr" / "criteo-10k", "train_examples.txt")
    numbers, texts = [f"I{i}" for i in range(1, 14)], [f"C{i}" for i in range(1, 27)]
    table = pd.read_csv(file, sep="\t", header=None, names=["label", *numbers, *texts])
    for name in numbers:
        table[name] = np.log1p(table[name].clip(lower=0))
    columns = [*(numeric(name) for name in numbers), *texts]
    return encoded(split(table, table["label"]), FMEncoder(user=columns, item=[]))


DATA_SETS: dict[str, dict[str, Callable[[Path], Split]]] = {
    "regression": {
        "ml-100k": movielens_100k,
        "ml-1m": movielens_1m,
        "ml-latest-small": movielens_small,
        "bikes": bikes,
        "diabetes": diabetes,
    },
    "classification": {
        "frappe": frappe,
        "adult": adult,
        "avazu-8k": avazu,
        "criteo-10k": criteo,
        "ml-100k likes": movielens_likes,
        "bank": bank,
    },
}
