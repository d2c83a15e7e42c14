"""Protocols of published results: what trains, what is ranked, what is held out, and how it is measured.

Each has a validation twin, made of its training choices alone, by which settings are chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from fastfm_ext import FMEncoder, evaluate, multi

from . import data

HELD_OUT = 0.1  # of the training choices
VALIDATION_USERS = 4_000
AT_ONCE = 1_000  # rows whose scores are held in memory


@dataclass(frozen=True)
class Protocol:
    """Choices to learn from, and choices to find again.

    Attributes
    ----------
    X_user, X_item : csr_array
        Features of users, or of users in a context, and of items.
    train : csr_array of shape (n_users, n_items)
        What was chosen.
    held_out : csr_array of shape (n_users, n_ranked) or ndarray of shape (n_rows, 2)
        What is to be found; a matrix is measured by Recall@k and NDCG@k of each user, rows of user and item by HR@k and
        NDCG@k of each row.
    k : int
        Places that count.
    owners : ndarray of shape (n_users,) or None
        The user of each row of X_user, where rows are users in a context.
    candidates : ndarray of shape (n_rows, n_candidates) or None
        The items to rank for each row, the one to be found first; None ranks all that are not in `train`.
    hidden : csr_array or None
        Features of the items to rank, if training has not seen any of them; X_item has those of the others.
    """

    X_user: sp.csr_array
    X_item: sp.csr_array
    train: sp.csr_array
    held_out: Any
    k: int
    owners: np.ndarray | None = None
    candidates: np.ndarray | None = None
    hidden: sp.csr_array | None = None

    @property
    def metrics(self) -> tuple[str, str]:
        """Names of the two measures."""
        first = "Recall" if sp.issparse(self.held_out) else "HR"
        return f"{first}@{self.k}", f"NDCG@{self.k}"

    @property
    def ranked(self) -> sp.csr_array:
        """Features of the items to rank."""
        return self.X_item if self.hidden is None else self.hidden

    @property
    def sides(self) -> tuple[sp.csr_array, sp.csr_array, sp.csr_array]:
        """What `FMRanker.fit` takes."""
        return self.X_user, self.X_item, self.train

    def measure(self, users: np.ndarray, items: np.ndarray, masked: bool = True) -> tuple[float, float]:
        """Return both measures of a ranking by inner products.

        Parameters
        ----------
        users : ndarray of shape (n_users, d)
        items : ndarray of shape (n_ranked, d)
        masked : bool
            Whether items that this very row has in training are left out of the ranking.
        """
        if not sp.issparse(self.held_out):
            return hit_rate_and_ndcg(self._ranks(users, items, masked), self.k)
        rows = np.flatnonzero(np.diff(self.held_out.indptr))
        seen = self.train[rows] if masked and self.hidden is None else None
        metrics = ("recall", "ndcg")
        found = evaluate(Vectors, users[rows], items, self.held_out[rows], seen=seen, k=self.k, metrics=metrics)
        return found[f"recall@{self.k}"], found[f"ndcg@{self.k}"]

    def _ranks(self, users: np.ndarray, items: np.ndarray, masked: bool) -> np.ndarray:
        """Return how many items stand before the one that each row wants."""
        if self.candidates is not None:
            scores = np.einsum("uf,ucf->uc", users[self.held_out[:, 0]], items[self.candidates])
            return (scores[:, 1:] >= scores[:, :1]).sum(axis=1)
        ranks = []
        for first in range(0, len(self.held_out), AT_ONCE):
            rows, wanted = self.held_out[first : first + AT_ONCE].T
            scores = users[rows] @ items.T
            of_wanted = scores[np.arange(len(rows)), wanted]
            if masked:
                scores[self.train[rows].nonzero()] = -np.inf
            ranks.append((scores > of_wanted[:, None]).sum(axis=1))
        return np.concatenate(ranks)


class _Vectors:
    """Vectors that stand for users and items in `evaluate`."""

    @staticmethod
    def user_vector(X: Any) -> Any:
        return X

    @staticmethod
    def item_vector(X: Any) -> Any:
        return X


Vectors = _Vectors()


def hit_rate_and_ndcg(ranks: np.ndarray, k: int) -> tuple[float, float]:
    """Return both means over rows of one wanted item each."""
    hits = ranks < k
    return float(hits.mean()), float((hits / np.log2(ranks + 2)).mean())


# --- the protocols ---------------------------------------------------------------------------------------------------


def gowalla(folder: Path, seed: int) -> Protocol:
    """Return the split of NGCF and LightGCN: all items that a user has not seen."""
    train, test = data.read_gowalla(folder / "gowalla")
    return Protocol(*data.ids_only(*train.shape), train, test, 20)


def gowalla_part(folder: Path, seed: int) -> Protocol:
    """Return a quarter of Gowalla's users, and the items that they chose."""
    train, test = data.read_gowalla(folder / "gowalla")
    users = np.random.default_rng(seed).choice(train.shape[0], train.shape[0] // 4, replace=False)
    train, test = train[users], test[users]
    items = np.flatnonzero(np.bincount(train.indices, minlength=train.shape[1]))
    train, test = train[:, items], test[:, items]
    return Protocol(*data.ids_only(*train.shape), train, test, 20)


def context(name: str, folder: Path) -> Protocol:
    """Return the split of CFM (Xin et al. 2019): the last choice among all items."""
    *sides, test, owners = data.read_cfm(folder / "cfm", name)
    return Protocol(*sides, test, 10, owners)


def ml_1m(folder: Path, seed: int) -> Protocol:
    """Return the split of NCF (He et al. 2017): the last film of a user among 99 others."""
    train, users, candidates = data.read_ncf(folder / "ml-1m")
    wanted = np.stack([users, candidates[:, 0]], axis=1)
    return Protocol(*data.ids_only(*train.shape), train, wanted, 10, candidates=candidates)


def cold_start(folder: Path, seed: int) -> Protocol:
    """Hide a fifth of MovieLens 100K's films, and rank these by genres and period."""
    users, films, chosen = data.read_ratings_of_films(folder / "ml-100k")
    hidden = np.zeros(len(films), dtype=bool)
    hidden[np.random.default_rng(seed).choice(len(films), len(films) // 5, replace=False)] = True
    encoder = FMEncoder(user=["user"], item=[multi("genres", sep="|"), "period"])
    encoder.fit(pd.concat([users, films[~hidden]], ignore_index=True))
    X_user, X_item = encoder.transform(users, side="user"), encoder.transform(films, side="item")
    parts = [chosen[:, np.flatnonzero(some)] for some in (~hidden, hidden)]
    return Protocol(X_user, X_item[~hidden], *parts, 20, hidden=X_item[hidden])


PROTOCOLS: dict[str, Callable[[Path, int], Protocol]] = {
    "gowalla": gowalla,
    "gowalla-part": gowalla_part,
    "frappe": lambda folder, seed: context("frappe", folder),
    "lastfm": lambda folder, seed: context("lastfm", folder),
    "ml-1m": ml_1m,
    "cold-start": cold_start,
}


# --- validation ------------------------------------------------------------------------------------------------------


def validation(protocol: Protocol, seed: int = 0) -> Protocol:
    """Return a protocol of the same kind whose held-out choices are training choices of this one."""
    rng = np.random.default_rng(seed)
    if protocol.hidden is not None:
        return _hide_more(protocol, rng)
    if protocol.candidates is not None:
        return _one_of_each_user(protocol, rng)
    train = protocol.train
    is_held_out = rng.random(train.nnz) < HELD_OUT
    kept, held_out = (only(train, some) for some in (~is_held_out, is_held_out))
    if not sp.issparse(protocol.held_out):
        return replace(protocol, train=kept, held_out=np.stack(held_out.nonzero(), axis=1))
    users = np.flatnonzero(np.diff(held_out.indptr))
    drawn = rng.choice(users, min(len(users), VALIDATION_USERS), replace=False)
    rows = np.repeat(np.arange(train.shape[0]), np.diff(held_out.indptr))
    return replace(protocol, train=kept, held_out=only(held_out, np.isin(rows, drawn)))


def only(matrix: sp.csr_array, some: np.ndarray) -> sp.csr_array:
    """Return the stored entries that are marked."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return data.ones_at(rows[some], matrix.indices[some], matrix.shape)


def _hide_more(protocol: Protocol, rng: np.random.Generator) -> Protocol:
    n_items = protocol.X_item.shape[0]
    hidden = np.zeros(n_items, dtype=bool)
    hidden[rng.choice(n_items, n_items // 5, replace=False)] = True
    parts = [protocol.train[:, np.flatnonzero(some)] for some in (~hidden, hidden)]
    X_item = protocol.X_item
    return Protocol(protocol.X_user, X_item[~hidden], *parts, protocol.k, hidden=X_item[hidden])


def _one_of_each_user(protocol: Protocol, rng: np.random.Generator) -> Protocol:
    train, rows = protocol.train, np.unique(protocol.held_out[:, 0])
    rows = rows[np.diff(train.indptr)[rows] > 1]
    is_held_out, n_others = np.zeros(train.nnz, dtype=bool), protocol.candidates.shape[1] - 1
    candidates = np.empty((len(rows), 1 + n_others), dtype=np.int64)
    for row, user in enumerate(rows):
        begin, end = train.indptr[user : user + 2]
        place = rng.integers(begin, end)
        is_held_out[place] = True
        others = np.setdiff1d(np.arange(train.shape[1]), train.indices[begin:end])
        candidates[row] = [train.indices[place], *rng.choice(others, n_others, replace=False)]
    wanted = np.stack([rows, candidates[:, 0]], axis=1)
    return replace(protocol, train=only(train, ~is_held_out), held_out=wanted, candidates=candidates)
