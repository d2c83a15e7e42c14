"""A driver that is killed in the middle of a training: another one goes on from the checkpoint, to the same bits.

python -m benchmarks.spark.driver
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

N_EPOCHS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=2, metavar=("CHECKPOINT", "RESULT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        fit(*options.child)
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        unbroken = started(work / "unbroken", work / "unbroken.npy")
        unbroken.wait()
        broken = started(work / "checkpoint", work / "broken.npy")
        while not (work / "checkpoint" / "even" / "_SUCCESS").exists() and broken.poll() is None:
            time.sleep(0.05)
        os.killpg(broken.pid, signal.SIGKILL)  # Python and Java
        broken.wait()
        left = sorted(path.name for path in (work / "checkpoint").iterdir())
        print(f"killed after the second epoch or in the third; the checkpoint has {left}", flush=True)
        if (work / "broken.npy").exists():
            raise SystemExit("the fit ended before it was killed")
        started(work / "checkpoint", work / "resumed.npy").wait()
        same = np.array_equal(np.load(work / "unbroken.npy"), np.load(work / "resumed.npy"))
        print(f"the same bits as without: {same}")
        if not same:
            raise SystemExit(1)


def started(checkpoint: Path, result: Path) -> subprocess.Popen[Any]:
    """Start a fit as the leader of a group of processes."""
    command = [sys.executable, "-m", "benchmarks.spark.driver", "--child", checkpoint.as_uri(), os.fspath(result)]
    return subprocess.Popen(command, start_new_session=True)


def fit(checkpoint: str, result: str) -> None:
    """Fit made-up rows of users and items, and save all parameters."""
    from pyspark.sql import functions

    from fastfm_ext.spark import FMRegressor

    from .session import session

    spark = session(memory="1g")
    ids = spark.range(0, 100_000, 1, 4).withColumn("user", functions.hash("id") % 500 + 500)
    ids = ids.withColumn("item", functions.hash("id", functions.lit(1)) % 300 + 1300)
    rows = ids.withColumn("label", functions.sin(functions.col("user") * functions.col("item")))
    vector = functions.udf(lambda user, item: vectors_of(user, item), vector_type())
    frame = rows.select(vector("user", "item").alias("features"), "label")
    model = FMRegressor(factorSize=8, maxIter=N_EPOCHS, numWorkers=2, seed=0, refit=False, checkpoint=checkpoint)
    local = model.fit(frame).to_local()
    np.save(result, np.concatenate([[local.w0_], local.w_, local.V_.ravel()]))


def vectors_of(user: int, item: int) -> Any:
    """Return the vector of a row."""
    from pyspark.ml.linalg import Vectors

    return Vectors.sparse(1600, [user, item], [1.0, 1.0])


def vector_type() -> Any:
    """Return the type of a column of vectors."""
    from pyspark.ml.linalg import VectorUDT

    return VectorUDT()


if __name__ == "__main__":
    main()
