"""Rows a second of `transform`, beside that of `pyspark.ml`: the same session, the same DataFrame, in turn.

    python -m benchmarks.spark.transform --work FOLDER

Both models have the same parameters' shape. A transform is timed until each prediction has been computed, with the
vectors in Spark's memory; "reading" is the same over the vectors alone, which both contain. The CPU time is that of
Java and of its Python workers together, from /proc: on a busy machine it is the steadier clock.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from .data import as_frame, load
from .session import session


def cpu_seconds() -> float:
    """Return the CPU time of all processes that this one has started, and of those that they have."""
    children: dict[int, list[tuple[int, int]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended meanwhile
            continue
        # Its parent; its own ticks, and those of its children that have ended.
        children.setdefault(int(fields[1]), []).append((int(path.parent.name), sum(map(int, fields[11:15]))))
    total, waiting = 0, [os.getpid()]
    while waiting:
        for process, ticks in children.get(waiting.pop(), []):
            total += ticks
            waiting.append(process)
    return total / os.sysconf("SC_CLK_TCK")


def seconds_of(frame: Any, column: str) -> tuple[float, float]:
    """Return the seconds until every row of a column has been computed: by the wall clock, and of CPU time."""
    wall, cpu = time.perf_counter(), cpu_seconds()
    frame.select(column).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - wall, cpu_seconds() - cpu


def run(names: list[str], folder: Path, work: Path, rounds: int, times: int) -> None:
    """Print a line for each data set, whose rows stand in the DataFrame several times."""
    from pyspark.ml.classification import FMClassifier as SparkClassifier
    from pyspark.ml.regression import FMRegressor as SparkRegressor
    from pyspark.sql import DataFrame

    from fastfm_ext import FMClassifier, FMRegressor
    from fastfm_ext.spark import FMClassificationModel, FMRegressionModel

    spark = session()
    for name in names:
        data = load(name, folder)
        is_regression = data.task == "regression"
        once = as_frame(spark, data, work)
        frame = reduce(DataFrame.unionByName, [once] * times).persist()
        n_rows = frame.count()
        X, y = data.train
        local = (FMRegressor if is_regression else FMClassifier)(
            n_factors=8, max_iter=2, early_stopping=False, random_state=0
        ).fit(X, y)
        ours = (FMRegressionModel if is_regression else FMClassificationModel).from_local(local)
        theirs = (SparkRegressor if is_regression else SparkClassifier)(factorSize=8, maxIter=2).fit(frame.limit(5000))
        contenders = {
            "reading": (frame, "features"),
            "fastfm_ext": (ours.transform(frame), "prediction"),
            "pyspark.ml": (theirs.transform(frame), "prediction"),
        }
        seconds_by: dict[str, list[tuple[float, float]]] = {key: [] for key in contenders}
        for round_ in range(rounds + 1):  # the first one warms up
            for key, contender in contenders.items():
                seconds = seconds_of(*contender)
                if round_:
                    seconds_by[key].append(seconds)
        print(f"{data.name}: {n_rows:,} rows, {X.nnz / X.shape[0]:.1f} nonzeros each")
        for number, clock in enumerate(("wall", "CPU")):
            of_clock = {key: np.array(values)[:, number] for key, values in seconds_by.items()}
            shown = ", ".join(f"{key} {n_rows / np.median(values):,.0f}" for key, values in of_clock.items())
            ratios = of_clock["pyspark.ml"] / of_clock["fastfm_ext"]
            print(f"  rows a second ({clock}): {shown}; pyspark.ml takes {np.median(ratios):.2f} times as long")
            print(f"    of {rounds} rounds: {np.sort(ratios).round(2).tolist()}", flush=True)
        frame.unpersist()
        once.unpersist()
    spark.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["ml-1m", "frappe"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--times", type=int, default=8, help="how often each row stands in the DataFrame")
    parser.add_argument("--work", help="a folder for the rows as text; kept, and used again")
    options = parser.parse_args()
    folder = os.environ.get("FASTFM_EXT_DATA")
    if not folder:
        sys.exit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(os.path.abspath(options.work or temporary))
        work.mkdir(parents=True, exist_ok=True)
        run(options.data, Path(folder), work, options.rounds, options.times)


if __name__ == "__main__":
    main()
