"""Choices to learn from and to find again: ratings of MovieLens 1M with features, and check-ins of Gowalla by ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from bayes.movielens import known_of_1m
from fastfm_ext import FMEncoder, multi
from fastfm_ext.model_selection import split_by_user
from real_data import open_data
from top_n.data import ids_only, ones_at, read_gowalla

LIKED = 4  # stars
GROUPS = ("popular", "middle", "rare")


@dataclass(frozen=True)
class Task:
    """What trains, what is ranked, and what is held out.

    Attributes
    ----------
    X_user, X_item : csr_array
        Features of users and items.
    chosen : csr_array of shape (n_users, n_items)
        What users chose in training.
    seen : csr_array of shape (n_users, n_items)
        What is not ranked for them: what they chose, or rated at all.
    held_out : csr_array of shape (n_users, n_items)
        What is to be found.
    ratings : tuple of ndarray or None
        Users, items and stars of the training ratings, where there are any.
    """

    X_user: sp.csr_array
    X_item: sp.csr_array
    chosen: sp.csr_array
    seen: sp.csr_array
    held_out: sp.csr_array
    ratings: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def groups(self) -> dict[str, np.ndarray]:
        """Return the numbers of popular, middle and rare items: each have a third of the training choices."""
        counts = np.bincount(self.chosen.indices, minlength=self.chosen.shape[1])
        order = np.argsort(-counts, kind="stable")
        share = np.cumsum(counts[order]) / counts.sum()
        return dict(zip(GROUPS, np.split(order, np.searchsorted(share, [1 / 3, 2 / 3])), strict=True))


def movielens(folder: Path) -> Task:
    """Return MovieLens 1M: a fifth of each user's ratings held out, of which those of 4 and 5 stars are to be found."""
    with open_data("ml-1m/ratings.csv") as file:
        ratings = pd.read_csv(file, usecols=["user_id", "movie_id", "rating"])
    ratings = ratings.set_axis(["user", "film", "stars"], axis=1)
    users, films = known_of_1m()
    users = users[["user", "gender", "age", "occupation"]]
    train, held_out = split_by_user(ratings, 0.2, user="user", random_state=0)
    films = films[films["film"].isin(train["film"])].reset_index(drop=True)
    encoder = FMEncoder(user=list(users.columns), item=["film", multi("genres", sep="|"), "year"])
    encoder.fit(train.merge(users, on="user").merge(films, on="film"))
    shape = len(users), len(films)

    def places(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return pd.Index(users["user"]).get_indexer(table["user"]), pd.Index(films["film"]).get_indexer(table["film"])

    liked = held_out[(held_out["stars"] >= LIKED) & held_out["film"].isin(films["film"])]
    return Task(
        encoder.transform(users, side="user"),
        encoder.transform(films, side="item"),
        ones_at(*places(train[train["stars"] >= LIKED]), shape),
        ones_at(*places(train), shape),
        ones_at(*places(liked), shape),
        (*places(train), train["stars"].to_numpy(np.float64)),
    )


def gowalla(folder: Path) -> Task:
    """Return the split of NGCF and LightGCN."""
    train, test = read_gowalla(folder / "gowalla")
    return Task(*ids_only(*train.shape), train, train, test)


TASKS = {"movielens": movielens, "gowalla": gowalla}
TITLES = {"movielens": "MovieLens 1M, users and films with features", "gowalla": "Gowalla, ids only"}
