"""Data sets of choices as their authors split them, read from files that may be compressed as .xz."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from quality import find


def ids_only(n_users: int, n_items: int) -> tuple[sp.csr_array, sp.csr_array]:
    """Return the features of users and items that are known by their ids alone."""
    both = sp.eye_array(n_users + n_items, dtype=np.float32, format="csr")
    return both[:n_users], both[n_users:]


def ones_at(rows: Any, columns: Any, shape: tuple[int, int]) -> sp.csr_array:
    """Return 1 at each of these places, however often it is named."""
    matrix = sp.coo_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape).tocsr()
    matrix.data[:] = 1.0
    return matrix


def read_text(path: Path) -> Iterable[str]:
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
        yield from file


def read_gowalla(folder: Path) -> tuple[sp.csr_array, sp.csr_array]:
    """Return what users chose in the training and in the test file of NGCF and LightGCN."""
    files = [
        [np.array(line.split(), dtype=np.int64) for line in read_text(find(folder, f"{part}.txt"))]
        for part in ("train", "test")
    ]
    both = [row for rows in files for row in rows if len(row) > 1]
    shape = (1 + max(row[0] for row in both), 1 + max(row[1:].max() for row in both))
    train, test = (
        ones_at(np.repeat([row[0] for row in rows], [len(row) - 1 for row in rows]), np.concatenate(items), shape)
        for rows, items in ((rows, [row[1:] for row in rows]) for rows in files)
    )
    return train, test


def read_cfm(folder: Path, name: str) -> tuple[sp.csr_array, sp.csr_array, sp.csr_array, np.ndarray, np.ndarray]:
    """Read the files of CFM: numbers of features joined by "-", of contexts and of items, each counted from 0.

    Returns
    -------
    tuple
        Features of contexts and of items, in columns of their own; what was chosen in training; for each test row its
        context and what was chosen; the user of each context.
    """
    parts = {
        part: [line.split(",")[:2] for line in read_text(find(folder, f"{name}.{part}.csv"))]
        for part in ("train", "test")
    }
    numbers: list[dict[str, int]] = [{}, {}]
    for row in parts["train"] + parts["test"]:
        for place, text in enumerate(row):
            numbers[place].setdefault(text.strip(), len(numbers[place]))
    contexts, items = (multi_hot(list(known)) for known in numbers)
    X_user = sp.csr_array(sp.hstack([contexts, sp.csr_array((len(numbers[0]), items.shape[1]), dtype=np.float32)]))
    X_item = sp.csr_array(sp.hstack([sp.csr_array((len(numbers[1]), contexts.shape[1]), dtype=np.float32), items]))
    pairs = {
        part: np.array([[numbers[p][r[p].strip()] for p in (0, 1)] for r in rows]).T for part, rows in parts.items()
    }
    train = ones_at(*pairs["train"], (len(numbers[0]), len(numbers[1])))
    users = np.array([int(text.split("-")[0]) for text in numbers[0]])
    return X_user, X_item, train, pairs["test"].T, users


def multi_hot(texts: list[str]) -> sp.csr_array:
    """Return rows of ones at the numbers of each text."""
    rows = [np.unique(np.array(text.split("-"), dtype=np.int64)) for text in texts]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    indices = np.concatenate(rows)
    return sp.csr_array((np.ones(len(indices), dtype=np.float32), indices, indptr), (len(rows), indices.max() + 1))


def read_ncf(folder: Path) -> tuple[sp.csr_array, np.ndarray, np.ndarray]:
    """Return the films that users rated in training; users; and of each 100 films, whose first is to be found."""
    table = np.loadtxt(read_text(find(folder, "ncf.ml-1m.train.rebuilt.tsv")), dtype=np.int64)[:, :2]
    lines = read_text(find(folder, "ncf.ml-1m.test.negative"))
    numbers = np.array([[int(number) for number in re.findall(r"\d+", line)] for line in lines])
    users, candidates = numbers[:, 0], numbers[:, 1:]
    shape = (1 + max(table[:, 0].max(), users.max()), 1 + max(table[:, 1].max(), candidates.max()))
    return ones_at(*table.T, shape), users, candidates


def read_ratings_of_films(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, sp.csr_array]:
    """Return users, films with genres and period, and who rated what in MovieLens 100K."""
    genres = pd.read_csv(find(folder, "u.genre"), sep="|", header=None)[0].to_numpy()
    table = pd.read_csv(find(folder, "u.item"), sep="|", header=None, encoding="latin-1")
    flags = table.iloc[:, 5:].to_numpy(dtype=bool)
    years = table[2].str.extract(r"(\d{4})")[0].astype(float)
    period = np.where(years < 1990, years // 10 * 10, years)
    films = pd.DataFrame(
        {"film": table[0], "genres": ["|".join(genres[row]) for row in flags], "period": period.astype(str)}
    )
    ratings = pd.read_csv(find(folder, "u.data"), sep="\t", header=None, usecols=[0, 1], names=["user", "film"])
    users = pd.DataFrame({"user": np.sort(ratings["user"].unique())})
    u, t = (
        pd.Index(ids).get_indexer(ratings[name]) for ids, name in ((users["user"], "user"), (films["film"], "film"))
    )
    return users, films, ones_at(u, t, (len(users), len(films)))
