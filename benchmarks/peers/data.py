"""The rows that all peers get, written to a folder as files that NumPy reads without help."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastfm_ext._engine.csr import take_rows
from real_data import frappe_train, movielens_1m
from workloads import WORKLOADS, Workload

CTR1_ROWS = 100_000
QUICK_ROWS = {"ml-1m": 10_000, "frappe": 10_000, "ctr1": 5_000}


@dataclass(frozen=True)
class Problem:
    """Training rows and, where the targets are real, rows to validate on: all one-hot, every stored value 1.

    Attributes
    ----------
    name : str
        The name on the command line.
    title : str
        What the rows are.
    """

    name: str
    title: str
    train: Workload
    validation: Workload | None

    @property
    def n_rows(self) -> int:
        """Training rows."""
        return self.train.X.n_rows

    @property
    def n_columns(self) -> int:
        """Nonzeros of a row."""
        return self.train.X.nnz // self.n_rows

    def write(self, folder: Path) -> None:
        """Write ``train.npz`` and, if there are rows to validate on, ``validation.npz``."""
        folder.mkdir(parents=True, exist_ok=True)
        _write(self.train, folder / "train.npz")
        if self.validation is not None:
            _write(self.validation, folder / "validation.npz")


def load(name: str, quick: bool) -> Problem:
    """Return a problem; real rows if FASTFM_EXT_DATA names their folder, else made-up ones of the same shape.

    ``ml-1m``: MovieLens 1M, a random 90 % to train and 10 % to validate. ``frappe``: Frappe's own training and
    validation files. ``ctr1``: made-up clicks with 39 fields and a million features, for speed only.
    """
    problem = _real(name) or _made_up(name)
    if not quick:
        return problem
    validation = problem.validation and problem.validation.head(QUICK_ROWS[name] // 4)
    return Problem(name, problem.title, problem.train.head(QUICK_ROWS[name]), validation)


def data_file(path: str) -> Path | None:
    """Return a file below FASTFM_EXT_DATA, plain or compressed; None if that is not set or does not hold it."""
    folder = os.environ.get("FASTFM_EXT_DATA")
    if not folder:
        return None
    return next((file for file in (Path(folder) / path, Path(folder) / f"{path}.xz") if file.is_file()), None)


def _real(name: str) -> Problem | None:
    if name == "ml-1m" and (file := data_file("ml-1m/ratings.csv")):
        ratings = movielens_1m(file)  # in random order
        n_validation = ratings.X.n_rows // 10
        validation, train = _slice(ratings, 0, n_validation), _slice(ratings, n_validation, ratings.X.n_rows)
        return Problem(name, "MovieLens 1M", train, validation)
    if name == "frappe" and (file := data_file("frappe-nfm/frappe.train.rebuilt.libfm")):
        validation_file = data_file("frappe-nfm/frappe.validation.libfm")
        if validation_file is not None:
            return Problem(name, "Frappe", frappe_train(file), frappe_train(validation_file))
    return None


def _made_up(name: str) -> Problem:
    workload, n_rows = {"ml-1m": ("rat2", 900_000), "frappe": ("frappe", 200_000), "ctr1": ("ctr1", CTR1_ROWS)}[name]
    title = {"ml-1m": "made-up ratings", "frappe": "made-up app usage", "ctr1": "made-up clicks"}[name]
    return Problem(name, title, WORKLOADS[workload](n_rows), None)


def _slice(rows: Workload, first: int, last: int) -> Workload:
    chosen = np.arange(first, last)
    return Workload(rows.name, take_rows(rows.X, chosen), rows.y[chosen], rows.loss)


def _write(rows: Workload, path: Path) -> None:
    X = rows.X
    # int32 throughout is what the peers' own code wants.
    indptr = X.indptr.astype(np.int32)
    np.savez(path, indptr=indptr, indices=X.indices, y=rows.y, n_features=np.int64(X.n_features))
