"""Processes of a Spark session on this machine: found in /proc, and killed at random moments."""

import os
import signal
import threading
from pathlib import Path

import numpy as np

CAN_FIND_WORKERS = Path("/proc/self/task").is_dir()


def python_workers(spark):
    """Return the processes that run tasks: children of the daemons that the session's JVM has started."""
    daemons = [pid for pid in _children(spark.sparkContext._gateway.proc.pid) if _runs(pid, b"pyspark.daemon")]
    return [worker for daemon in daemons for worker in _children(daemon)]


def executors(spark):
    """Return the JVMs of the executors of a session on ``local-cluster``."""
    return [pid for pid in _children(spark.sparkContext._gateway.proc.pid) if _runs(pid, b"CoarseGrainedExecutor")]


class WorkerKiller:
    """Kills a process at random moments, a given number of times, while a ``with`` block runs.

    Parameters
    ----------
    spark : SparkSession
    n_kills : int
    seconds : tuple of float
        The least and the longest time between two kills.
    seed : int
    find : callable
        Takes the session, and returns the processes to choose from.
    """

    def __init__(self, spark, n_kills, seconds, seed=0, find=python_workers):
        self._find = find
        self.killed = []
        self._spark = spark
        self._n_kills = n_kills
        self._seconds = seconds
        self._rng = np.random.default_rng(seed)
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._is_done.set()
        self._thread.join()

    def _run(self):
        while len(self.killed) < self._n_kills:
            if self._is_done.wait(self._rng.uniform(*self._seconds)):
                return
            workers = self._find(self._spark)
            if workers:
                worker = int(self._rng.choice(workers))
                os.kill(worker, signal.SIGKILL)
                self.killed.append(worker)


def _children(pid):
    """Return the children of a process, those of its threads too; none if it has ended."""
    try:
        tasks = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return []


def _runs(pid, text):
    """Return whether a process was started with a text in its command."""
    try:
        return text in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
