"""Data sets of choices: what users chose, and what they chose in the test file, which no search reads.

`FMRanker` holds validation choices out of the first of these itself. Films are chosen by a rating of 4 or more. Of the
larger sets a part of the users is taken, so that a fit is a matter of seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike

from fastfm_ext import FMEncoder, multi, numeric
from quality import find, read_films, read_ratings
from top_n.data import ids_only, read_gowalla

from .rows import LIKED


class Choices(NamedTuple):
    """Features of users and items, what users chose, and what they chose later: (n_users, n_items) each."""

    X_user: Any
    X_item: Any
    chosen: sp.csr_array
    test: sp.csr_array


def matrix(users: ArrayLike, items: ArrayLike, shape: tuple[int, int]) -> sp.csr_array:
    """Return 1 where a user chose an item, (n_users, n_items), however often."""
    found = sp.coo_array((np.ones(len(np.asarray(users)), dtype=np.float32), (users, items)), shape).tocsr()
    found.data[:] = 1.0
    return found


def by_ids(train: pd.DataFrame, test: pd.DataFrame) -> Choices:
    """Return choices by numbers of the ids in training; leave out test pairs with others, and those seen before."""
    ids = [pd.Index(train[name].unique()) for name in ("user", "item")]
    shape = (len(ids[0]), len(ids[1]))
    chosen = matrix(ids[0].get_indexer(train["user"]), ids[1].get_indexer(train["item"]), shape)
    u, t = ids[0].get_indexer(test["user"]), ids[1].get_indexer(test["item"])
    later = matrix(u[(u >= 0) & (t >= 0)], t[(u >= 0) & (t >= 0)], shape)
    later = (later - later.multiply(chosen)).tocsr()
    later.eliminate_zeros()
    return Choices(*ids_only(*shape), chosen, later)


def some_users(train: pd.DataFrame, test: pd.DataFrame, n: int) -> Choices:
    """Take `n` users at random, and the items that at least three of them chose."""
    users = np.random.default_rng(0).choice(train["user"].unique(), n, replace=False)
    train = train[train["user"].isin(users)]
    counts = train["item"].value_counts()
    return by_ids(train[train["item"].isin(counts.index[counts >= 3])], test)


def gowalla(data: Path) -> Choices:
    tables = []
    for part in read_gowalla(data / "gowalla"):
        users, items = part.nonzero()
        tables.append(pd.DataFrame({"user": users, "item": items}))
    return some_users(tables[0], tables[1], 3_000)


def movielens_1m(data: Path) -> Choices:
    """Return the films that users liked; a fifth of them, at random, as test choices."""
    table = pd.read_csv(find(data / "ml-1m", "ratings.csv"))
    table.columns = ["user", "item", "rating", *table.columns[3:]]
    return some_users(*liked(table), 1_500)


def movielens_small(data: Path) -> Choices:
    table = pd.read_csv(find(data / "ml-latest-small", "ratings.csv"))
    return by_ids(*liked(table.rename(columns={"userId": "user", "movieId": "item"})))


def liked(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return four fifths of the films that were liked, and the others."""
    table = table[table["rating"] >= LIKED]
    in_test = np.random.default_rng(0).random(len(table)) < 0.2
    return table[~in_test], table[in_test]


def movielens_100k(data: Path) -> Choices:
    """Fold u1, with the features of users and films."""
    folder = data / "ml-100k"
    names = ["user", "age", "gender", "occupation"]
    users = pd.read_csv(find(folder, "u.user"), sep="|", header=None, usecols=range(4), names=names)
    films = read_films(folder)
    encoder = FMEncoder(user=["user", "gender", "occupation", numeric("age")], item=["film", multi("genres")])
    encoder.fit(read_ratings(folder, "u1.base").merge(users, on="user").merge(films, on="film"))
    shape, found = (len(users), len(films)), []
    users_at, films_at = pd.Index(users["user"]), pd.Index(films["film"])
    for name in ("u1.base", "u1.test"):
        ratings = read_ratings(folder, name)
        ratings = ratings[ratings["rating"] >= LIKED]
        numbers = users_at.get_indexer(ratings["user"]), films_at.get_indexer(ratings["film"])
        found.append(matrix(*numbers, shape))
    return Choices(encoder.transform(users, side="user"), encoder.transform(films, side="item"), *found)


def frappe(data: Path) -> Choices:
    """Apps that users opened, whatever the context."""
    tables = []
    for part in ("train", "test"):
        table = pd.read_csv(find(data / "cfm", f"frappe.{part}.csv"), header=None, names=["user", "item"])
        # The first number of either side is the id; the others are the context, and what the app costs.
        tables.append(table.apply(lambda column: column.str.split("-").str[0]))
    return by_ids(tables[0], tables[1])


DATA_SETS: dict[str, Callable[[Path], Choices]] = {
    "gowalla, 3,000 users": gowalla,
    "ml-1m, 1,500 users": movielens_1m,
    "ml-100k": movielens_100k,
    "ml-latest-small": movielens_small,
    "frappe": frappe,
}
