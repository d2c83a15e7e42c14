"""modern-fm: partial_fit, one epoch a call, which keeps AdaGrad's state and takes the rows in the order they come."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Data, Job, Peer, main
from modern_fm import FMClassifier, FMRegressor


class ModernFm(Peer):
    """Rows are shuffled for it outside the timed part, and stand in the float64 that it computes in."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        estimator = FMRegressor if job.loss == "squared" else FMClassifier
        self.model = estimator(job.n_factors, n_jobs=job.n_threads, random_state=job.seed, **job.settings)
        self.X, self.y = train.X.astype(np.float64), train.y.astype(np.float64)

    def before_epoch(self) -> None:
        order = self.rng.permutation(len(self.y))
        self.X, self.y = self.X[order], self.y[order]

    def epoch(self) -> None:
        extra = {} if self.job.loss == "squared" else {"classes": [0.0, 1.0]}
        self.model.partial_fit(self.X, self.y, **extra)

    def convert(self, X: Any) -> Any:
        return X.astype(np.float64)

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows) if self.job.loss == "squared" else self.model.predict_proba(rows)[:, 1]


if __name__ == "__main__":
    main(ModernFm)
