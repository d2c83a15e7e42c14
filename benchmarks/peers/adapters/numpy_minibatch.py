"""The factorization machine in NumPy and SciPy, of ``benchmarks/numpy_fm.py``: AdaGrad steps for batches of rows."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from harness import Data, Job, Peer, main
from scipy.special import expit

sys.path.insert(0, str(Path(os.environ["FASTFM_EXT_BENCHMARKS"])))

from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from numpy_fm import NumpyFm

BATCH_SIZE = 4096
# The mean gradient of a batch is small, and from the kernels' first value of 1 the steps would be tiny.
INITIAL_ACC = 1e-6


class NumpyMinibatch(Peer):
    """Rows are shuffled outside the timed part; cutting them into batches is inside it."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        rate, l2 = job.settings["learning_rate"], job.settings["l2"]
        options = Options(job.loss, "adagrad", rate, rate, l2, l2, job.settings["init_stdev"], INITIAL_ACC, INITIAL_ACC)
        mean = float(train.y.mean())
        intercept = mean if job.loss == "squared" else float(np.log(mean / (1 - mean)))
        params = Parameters.initialise(train.X.shape[1], job.n_factors, options, intercept, self.rng)
        self.model = NumpyFm.like(params, options)
        self.X, self.y = sp.csr_array(train.X), train.y

    def before_epoch(self) -> None:
        order = self.rng.permutation(len(self.y))
        self.X, self.y = self.X[order], self.y[order]

    def epoch(self) -> None:
        self.model.minibatch_epoch(self.X, self.y, BATCH_SIZE)

    def convert(self, X: Any) -> Any:
        return sp.csr_array(X)

    def predict(self, rows: Any) -> Any:
        scores = self.model.predict(rows)
        return scores if self.job.loss == "squared" else expit(scores)


if __name__ == "__main__":
    main(NumpyMinibatch)
