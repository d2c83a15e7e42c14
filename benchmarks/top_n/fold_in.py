"""Users of Gowalla left out of training, folded in by some of their events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRanker, evaluate

from .contenders import INNER_PRODUCTS
from .data import ids_only, read_gowalla
from .table import report


def compare_fold_in(data: Path, seeds: Sequence[int], jobs: int) -> None:
    """Leave 300 users out, fold them in by 20 events, and compare with a model that was trained with these events.

    Both rank by inner products.
    """
    train, test = read_gowalla(data / "gowalla")
    X_user, X_item = ids_only(*train.shape)
    results = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        left_out = rng.choice(np.flatnonzero(np.diff(train.indptr) >= 20), 300, replace=False)
        history = sp.lil_array(train.shape, dtype=np.float32)
        for user in left_out:
            history[user, rng.choice(train[[user]].indices, 20, replace=False)] = 1.0
        history = history.tocsr()
        others = train.copy()
        for user in left_out:
            others.data[others.indptr[user] : others.indptr[user + 1]] = 0.0
        others.eliminate_zeros()
        relevant = sp.lil_array(train.shape, dtype=np.float32)
        relevant[left_out] = test[left_out]
        relevant = relevant.tocsr()
        models = {}
        for name, chosen in (("without", others), ("with", others + history)):
            models[name] = FMRanker(64, **INNER_PRODUCTS, n_jobs=jobs, random_state=seed)
            models[name].fit(X_user, X_item, chosen)
        retrained = evaluate(models["with"], X_user, X_item, relevant, seen=history)["recall@20"]
        item_vectors = models["without"].item_vector(X_item)
        vectors, seconds = [], []
        for user in left_out:
            items = history[[user]].indices
            started = time.perf_counter()
            vectors.append(models["without"].fold_in(items, item_vectors))
            seconds.append(time.perf_counter() - started)
        scores = np.stack(vectors) @ item_vectors.T
        scores[history[left_out].toarray() > 0] = -np.inf
        folded = recall_of(scores, test[left_out])
        results.append((folded, retrained, folded / retrained, 1e3 * float(np.median(seconds))))
        print(
            f"seed {seed}: Recall@20 folded in {folded:.4f}, retrained {retrained:.4f}; {results[-1][3]:.2f} ms a user"
        )
    report("fold-in", ("Recall@20 folded in", "retrained", "ratio", "ms a user"), results)


def recall_of(scores: np.ndarray, relevant: sp.csr_array, k: int = 20) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant.toarray(), best, axis=1).sum(axis=1)
    n_relevant = np.diff(relevant.indptr)
    return float((hits / np.maximum(n_relevant, 1))[n_relevant > 0].mean())
