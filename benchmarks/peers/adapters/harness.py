"""What every adapter shares: read the job, run it on the peer, write the result as JSON.

Adapters run in a peer's environment, where only NumPy and SciPy are sure to be there, as scripts: so they import this
file as a neighbour and nothing else of this repository.
"""

from __future__ import annotations

import json
import resource
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp

AfterEpoch = Callable[[float], bool]

# Probabilities of exactly 0 and 1 would make the log loss infinite for one wrong row.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class Job:
    """What the driver asks for; see `registry.py` for the settings of each peer."""

    kind: str  # "throughput" or "curve"
    data: str  # folder with train.npz and validation.npz
    scratch: str  # folder for the peer's own files
    loss: str  # "squared" or "logistic"
    n_rows: int  # the training rows to use, from the first
    n_factors: int
    n_threads: int
    seed: int
    settings: dict[str, float]
    epochs: int  # timed epochs, or the most epochs of a curve
    patience: int = 3  # a curve ends after this many epochs without a gain
    time_limit: float = 60.0  # seconds of training after which a curve ends


@dataclass(frozen=True)
class Data:
    """Rows and targets; the targets are 0 and 1 for the logistic loss."""

    X: Any  # csr_matrix (n_rows, n_features), float32
    y: Any  # (n_rows,), float32


class Peer(ABC):
    """A library as the harness drives it. Only `train`'s epochs and `predict` are timed."""

    def __init__(self, job: Job, train: Data) -> None:
        """Convert the training rows to what the library wants; not timed."""
        self.job = job
        self.data = train
        self.rng = np.random.default_rng(job.seed)

    def before_epoch(self) -> None:  # noqa: B027 - most libraries have nothing to do here
        """Shuffle, where the library leaves that to its user; not timed."""

    @abstractmethod
    def epoch(self) -> None:
        """Train on every row once."""

    def train(self, epochs: int, after_epoch: AfterEpoch) -> None:
        """Train; after each epoch hand its seconds to `after_epoch`, and stop when that returns True."""
        for _ in range(epochs):
            self.before_epoch()
            started = perf_counter()
            self.epoch()
            if after_epoch(perf_counter() - started):
                return

    def curve(self, validation: Data) -> list[tuple[float, float]]:
        """Return (seconds of training so far, validation quality) after each epoch."""
        rows = self.convert(validation.X)
        recorder = CurveRecorder(self.job, lambda: quality(self.job.loss, validation.y, self.predict(rows)))
        self.train(self.job.epochs, recorder)
        return recorder.points

    def convert(self, X: Any) -> Any:
        """Convert rows to what `predict` wants; not timed."""
        return X

    @abstractmethod
    def predict(self, rows: Any) -> Any:
        """Return the predicted targets, or probabilities of class 1."""


class CurveRecorder:
    """Evaluates after each epoch, outside the training time, and says when to stop."""

    def __init__(self, job: Job, evaluate: Callable[[], float]) -> None:
        self.points: list[tuple[float, float]] = []
        self._job = job
        self._evaluate = evaluate
        self._seconds = 0.0

    def __call__(self, seconds: float) -> bool:
        """Add an epoch; return whether to stop."""
        self._seconds += seconds
        self.points.append((self._seconds, self._evaluate()))
        values = [value for _, value in self.points]
        stale = len(values) - 1 - int(np.argmin(values))
        diverged = not np.isfinite(values[-1])
        return diverged or stale >= self._job.patience or self._seconds > self._job.time_limit


def quality(loss: str, y: Any, predicted: Any) -> float:
    """Return the RMSE for the squared loss, the mean log loss for the logistic one; lower is better."""
    y, p = np.asarray(y, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if loss == "squared":
        return float(np.sqrt(np.mean((p - y) ** 2)))
    p = np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def main(peer_class: type[Peer]) -> None:
    """Run the job in the file named first on the command line; write the result to the file named second."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text()))
    train = load(job, "train", job.n_rows)
    result = throughput(peer_class, job, train) if job.kind == "throughput" else curve(peer_class, job, train)
    Path(sys.argv[2]).write_text(json.dumps(result | {"job": asdict(job)}))


def load(job: Job, part: str, n_rows: int | None = None) -> Data:
    """Read a part of the data; the ones of the matrix are not stored."""
    with np.load(Path(job.data) / f"{part}.npz") as arrays:
        indptr, indices, y = arrays["indptr"], arrays["indices"], arrays["y"]
        shape = (len(y), int(arrays["n_features"]))
    data = np.ones(len(indices), dtype=np.float32)
    X = sp.csr_matrix((data, indices, indptr), shape=shape)
    return Data(X, y) if n_rows is None or n_rows >= len(y) else Data(X[:n_rows], y[:n_rows])


def throughput(peer_class: type[Peer], job: Job, train: Data) -> dict[str, Any]:
    """Time epochs after one to warm up, then predictions of the training rows, and take the peak of memory."""
    baseline = peak_bytes()
    peer = peer_class(job, train)
    seconds: list[float] = []

    def record(elapsed: float) -> bool:
        seconds.append(elapsed)
        return False

    peer.train(1 + job.epochs, record)
    rows = peer.convert(train.X)
    predict_seconds = [_timed(lambda: peer.predict(rows)) for _ in range(1 + max(job.epochs, 2))]
    n_rows = train.X.shape[0]
    return {
        "epoch_rows_per_second": n_rows / median(seconds[1:]),
        "predict_rows_per_second": n_rows / median(predict_seconds[1:]),
        "peak_bytes": peak_bytes() - baseline,
        "n_rows": n_rows,
    }


def curve(peer_class: type[Peer], job: Job, train: Data) -> dict[str, Any]:
    """Train until the validation quality no longer improves."""
    validation = load(job, "validation")
    points = peer_class(job, train).curve(validation)
    return {"points": [(seconds, value) for seconds, value in points if np.isfinite(value)]}


def peak_bytes() -> int:
    """Return the most resident memory that this process has had.

    A child's ``ru_maxrss`` starts from its parent's peak, so Linux' count for this program alone is read where it is.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _timed(run: Callable[[], object]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started
