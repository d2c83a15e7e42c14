"""LightFM (the rectools-lightfm build): logistic loss over pairs of a user and an item; nothing else fits its model."""

# ruff: noqa: D102 - what the methods do stands in harness.Peer

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from harness import Data, Job, Peer, main
from lightfm import LightFM
from scipy.special import expit

LIKED = 4.0  # LightFM's logistic loss wants likes and dislikes: +1 from this rating on, else -1


class LightFm(Peer):
    """Every row's first feature is its user, the second its item."""

    def __init__(self, job: Job, train: Data) -> None:
        super().__init__(job, train)
        n_features = train.X.shape[1]
        self.first_item = int(train.X.indices[1::2].min())
        users, items = self.convert(train.X)
        liked = np.where(train.y >= LIKED, 1, -1).astype(np.int32)
        shape = (self.first_item, n_features - self.first_item)
        self.interactions = sp.coo_matrix((liked, (users, items)), shape=shape)
        self.model = LightFM(job.n_factors, loss="logistic", random_state=job.seed, **job.settings)

    def epoch(self) -> None:
        self.model.fit_partial(self.interactions, num_threads=self.job.n_threads)

    def convert(self, X: Any) -> Any:
        users, items = X.indices.reshape(-1, 2).T
        return users.astype(np.int32), (items - self.first_item).astype(np.int32)

    def predict(self, rows: Any) -> Any:
        return expit(self.model.predict(*rows, num_threads=self.job.n_threads))


if __name__ == "__main__":
    main(LightFm)
