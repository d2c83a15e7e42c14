"""Processes that are killed in the middle of a training: the same bits as without."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import data
from .quality import fit
from .session import session

sys.path.insert(0, os.fspath(Path(__file__).parents[2] / "tests" / "support"))
from spark_workers import WorkerKiller, executors, python_workers


def run(options: Any) -> None:
    """Kill a worker or an executor at a random moment of each of several fits, and compare with an undisturbed one.

    Raises
    ------
    SystemExit
        If the models differ.
    """
    find = executors if options.executors else python_workers
    spark = session("local-cluster[2,1,1024]", "1g") if options.executors else session()
    rows = data.load("ml-1m-ids", options.folder)
    frame = data.as_frame(spark, rows, Path(options.work))

    def parameters() -> tuple[Any, float]:
        started = time.perf_counter()
        model = fit(frame, rows, 0, 2, maxIter=options.epochs).to_local()
        score = data.score(rows, model, "validation")
        print(f"RMSE {score:.6f} in {time.perf_counter() - started:.1f} s", flush=True)
        return np.concatenate([[model.w0_], model.w_, model.V_.ravel()]), time.perf_counter() - started

    parameters()  # starts the workers, so that the next takes as long as those after it
    undisturbed, seconds = parameters()
    same = n_killed = 0
    for seed in range(options.times):
        with WorkerKiller(spark, 1, (0.0, 0.8 * seconds), seed, find) as killer:
            same += np.array_equal(parameters()[0], undisturbed)
        n_killed += len(killer.killed)
    print(f"{same} of {options.times} fits ended with the same bits, while {n_killed} processes were killed")
    if same < options.times:
        raise SystemExit(1)
