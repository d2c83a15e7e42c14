"""Public Bayesian estimators on the rows that the chains learn from: errors of what they keep."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

from sklearn.exceptions import ConvergenceWarning

from fastfm_ext import BayesianFMClassifier, BayesianFMRegressor

from .chains import ChainOptions
from .curves import measures
from .rows import Rows


def estimator_points(rows: Rows, options: ChainOptions, n_sweeps: int, burn_in: int) -> Iterator[dict[str, float]]:
    """Fit an estimator, and give the measures of its predictions; its seconds are those of the whole fit."""
    estimator = BayesianFMClassifier if rows.has_classes else BayesianFMRegressor
    model = estimator(
        options.n_factors,
        form=options.form,
        prior=options.prior,
        max_sweeps=n_sweeps,
        burn_in=burn_in,
        tol=0.0,
        n_jobs=options.n_threads,
        random_state=options.seed,
    )
    started = time.thread_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # all sweeps are meant to be made
        model.fit(rows.X[: rows.n_train], rows.train_y)
    seconds = time.thread_time() - started
    held_out = rows.X[rows.n_train :]
    predicted = model.predict_proba(held_out)[:, 1] if rows.has_classes else model.predict(held_out)
    yield {"sweeps": n_sweeps, "seconds": seconds} | measures(rows, predicted)
