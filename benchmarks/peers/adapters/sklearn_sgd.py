"""scikit-learn's SGDRegressor and SGDClassifier: linear, so the floor of quality and the pace without pairs."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Data, Job, Peer, main
from sklearn.linear_model import SGDClassifier, SGDRegressor


class SklearnSgd(Peer):
    """partial_fit, one epoch a call; it shuffles the rows itself."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        common: dict[str, Any] = {"learning_rate": "invscaling", "power_t": 0.25, "random_state": job.seed}
        if job.loss == "squared":
            self.model: Any = SGDRegressor(**common, **job.settings)
        else:
            self.model = SGDClassifier(loss="log_loss", **common, **job.settings)
        self.X, self.y = train.X.astype(np.float64), train.y.astype(np.float64)

    def epoch(self) -> None:
        extra = {} if self.job.loss == "squared" else {"classes": [0.0, 1.0]}
        self.model.partial_fit(self.X, self.y, **extra)

    def convert(self, X: Any) -> Any:
        return X.astype(np.float64)

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows) if self.job.loss == "squared" else self.model.predict_proba(rows)[:, 1]


if __name__ == "__main__":
    main(SklearnSgd)
