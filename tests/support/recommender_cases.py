"""A little world of two tastes, as tables of every kind, for the tests of recommenders."""

import numpy as np
import pytest

from fastfm_ext import FMRanker, FMRecommender, multi

N_USERS, N_FILMS = 40, 24
KINDS = ("mapping", "pandas", "polars", "arrow")
SPECS = {"user": ["user", "country"], "item": ["film", multi("genres", sep="|")]}


def world():
    """Events, users and films as mappings; a user watches films of one of two genres, as the country says."""
    rng = np.random.default_rng(0)
    user, film = np.divmod(np.arange(N_USERS * N_FILMS), N_FILMS)
    likes = user % 2 == film % 2
    watched = rng.random(len(user)) < np.where(likes, 0.5, 0.02)
    user, film = user[watched], film[watched]
    events = {
        "user": [f"u{number}" for number in user],
        "film": film + 100,
        "plays": rng.integers(1, 4, len(user)),
        "day": rng.integers(0, 50, len(user)),
        "device": np.where(rng.random(len(user)) < 0.5, "tv", "phone").tolist(),
    }
    users = {
        "user": [f"u{number}" for number in range(N_USERS)],
        "country": [("DE", "FR")[number % 2] for number in range(N_USERS)],
    }
    films = {
        "film": np.arange(N_FILMS) + 100,
        "title": [f"Film {number}" for number in range(N_FILMS)],
        "genres": [("Horror|Old", "Comedy|New")[number % 2] for number in range(N_FILMS)],
    }
    return events, users, films


def as_kind(table, kind):
    """The mapping as a table of a library, or a skipped test."""
    if kind == "mapping":
        return table
    if kind == "arrow":
        return pytest.importorskip("pyarrow").table(table)
    return pytest.importorskip(kind).DataFrame(table)


def as_lists(table):
    """The columns of a table of any kind as lists."""
    if hasattr(table, "to_pydict"):
        return table.to_pydict()
    names = list(table) if isinstance(table, dict) else list(table.columns)
    return {name: list(table[name].tolist() if hasattr(table[name], "tolist") else table[name]) for name in names}


def make(**params):
    """A recommender that trains in no time."""
    return FMRecommender(
        FMRanker(**({"loss": "bpr", "n_factors": 4, "max_iter": 40, "l2_V": 0.01, "random_state": 0} | params))
    )


def fitted(kind="mapping", **of_fit):
    """A recommender of the world, with the tables of users and films."""
    events, users, films = (as_kind(table, kind) for table in world())
    return make().fit(events, **(SPECS | {"users": users, "items": films} | of_fit))


def films_of(recommender, user):
    """What a user has watched."""
    row = recommender.interactions_[[recommender.user_ids_.tolist().index(user)]]
    return set(recommender.item_ids_[row.indices].tolist())
