"""The workloads that exist as real data, with the made-up rows of the same shape where the data is not at hand.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names; the README lists its files.
"""

from __future__ import annotations

import lzma
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np
from sklearn.datasets import load_svmlight_file

from fastfm_ext._engine.csr import Csr, take_rows
from workloads import WORKLOADS, Workload

FRAPPE_FEATURES = 5382
ROW_SEED = 0  # of the one order in which the rows of MovieLens lie, as the file has them sorted by user


def load(name: str, n_rows: int) -> tuple[Workload, str]:
    """Return the first ``n_rows`` rows of a workload, real ones if there are any, and where they come from.

    Parameters
    ----------
    name : str
        One of `workloads.WORKLOADS`.
    n_rows : int
        At most so many rows; real data may hold fewer.

    Returns
    -------
    workload : Workload
    source : str
        The name of the data set, or ``"made up"``.
    """
    if name in REAL_DATA:
        source, path, read = REAL_DATA[name]
        file = find(path)
        if file is not None:
            return read(file).head(n_rows), source
    return WORKLOADS[name](n_rows), "made up"


def movielens_1m(file: Path) -> Workload:
    """Return all ratings of MovieLens 1M in one fixed random order: the user's feature and the film's in each row."""
    with open_file(file) as stream:
        table = np.loadtxt(stream, dtype=np.int64, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    table = table[np.random.default_rng(ROW_SEED).permutation(len(table))]
    users, user_ids = np.unique(table[:, 0], return_inverse=True)
    films, film_ids = np.unique(table[:, 1], return_inverse=True)
    ids = np.stack([user_ids, len(users) + film_ids], axis=1)
    indptr = np.arange(0, ids.size + 1, 2, dtype=np.int64)
    X = Csr(indptr, ids.astype(np.int32).ravel(), None, len(users) + len(films))
    return Workload("rat2", X, table[:, 2].astype(np.float32), "squared")


def frappe_train(file: Path) -> Workload:
    """Return the training rows of Frappe in one fixed random order: 10 features a row, -1 and +1 as 0 and 1."""
    with open_file(file) as stream:
        matrix, labels = load_svmlight_file(stream, n_features=FRAPPE_FEATURES, zero_based=True, dtype=np.float32)
    X = Csr(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), None, FRAPPE_FEATURES)
    order = np.random.default_rng(ROW_SEED).permutation(X.n_rows)
    return Workload("frappe", take_rows(X, order), (labels[order] > 0).astype(np.float32), "logistic")


REAL_DATA: dict[str, tuple[str, str, Callable[[Path], Workload]]] = {
    "rat2": ("MovieLens 1M", "ml-1m/ratings.csv", movielens_1m),
    "frappe": ("Frappe", "frappe-nfm/frappe.train.rebuilt.libfm", frappe_train),
}


def open_data(path: str) -> IO[bytes]:
    """Open a file of the data folder, plain or as .xz.

    Raises
    ------
    FileNotFoundError
        If FASTFM_EXT_DATA names no folder that holds it.
    """
    file = find(path)
    if file is None:
        raise FileNotFoundError(f"{path} is not here: set FASTFM_EXT_DATA to the folder that holds it")
    return open_file(file)


def find(path: str) -> Path | None:
    """Return a file of the data folder, plain or as .xz; None where there is none."""
    folder = os.environ.get("FASTFM_EXT_DATA")
    if not folder:
        return None
    return next((file for file in (Path(folder) / path, Path(folder) / f"{path}.xz") if file.is_file()), None)


def open_file(file: Path) -> IO[bytes]:
    """Open a file, unpacked if it is packed."""
    return lzma.open(file) if file.suffix == ".xz" else file.open("rb")
