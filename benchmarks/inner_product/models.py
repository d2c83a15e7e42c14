"""Models of a task, and the parts of their scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastfm_ext import FMClassifier, FMRanker, FMRegressor
from fastfm_ext._common.arrays import Float32
from top_n.contenders import INNER_PRODUCTS, cosine, epochs

from .tasks import Task

NEGATIVES = 4  # for each choice, drawn evenly
FACTORS = 64


@dataclass(frozen=True)
class Parts:
    """What a fitted model knows of users and items.

    Attributes
    ----------
    users, items : ndarray of shape (n, n_factors + 1)
        `user_vector` and `item_vector`.
    user_factors, item_factors : ndarray of shape (n, n_factors)
        Sums of factors, as they were learned.
    linear : ndarray of shape (n_items,)
        Linear terms of the items.
    """

    users: Float32
    items: Float32
    user_factors: Float32
    item_factors: Float32
    linear: Float32

    @classmethod
    def of(cls, model: Any, task: Task) -> Parts:
        """Take the parts of a fitted model."""
        return cls(
            model.user_vector(task.X_user),
            model.item_vector(task.X_item),
            task.X_user @ model.V_,
            task.X_item @ model.V_,
            task.X_item @ model.w_,
        )


def of_ratings(task: Task, seed: int) -> FMRegressor:
    """Train on stars."""
    assert task.ratings is not None
    users, items, stars = task.ratings
    return FMRegressor(random_state=seed).fit(task.X_user[users] + task.X_item[items], stars)


def of_clicks(task: Task, seed: int) -> FMClassifier:
    """Train on choices and drawn items as yes and no, as an FM for clicks is."""
    users, items = task.chosen.nonzero()
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, task.chosen.shape[1], NEGATIVES * len(items))
    X = task.X_user[np.tile(users, 1 + NEGATIVES)] + task.X_item[np.concatenate([items, drawn])]
    y = np.repeat([1.0, 0.0], [len(items), len(drawn)])
    settings = {"learning_rate": 0.1, "l2_w": 0.001, "l2_V": 0.001, "init_stdev": 0.1}
    return FMClassifier(n_factors=FACTORS, max_iter=8, random_state=seed, **settings).fit(X, y)


def ranker(of_gowalla: Mapping[str, Any], **settings: Any) -> Callable[[Task, int], FMRanker]:
    """Return a training of `FMRanker`: with default settings but for these, of ids with those found for Gowalla."""

    def fit(task: Task, seed: int) -> FMRanker:
        chosen = settings if task.ratings is not None else {**of_gowalla, **settings}
        model = FMRanker(**{"n_factors": FACTORS, "random_state": seed, **chosen})
        return model.fit(task.X_user, task.X_item, task.chosen)

    return fit


RATINGS, CLICKS, DOT, COSINE, SQUARED = "ratings", "clicks", "softmax, dot", "softmax, cosine", "least squares"
WITHOUT_LINEAR = ", no linear terms"
OF_GOWALLA = {
    DOT: INNER_PRODUCTS,
    COSINE: cosine(FACTORS, temperature=0.1),
    SQUARED: epochs(4),
}
FITS: Mapping[str, Callable[[Task, int], Any]] = {
    RATINGS: of_ratings,
    CLICKS: of_clicks,
    DOT: ranker(OF_GOWALLA[DOT], similarity="dot"),
    COSINE: ranker(OF_GOWALLA[COSINE]),
    SQUARED: ranker(OF_GOWALLA[SQUARED], loss="squared"),
    DOT + WITHOUT_LINEAR: ranker(OF_GOWALLA[DOT], similarity="dot", fit_linear=False),
    COSINE + WITHOUT_LINEAR: ranker(OF_GOWALLA[COSINE], fit_linear=False),
    SQUARED + WITHOUT_LINEAR: ranker(OF_GOWALLA[SQUARED], loss="squared", fit_linear=False),
}
