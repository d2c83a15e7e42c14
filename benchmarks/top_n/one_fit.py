"""One library's training, in its own environment: `one_fit.py FOLDER LIBRARY SETTINGS SEED`.

FOLDER has `train.npz`, who chose what by user; and `X_user.npz`, `X_item.npz` and `ranked.npz`, features of the rows to
rank for, of the items of training and of those to rank. SETTINGS is JSON; "epochs" lists after how many of them the
vectors are written, to `EPOCHS.npz` with the CPU seconds until then. One thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

Snapshot = tuple[int, float, np.ndarray, np.ndarray]  # epochs, seconds, vectors of users and of items


class Stopwatch:
    """CPU seconds of the training alone."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started = time.process_time()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.process_time() - self._started


def implicit_als(folder: Path, seed: int, epochs: list[int], factors: int, **settings: float) -> Iterator[Snapshot]:
    from implicit.cpu.als import AlternatingLeastSquares

    yield from _implicit(AlternatingLeastSquares(factors, num_threads=1, random_state=seed, **settings), folder, epochs)


def implicit_bpr(folder: Path, seed: int, epochs: list[int], factors: int, **settings: float) -> Iterator[Snapshot]:
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(factors, num_threads=1, random_state=seed, **settings)
    yield from _implicit(model, folder, epochs)


def _implicit(model: Any, folder: Path, epochs: list[int]) -> Iterator[Snapshot]:
    train, done, watch = sp.load_npz(folder / "train.npz").tocsr(), 0, Stopwatch()
    for until in epochs:
        model.iterations, done = until - done, until
        with watch:
            model.fit(train, show_progress=False)  # goes on from the factors that it has
        yield until, watch.seconds, model.user_factors, model.item_factors


def lightfm(folder: Path, seed: int, epochs: list[int], factors: int, **settings: Any) -> Iterator[Snapshot]:
    from lightfm import LightFM

    model, done, watch = LightFM(factors, random_state=seed, **settings), 0, Stopwatch()
    X_user, X_item, ranked = (_of_32_bits(sp.load_npz(folder / f"{n}.npz")) for n in ("X_user", "X_item", "ranked"))
    chosen = sp.load_npz(folder / "chosen.npz").tocoo()
    places = (chosen.row.astype(np.int32), chosen.col.astype(np.int32))
    chosen = sp.coo_matrix((chosen.data.astype(np.float32), places), chosen.shape)
    for until in epochs:
        with watch:
            model.fit_partial(chosen, X_user, X_item, epochs=until - done, num_threads=1)
        done = until
        biases, items = model.get_item_representations(ranked)
        users = model.get_user_representations(X_user)[1]
        yield until, watch.seconds, np.c_[np.ones(len(users)), users], np.c_[biases, items]


def ease(folder: Path, seed: int, epochs: list[int], l2: float) -> Iterator[Snapshot]:
    """Return what users chose as their vectors: Steck, "Embarrassingly Shallow Autoencoders" (WWW 2019), eq. 8."""
    train, watch = sp.load_npz(folder / "train.npz").tocsr(), Stopwatch()
    with watch:
        gram = (train.T @ train).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += l2
        inverse = np.linalg.inv(gram)
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
    yield 1, watch.seconds, train.toarray(), weights.T.astype(np.float32)


def _of_32_bits(X: Any) -> Any:
    X = X.tocsr()
    return sp.csr_matrix((X.data.astype(np.float32), X.indices.astype(np.int32), X.indptr.astype(np.int32)), X.shape)


LIBRARIES = {
    "implicit's ALS": implicit_als,
    "implicit's BPR": implicit_bpr,
    "LightFM's BPR": lightfm,
    "LightFM's WARP": lightfm,
    "EASE": ease,
}


def main() -> None:
    folder, library, settings, seed = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
    for epochs, seconds, users, items in LIBRARIES[library](folder, seed, **settings):
        np.savez(folder / f"{epochs}.npz", users=users.astype(np.float32), items=items, seconds=seconds)


if __name__ == "__main__":
    main()
