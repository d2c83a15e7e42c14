"""myFM in a Python of its own: sweeps one at a time, and says what each took and what it predicts so far.

Runs without this package: ``python myfm_process.py JOB.npz``. It prints a line of JSON after each sweep, and waits for
a line of input before the next one, so that somebody else can take turns. The time of the callback is not counted.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
import scipy.sparse as sp
from myfm import MyFMClassifier, MyFMRegressor, RelationBlock
from scipy.special import ndtr


def matrix(job: Any, name: str) -> sp.csr_matrix:
    parts = tuple(job[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
    return sp.csr_matrix(parts, shape=tuple(job[f"{name}_shape"]))


def main() -> None:
    job = np.load(sys.argv[1])
    n, y = int(job["n_train"]), job["y"]
    numbers = range(int(job["n_relations"]))
    ids, relations = [job[f"ids{i}"] for i in numbers], [matrix(job, f"relation{i}") for i in numbers]
    X = matrix(job, "X") if "X_shape" in job else None
    known, held_out = (
        [RelationBlock(i[part], R) for i, R in zip(ids, relations, strict=True)]
        for part in (slice(0, n), slice(n, None))
    )
    has_classes, burn_in, predicts = bool(job["has_classes"]), int(job["burn_in"]), bool(job["predicts"])
    sum_: Any = 0.0
    started = 0.0

    def callback(sweep: int, fm: Any, hyper: Any, history: Any) -> tuple[bool, None]:
        nonlocal started, sum_
        seconds = time.process_time() - started
        line = {"sweep": sweep + 1, "seconds": seconds, "noise": float(hyper.alpha)}
        if predicts:
            scores = fm.predict_score(None if X is None else X[n:], held_out)
            if sweep >= burn_in:
                sum_ = sum_ + (ndtr(scores) if has_classes else scores)
                line |= measures(y[n:], sum_ / (sweep + 1 - burn_in), has_classes=has_classes)
        print(json.dumps(line), flush=True)
        stop = sys.stdin.readline().strip() == "stop"
        started = time.process_time()
        return stop, None

    model = (MyFMClassifier if has_classes else MyFMRegressor)(int(job["n_factors"]), random_seed=int(job["seed"]))
    targets = y[:n].astype(np.int64) if has_classes else y[:n]
    started = time.process_time()
    model.fit(
        None if X is None else X[:n],
        targets,
        X_rel=known,
        n_iter=int(job["n_sweeps"]),
        n_kept_samples=1,
        group_shapes=job["group_shapes"].tolist(),
        callback=callback,
    )


def measures(y: Any, predicted: Any, *, has_classes: bool) -> dict[str, float]:
    if not has_classes:
        return {"rmse": float(np.sqrt(np.mean((y - np.clip(predicted, 1, 5)) ** 2)))}
    p = np.clip(predicted, 1e-12, 1 - 1e-12)
    ranks = p.argsort().argsort() + 1.0
    positive = y > 0
    n_1, n_0 = positive.sum(), (~positive).sum()
    auc = (ranks[positive].sum() - n_1 * (n_1 + 1) / 2) / (n_1 * n_0)
    return {"log_loss": float(-np.mean(np.where(positive, np.log(p), np.log1p(-p)))), "auc": float(auc)}


if __name__ == "__main__":
    main()
