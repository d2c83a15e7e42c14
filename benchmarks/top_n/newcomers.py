"""Users of Gowalla who came after training, by models that represent users by what they chose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRanker, evaluate

from .contenders import cosine
from .data import ids_only, read_gowalla
from .protocols import only
from .table import report

LEFT_OUT = 3_000  # users


def compare_newcomers(data: Path, seeds: Sequence[int], jobs: int) -> None:
    """Leave users out, rank for them by their histories, and compare with models that were trained with them too.

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
        for chosen in (others, train):
            model = FMRanker(**settings, user_history=True).fit(None, X_item, chosen)
            found += _of(model, model.with_history(train[left_out]), X_item, train[left_out], test[left_out])
        by_ids = FMRanker(**settings).fit(X_user, X_item, train)
        found += _of(by_ids, X_user[left_out], X_item, train[left_out], test[left_out])
        results.append(tuple(found))
        print(f"seed {seed}: {', '.join(f'{value:.4f}' for value in found)}", flush=True)
    labels = [
        f"{metric} of {model}" for model in ("newcomers", "histories", "ids") for metric in ("Recall@20", "NDCG@20")
    ]
    report("newcomers", tuple(labels), results)


def _of(
    model: FMRanker, users: sp.csr_array, X_item: sp.csr_array, seen: sp.csr_array, test: sp.csr_array
) -> list[float]:
    found = evaluate(model, users, X_item, test, seen=seen)
    return [found["recall@20"], found["ndcg@20"]]
