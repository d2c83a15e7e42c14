"""MovieLens ratings in blocks, with ids alone, side features of users and films, and implicit sets.

Ratings are split by the protocols that others published results for: of MovieLens 1M a random tenth is tested on
(``RandomState(0).permutation``, its first tenth), of MovieLens 100K the files u1 to u5. Settings are to be chosen on a
tenth that is cut from the training rows in the same way. Numbers of ratings and implicit sets come from training rows
alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fastfm_ext import FMEncoder, implicit, multi, numeric
from real_data import open_data

from .rows import Rows

FEATURES = ("ids", "side", "side+users", "side+films", "side+implicit")
HELD_OUT = ("validation", "test")


def movielens_1m(features: str = "ids", held_out: str = "validation") -> Rows:
    """Return nine tenths of the ratings and a tenth to test on, or the same of the nine tenths."""
    with open_data("ml-1m/ratings.csv") as stream:
        ratings = pd.read_csv(stream, usecols=["user_id", "movie_id", "rating"])
    ratings = ratings.rename(columns={"user_id": "user", "movie_id": "film"})
    order = np.random.RandomState(0).permutation(len(ratings))
    test, train = np.split(order, [len(order) // 10])
    return _encoded(ratings, train, test, held_out, features, known_of_1m)


def movielens_100k(fold: int, features: str = "ids", held_out: str = "validation") -> Rows:
    """Return an official fold, or its training rows with a tenth of them to validate on."""
    names = ["user", "film", "rating", "timestamp"]
    parts = []
    for part in ("base", "test"):
        with open_data(f"ml-100k/u{fold}.{part}") as stream:
            parts.append(pd.read_csv(stream, sep="\t", header=None, names=names))
    ratings = pd.concat(parts, ignore_index=True)
    train, test = np.split(np.arange(len(ratings)), [len(parts[0])])
    train = train[np.random.RandomState(0).permutation(len(train))]
    return _encoded(ratings, train, test, held_out, features, _known_of_100k)


def _encoded(
    ratings: pd.DataFrame,
    train: NDArray[np.integer],
    test: NDArray[np.integer],
    held_out: str,
    features: str,
    read_known: Callable[[], tuple[pd.DataFrame, pd.DataFrame]],
) -> Rows:
    if held_out == "validation":
        test, train = np.split(train, [len(train) // 10])
    table = ratings.iloc[np.concatenate([train, test])].reset_index(drop=True)
    columns = {"user": ["user"], "item": ["film"]}
    if features != "ids":
        users, films = read_known()
        table = table.merge(users, on="user", how="left").merge(films, on="film", how="left")
        for name in ("user", "film"):
            counts = table[name].iloc[: len(train)].value_counts()
            table[f"log n of {name}"] = np.log1p(table[name].map(counts).fillna(0))
        columns["user"] += [*users.columns.drop("user"), numeric("log n of user")]
        columns["item"] += [multi("genres"), "year", numeric("log n of film")]
    if features in ("side+users", "side+implicit"):
        columns["user"].append(implicit("user", of="film"))
    if features in ("side+films", "side+implicit"):
        columns["item"].append(implicit("film", of="user"))
    encoder = FMEncoder(**columns).fit(table.iloc[: len(train)])
    y = table["rating"].to_numpy(np.float64)
    return Rows(encoder.transform_blocks(table), y, len(train), has_relations=features != "ids")


def known_of_1m() -> tuple[pd.DataFrame, pd.DataFrame]:
    with open_data("ml-1m/users.dat") as stream:
        users = _split_lines(stream.read().decode(), ["user", "gender", "age", "occupation", "zip"])
    with open_data("ml-1m/movies.dat") as stream:
        films = _split_lines(stream.read().decode("latin-1"), ["film", "title", "genres"])
    users["zip"] = users["zip"].str[:2]
    films["year"] = films.pop("title").str.extract(r"\((\d{4})\)\s*$", expand=False)
    return users.astype({"user": int}), films.astype({"film": int})


def _split_lines(text: str, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame([line.split("::") for line in text.splitlines()], columns=names)


def _known_of_100k() -> tuple[pd.DataFrame, pd.DataFrame]:
    with open_data("ml-100k/u.user") as stream:
        names = ["user", "age", "gender", "occupation", "zip"]
        users = pd.read_csv(stream, sep="|", header=None, names=names, dtype={"zip": str})
    with open_data("ml-100k/u.genre") as stream:
        genres = pd.read_csv(stream, sep="|", header=None)[0].to_numpy()
    with open_data("ml-100k/u.item") as stream:
        table = pd.read_csv(stream, sep="|", header=None, encoding="latin-1")
    flags = table.iloc[:, 5:].to_numpy(dtype=bool)
    films = pd.DataFrame({"film": table[0], "genres": ["|".join(genres[row]) for row in flags]})
    films["year"] = table[2].str[-4:].fillna("unknown")
    users["zip"] = users["zip"].str[:2]
    return users, films
