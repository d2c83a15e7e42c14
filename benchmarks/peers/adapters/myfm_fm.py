"""myFM: Gibbs sampling; an epoch is one sweep, and predictions are means over the sweeps after the first few."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from harness import AfterEpoch, Data, Job, Peer, main
from myfm import MyFMClassifier, MyFMRegressor
from scipy.special import ndtr

BURN_IN = 5  # sweeps that do not count for the mean, as in myFM's own default


class MyFm(Peer):
    """The callback after each sweep adds to the mean; its time is not the sweep's."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        estimator = MyFMRegressor if job.loss == "squared" else MyFMClassifier
        self.model = estimator(job.n_factors, random_seed=job.seed, **job.settings)
        self.X = train.X.astype(np.float64)
        self.sweep = 0
        self.sum: Any = 0.0
        self.current: Any = None

    def epoch(self) -> None:
        raise NotImplementedError("train() runs all sweeps")

    def train(self, epochs: int, after_epoch: AfterEpoch) -> None:
        started = perf_counter()

        def callback(sweep: int, fm: Any, hyper: Any, history: Any) -> tuple[bool, None]:
            nonlocal started
            elapsed = perf_counter() - started
            self.sweep, self.current = sweep, fm
            stop = after_epoch(elapsed)
            started = perf_counter()
            return stop, None

        # Averaging is done here, so that the quality is known after each sweep; one sample is kept, not one a sweep.
        y = self.data.y if self.job.loss == "squared" else self.data.y.astype(np.int64)
        self.model.fit(self.X, y, n_iter=epochs, n_kept_samples=1, callback=callback)

    def convert(self, X: Any) -> Any:
        return X.astype(np.float64)

    def predict(self, rows: Any) -> Any:
        """Return the mean over the sweeps so far, or in the first ones the current sweep's prediction."""
        if self.job.kind == "throughput":  # after training, when the sampler's own state is gone
            return self.model.predict(rows)
        scores = self.current.predict_score(rows, [])
        predicted = scores if self.job.loss == "squared" else ndtr(scores)
        if self.sweep < BURN_IN:
            return predicted
        self.sum = self.sum + predicted
        return self.sum / (self.sweep - BURN_IN + 1)


if __name__ == "__main__":
    main(MyFm)
