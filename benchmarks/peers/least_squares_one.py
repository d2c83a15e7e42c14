"""One library's least squares over all pairs, in its own environment.

`least_squares_one.py TRAIN HELD_OUT LIBRARY FACTORS WEIGHT L2 SWEEPS RESULT`: TRAIN and HELD_OUT are .npz files of
SciPy's, RESULT becomes a JSON file with Recall@20, NDCG@20 and the CPU seconds of the fit.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

K, USERS = 20, 4000


def fastfm_ext(X: Any, factors: int, weight: float, l2: float, sweeps: int) -> tuple[Any, Any, float]:
    """Return user vectors, item vectors and seconds; a weight of 0 is the default."""
    from fastfm_ext import FMRanker

    both = sp.eye_array(sum(X.shape), dtype=np.float32, format="csr")
    sides = both[: X.shape[0]], both[X.shape[0] :]
    model = FMRanker(factors, loss="squared", unobserved_weight=weight or None, l2_V=l2, max_iter=sweeps)
    model.set_params(early_stopping=False, n_iter_no_change=sweeps, tol=0.0, random_state=0)
    started = time.process_time()
    model.fit(*sides, X)
    seconds = time.process_time() - started
    return model.user_vector(sides[0]), model.item_vector(sides[1]), seconds


def implicit(X: Any, factors: int, alpha: float, l2: float, sweeps: int) -> tuple[Any, Any, float]:
    """Return user vectors, item vectors and seconds."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors, alpha=alpha, regularization=l2, iterations=sweeps)
    model.num_threads, model.random_state = 1, 0
    started = time.process_time()
    model.fit(X, show_progress=False)
    return model.user_factors, model.item_factors, time.process_time() - started


LIBRARIES = {"fastfm-ext": fastfm_ext, "implicit": implicit}


def recall_and_ndcg(users: Any, items: Any, seen: Any, relevant: Any) -> tuple[float, float]:
    """Return both means over users taken at random who have anything held out."""
    drawn = np.random.default_rng(0).choice(np.flatnonzero(np.diff(relevant.indptr)), USERS, replace=False)
    gains = 1 / np.log2(np.arange(2, K + 2))
    found = []
    for user in drawn:
        scores = items @ users[user]
        scores[seen.indices[seen.indptr[user] : seen.indptr[user + 1]]] = -np.inf
        best = np.argpartition(-scores, K)[:K]
        wanted = relevant.indices[relevant.indptr[user] : relevant.indptr[user + 1]]
        hits = np.isin(best[np.argsort(-scores[best])], wanted)
        found.append((hits.sum() / len(wanted), hits @ gains / gains[: len(wanted)].sum()))
    recall, ndcg = np.mean(found, axis=0)
    return float(recall), float(ndcg)


def main() -> None:
    train, held_out, library, factors, weight, l2, sweeps, result = sys.argv[1:]
    X, relevant = (sp.load_npz(file).tocsr() for file in (train, held_out))
    users, items, seconds = LIBRARIES[library](X, int(factors), float(weight), float(l2), int(sweeps))
    Path(result).write_text(json.dumps([*recall_and_ndcg(users, items, X, relevant), seconds]))


if __name__ == "__main__":
    main()
