"""xLearn: from its own binary copies of the rows; all epochs in one run, which prints the loss of each."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

import os
import re
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

# Its logger builds a file's name from this variable and aborts the process without it; read when it is imported.
os.environ.setdefault("USER", "user")

import xlearn
from harness import AfterEpoch, Data, Job, Peer, main

# Epoch, then training and validation loss, then what was asked for as metric, and the seconds in the last column.
EPOCH_LINE = re.compile(r"%\s*\]\s+\d+\s+(.*)")
COLORS = re.compile(r"\x1b\[[0-9;]*m")


class XLearn(Peer):
    """The seconds of an epoch are what one more adds to a run."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        self.folder = Path(job.scratch)
        self.train_file = self._write("train", train.X, train.y)
        self.model_file = str(self.folder / "model")
        self._fit(1)  # makes the binary copy

    def _write(self, part: str, X: Any, y: Any) -> str:
        path = self.folder / part
        rows = np.split(X.indices, X.indptr[1:-1])
        with path.open("w") as file:
            for target, row in zip(y.tolist(), rows, strict=True):
                file.write(f"{target:g} {' '.join(f'{i}:1' for i in row.tolist())}\n")
        return str(path)

    def _fit(self, epochs: int, validation_file: str | None = None) -> float:
        model = xlearn.create_fm()
        model.setTrain(self.train_file)
        if validation_file is not None:
            model.setValidate(validation_file)
        model.disableEarlyStop()
        if self.job.n_threads == 1:
            model.disableLockFree()
        param: dict[str, Any] = {
            "task": "reg" if self.job.loss == "squared" else "binary",
            "k": self.job.n_factors,
            "epoch": epochs,
            "nthread": self.job.n_threads,
            "opt": "adagrad",
            **self.job.settings,
        }
        if self.job.loss == "squared":
            param["metric"] = "rmse"
        started = perf_counter()
        model.fit(param, self.model_file)
        return perf_counter() - started

    def epoch(self) -> None:
        raise NotImplementedError("train() runs all epochs")

    def train(self, epochs: int, after_epoch: AfterEpoch) -> None:
        seconds = self._seconds_of_an_epoch(epochs)
        for _ in range(epochs):
            after_epoch(seconds)

    def _seconds_of_an_epoch(self, epochs: int) -> float:
        return (self._fit(1 + epochs) - self._fit(1)) / epochs

    def curve(self, validation: Data) -> list[tuple[float, float]]:
        seconds = self._seconds_of_an_epoch(3)
        validation_file = self._write("validation", validation.X, validation.y)
        printed = self.folder / "printed"
        with StdoutTo(printed):
            self._fit(self.job.epochs, validation_file)
        lines = COLORS.sub("", printed.read_text()).splitlines()
        columns = [match[1].split() for line in lines if (match := EPOCH_LINE.search(line))]
        return [(seconds * epoch, float(cells[-2])) for epoch, cells in enumerate(columns, start=1)]

    def convert(self, X: Any) -> Any:
        return self._write("rows", X, np.zeros(X.shape[0]))

    def predict(self, rows: Any) -> Any:
        model = xlearn.create_fm()
        model.setTest(rows)
        if self.job.loss == "logistic":
            model.setSigmoid()
        output = str(self.folder / "predictions")
        model.predict(self.model_file, output)
        return np.fromstring(Path(output).read_text(), sep="\n")


class StdoutTo:
    """Sends what native code prints to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._saved = os.dup(1)
        with self._path.open("w") as file:
            os.dup2(file.fileno(), 1)

    def __exit__(self, *exception: object) -> None:
        os.dup2(self._saved, 1)
        os.close(self._saved)


if __name__ == "__main__":
    main(XLearn)
