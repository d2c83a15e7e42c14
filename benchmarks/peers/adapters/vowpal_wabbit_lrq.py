"""Vowpal Wabbit with --lrq over every pair of fields: from its own cache file, all passes in one run."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from string import ascii_letters
from time import perf_counter
from typing import Any

import numpy as np
from harness import AfterEpoch, Data, Job, Peer, main, quality
from vowpalwabbit import Workspace


class VowpalWabbit(Peer):
    """Field c of a row goes to the namespace of the c-th letter."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        self.folder = Path(job.scratch)
        self.model = self.folder / "model"
        n_fields = train.X.nnz // train.X.shape[0]
        pairs = combinations(ascii_letters[:n_fields], 2)
        loss = "--loss_function logistic" if job.loss == "logistic" else ""
        # Every field starts at a place of its own by hashing: room to spare keeps them from lying on each other.
        bits = min(25, 3 + int(np.ceil(np.log2(train.X.shape[1] * (job.n_factors + 1)))))
        options = [f"--lrq {left}{right}{job.n_factors}" for left, right in pairs]
        self.options = " ".join([*options, loss, f"-b {bits} --random_seed {job.seed} --quiet"])
        self.steps = " ".join(f"--{name} {value}" for name, value in job.settings.items())
        self.rows = self._write("train", train.X, train.y)
        # The first read of the text makes the cache.
        run(f"{self.rows} -t {self.options}")

    def _write(self, part: str, X: Any, y: Any) -> str:
        """Write rows as text; return the options that name them and their cache."""
        # lrq keeps a feature's factors in the places after it, which numbers without gaps would make others' places.
        ids = X.indices.reshape(X.shape[0], -1).astype(np.int64) * (self.job.n_factors + 1)
        targets = y if self.job.loss == "squared" else 2 * y - 1
        names = ascii_letters[: ids.shape[1]]
        with (self.folder / part).open("w") as file:
            for target, row in zip(targets.tolist(), ids.tolist(), strict=True):
                fields = " ".join(f"|{name} {i}" for name, i in zip(names, row, strict=True))
                file.write(f"{target:g} {fields}\n")
        return f"-d {self.folder / part} --cache_file {self.folder / part}.cache"

    def epoch(self) -> None:
        raise NotImplementedError("train() runs all passes")

    def train(self, epochs: int, after_epoch: AfterEpoch) -> None:
        """Hand on the mean time of a pass, since passes are not timed one by one."""
        first = self._seconds(1)
        per_pass = (self._seconds(epochs) - first) / (epochs - 1)
        for _ in range(epochs):
            after_epoch(per_pass)

    def _seconds(self, passes: int, extra: str = "") -> float:
        started = perf_counter()
        run(f"{self.rows} --passes {passes} --holdout_off {self.options} {self.steps} -f {self.model} {extra}")
        return perf_counter() - started

    def curve(self, validation: Data) -> list[tuple[float, float]]:
        rows = self._write("validation", validation.X, validation.y)
        passes = max(2, min(self.job.epochs, int(self.job.time_limit / self._seconds(1))))
        per_pass = self._seconds(passes, "--save_per_pass") / passes
        points = []
        for done in range(1, passes + 1):
            model = self.model if done == passes else Path(f"{self.model}.{done}")
            value = quality(self.job.loss, validation.y, self._predict(rows, model))
            points.append((done * per_pass, value))
        return points

    def convert(self, X: Any) -> Any:
        return self._write("rows", X, np.ones(X.shape[0]))

    def predict(self, rows: Any) -> Any:
        return self._predict(rows, self.model)

    def _predict(self, rows: str, model: Path) -> Any:
        output = self.folder / "predictions"
        link = "--link logistic" if self.job.loss == "logistic" else ""
        run(f"{rows} -t -i {model} {link} -p {output} --quiet")
        return np.fromstring(output.read_text(), sep="\n")


def run(options: str) -> None:
    """Run the command line in this process, to its end."""
    Workspace(options).finish()


if __name__ == "__main__":
    main(VowpalWabbit)
