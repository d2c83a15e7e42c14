"""Time one revision: run by `compare.py`, with that revision on the path.

Only the public estimators are used, and only parameters that this revision has, for the same file runs with old
revisions too. For each line ``workload solver`` of the input it prints one of JSON: the CPU seconds (on Windows, where
that clock is coarse, wall seconds) of the fastest epoch and of the fastest prediction.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

import fastfm_ext

# An estimator times its epochs by perf_counter. In its place, the clock of the calling thread leaves out the moments in
# which other programs have the core.
if sys.platform != "win32":
    time.perf_counter = time.thread_time

N_FACTORS = 16
N_EPOCHS = 5
N_PREDICTIONS = 5


def main() -> None:
    """Read all workloads, then time whatever is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="the folder that fastfm_ext must come from")
    parser.add_argument("files", nargs="+", type=Path, help="workloads as .npz")
    asked = parser.parse_args()
    if asked.site.resolve() not in Path(fastfm_ext.__file__).resolve().parents:
        sys.exit(f"fastfm_ext comes from {fastfm_ext.__file__}, not from {asked.site}")
    workloads = {file.stem: _read(file) for file in asked.files}
    for line in sys.stdin:
        name, solver = line.split()
        X, y, loss = workloads[name]
        epoch, prediction = _time(_model(loss, solver), X, y)
        print(json.dumps({"epoch": epoch, "predict": prediction}), flush=True)


def _read(file: Path) -> tuple[csr_matrix, Any, str]:
    with np.load(file) as arrays:
        indptr, indices = arrays["indptr"], arrays["indices"]
        shape = (len(indptr) - 1, int(arrays["n_features"]))
        X = csr_matrix((np.ones(len(indices), dtype=np.float32), indices, indptr), shape=shape)
        return X, arrays["y"], str(arrays["loss"])


def _model(loss: str, solver: str) -> Any:
    cls: Any = fastfm_ext.FMRegressor if loss == "squared" else fastfm_ext.FMClassifier
    wanted = {
        "n_factors": N_FACTORS,
        "solver": solver,
        "max_iter": N_EPOCHS,
        "early_stopping": False,
        "n_iter_no_change": N_EPOCHS,
        "n_jobs": 1,
        "random_state": 0,
        # Steps so small that no revision diverges, whatever its defaults are.
        "learning_rate": 0.001,
    }
    known = cls().get_params()
    return cls(**{name: value for name, value in wanted.items() if name in known})


def _time(model: Any, X: csr_matrix, y: Any) -> tuple[float, float]:
    """Return the seconds of the fastest epoch and of the fastest prediction, each the first left out."""
    started = time.perf_counter()
    model.fit(X, y)
    whole = time.perf_counter() - started
    # A revision without a history is timed by the whole fit, validation of the input included.
    history = getattr(model, "history_", {}).get("seconds", [])
    epochs = list(history[1:]) or [whole / N_EPOCHS]
    predictions = []
    for _ in range(1 + N_PREDICTIONS):
        started = time.perf_counter()
        model.predict(X)
        predictions.append(time.perf_counter() - started)
    return min(epochs), min(predictions[1:])


if __name__ == "__main__":
    main()
