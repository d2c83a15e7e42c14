"""fastfm-ext: one fit() call, whose history has the seconds of each epoch."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

from time import perf_counter
from typing import Any

from harness import AfterEpoch, Data, Job, Peer, main

from fastfm_ext import DivergenceError, FMClassifier, FMRegressor


class FastfmExt(Peer):
    """Trains all epochs in one call, as its users do, so that the shuffling before the first epoch is counted."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        self.model = self._new_model(job.epochs)

    def _new_model(self, epochs: int) -> Any:
        estimator: Any = FMRegressor if self.job.loss == "squared" else FMClassifier
        # Two things alone end a fit: the number of epochs, and patience where there are validation rows.
        return estimator(
            self.job.n_factors,
            max_iter=epochs,
            early_stopping=False,
            n_iter_no_change=epochs,
            tol=0.0,
            n_jobs=self.job.n_threads,
            random_state=self.job.seed,
            **self.job.settings,
        )

    def epoch(self) -> None:
        raise NotImplementedError("train() runs all epochs")

    def train(self, epochs: int, after_epoch: AfterEpoch) -> None:
        self.model = self._new_model(epochs).fit(self.data.X, self.data.y)
        for seconds in self.model.history_["seconds"]:
            after_epoch(seconds)

    def curve(self, validation: Data) -> list[tuple[float, float]]:
        """Fit twice with one seed: with validation rows for the quality, without them for the seconds.

        With one thread both go through the same parameters, bit for bit.
        """
        watched = self._new_model(self.job.epochs).set_params(n_iter_no_change=self.job.patience)
        try:
            watched.fit(self.data.X, self.data.y, X_val=validation.X, y_val=validation.y)
        except DivergenceError:
            return []
        losses = watched.history_["val_loss"]
        started = perf_counter()
        timed = self._new_model(len(losses)).fit(self.data.X, self.data.y)
        elapsed = perf_counter() - started
        seconds = timed.history_["seconds"]
        total = elapsed - sum(seconds)  # validation of the input and the copy of the rows come before the first epoch
        points = []
        for epoch_seconds, loss in zip(seconds, losses, strict=True):
            total += epoch_seconds
            points.append((total, (2 * loss) ** 0.5 if self.job.loss == "squared" else loss))
        return points

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows) if self.job.loss == "squared" else self.model.predict_proba(rows)[:, 1]


if __name__ == "__main__":
    main(FastfmExt)
