"""One fit in a process of its own, streamed or in memory: python -m benchmarks.streams.fit OPTIONS. Prints JSON."""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMClassifier, save_model

from . import clicks


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--how", choices=["streamed", "memory"], required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--shuffle", action="store_true")
    parser.add_argument("--limit", type=int, help="MB of memory that the process may allocate")
    parser.add_argument("--no-cache", action="store_true")
    parser.add_argument("--work", type=Path, required=True, help="folder for the cache and the checkpoint")
    parser.add_argument("--checkpoint-every", type=float, help="seconds; without it there are no checkpoints")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    if options.limit:
        resource.setrlimit(resource.RLIMIT_DATA, (options.limit * 1_000_000, options.limit * 1_000_000))
    started = time.perf_counter()
    model = FMClassifier(random_state=0, shuffle=options.shuffle, early_stopping=False, tol=0.0)
    train = clicks.source(options.folder, "train")
    if options.how == "memory":
        X, y = everything(train)
        model.set_params(max_iter=options.epochs).fit(X, y)
    else:
        stream(model, train, options)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if options.model:
        save_model(options.model, model)
    print(
        json.dumps(
            {
                "epochs": model.history_["seconds"],
                "seconds": seconds,
                "peak": peak,
                "allocated": allocated(),
                "log_loss": log_loss(model, clicks.source(options.folder, "validation")),
            }
        )
    )


def stream(model: FMClassifier, train: Any, options: argparse.Namespace) -> None:
    checkpoint = {}
    if options.checkpoint_every is not None:
        checkpoint = {"checkpoint": options.work / "fit.fastfm", "checkpoint_every": options.checkpoint_every}
    print("ready", flush=True)
    cache = None if options.no_cache else options.work / "cache"
    model.fit_stream(train, options.epochs, cache=cache, classes=[False, True], **checkpoint)


def everything(source: Any) -> tuple[sp.csr_array, np.ndarray]:
    """Return all rows of a source as one matrix, as who has the memory would have them."""
    parts = [(X.data, X.indices, np.asarray(y)) for X, y, *_ in source]
    data, indices, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    indptr = clicks.N_FIELDS * np.arange(len(y) + 1, dtype=np.int64)
    return sp.csr_array((data, indices, indptr), shape=(len(y), clicks.N_FEATURES)), y


def log_loss(model: FMClassifier, source: Any) -> float:
    """Return the mean log loss over a source."""
    loss = n = 0.0
    for X, y, *_ in source:
        score = model.decision_function(X).astype(np.float64)
        loss += float(np.logaddexp(0.0, np.where(np.asarray(y) > 0, -score, score)).sum())
        n += len(score)
    return loss / n


def allocated() -> int:
    """Return the memory that this process has allocated, used or not: what the limit is on."""
    with open("/proc/self/status") as file:
        line = next(line for line in file if line.startswith("VmData"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
