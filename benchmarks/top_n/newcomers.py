"""Users of Gowalla who came after training, by models that represent users by what they chose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRanker, evaluate

from .contenders import cosine
from .data import ids_only, read_gowalla
from .protocols import Vectors, only
from .table import report

LEFT_OUT = 3_000  # users


def compare_newcomers(data: Path, seeds: Sequence[int], jobs: int) -> None:
    """Leave users out, rank for them by what they chose, and compare with models that were trained with them too.

    Recall@20 and NDCG@20 are those of these users alone.
    """
    train, test = read_gowalla(data / "gowalla")
    X_user, X_item = ids_only(*train.shape)
    results = []
    for seed in seeds:
        left_out = np.random.default_rng(seed).choice(train.shape[0], LEFT_OUT, replace=False)
        rows = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
        others = only(train, ~np.isin(rows, left_out))
        settings = cosine(64, 0.1) | {"n_jobs": jobs, "random_state": seed}
        found: list[float] = []
        seen, wanted = train[left_out], test[left_out]
        for chosen in (others, train):
            by_history = FMRanker(**settings, user_history=True).fit(None, X_item, chosen)
            users = by_history.user_vector(by_history.with_history(seen))
            found += _of(users, by_history.item_vector(X_item), seen, wanted)
            by_ids = FMRanker(**settings).fit(X_user, X_item, chosen)
            items = by_ids.item_vector(X_item)
            users = by_ids.fold_in(seen, items) if chosen is others else by_ids.user_vector(X_user[left_out])
            found += _of(users, items, seen, wanted)
        results.append(tuple(found))
        print(f"seed {seed}: {', '.join(f'{value:.4f}' for value in found)}", flush=True)
    models = "newcomers as histories", "newcomers folded in", "histories", "ids"
    labels = tuple(f"{metric} of {model}" for model in models for metric in ("Recall@20", "NDCG@20"))
    report("newcomers", labels, results)


def _of(users: np.ndarray, items: np.ndarray, seen: sp.csr_array, wanted: sp.csr_array) -> list[float]:
    found = evaluate(Vectors, users, items, wanted, seen=seen)
    return [found["recall@20"], found["ndcg@20"]]
