"""Bayesian classifiers beside gradient descent: log loss of the default settings on tables, stars of films, and Frappe.

    python benchmarks/bayes_classes.py tables                 log loss or RMSE over that of FMClassifier or FMRegressor
    python benchmarks/bayes_classes.py stars                  MovieLens 100K, u1 to u5: five ordered classes
    python benchmarks/bayes_classes.py frappe --seconds 60    validation rows; with --held-out test the others

Everything has default settings, but for `--max-sweeps`, and on Frappe `--factors` and `--prior`. `data_sets.py` says
how tables are split. The data is read from the folder that the environment variable FASTFM_EXT_DATA names.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score

import data_sets
from data_sets import Task
from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMOrdinalClassifier,
    BayesianFMRegressor,
    FMClassifier,
    FMEncoder,
)
from quality import read_frappe
from refit import fitted
from tables import markdown_table


def good_films(data: Path, seed: int) -> Task:
    """Return the ids of MovieLens 100K, and whether a rating is 4 or 5."""
    table = data_sets.film_ratings(data / "ml-100k", "u.data")
    liked = table["rating"].to_numpy() >= 4
    return data_sets.encoded(table, liked, ["user", "film"], seed, None, data_sets.classification)


TABLES: dict[str, Callable[[Path, int], Task]] = {
    "bank": data_sets.bank,
    "adult": data_sets.adult,
    "adult, 3,000 rows": partial(data_sets.adult, n_train=3_000),
    "ml-100k, rating >= 4": good_films,
    "breast cancer": data_sets.breast_cancer,
    "wine": data_sets.wine,
    "digits": data_sets.digits,
    "diabetes": data_sets.diabetes,
    "california, 8,000 rows": partial(data_sets.california, n_train=8_000),
    "bike sharing, 1,000 rows": partial(data_sets.bike_sharing, n_train=1_000),
}


def tables(data: Path, options: argparse.Namespace) -> None:
    rows = []
    for name, load in TABLES.items():
        if options.names and not name.startswith(tuple(options.names)):
            continue
        found = []
        for seed in range(options.seeds):
            task = load(data, seed)
            descent, seconds = fitted(task, random_state=seed)
            bayesian = BayesianFMClassifier if task.estimator is FMClassifier else BayesianFMRegressor
            model, more = fitted(task._replace(estimator=bayesian), random_state=seed, max_sweeps=options.max_sweeps)
            found.append([task.measure(descent), task.measure(model), seconds, more, model.n_sweeps_])
        sgd, bayes, seconds, more, n_sweeps = np.mean(found, axis=0)
        ratios = np.array(found)[:, 1] / np.array(found)[:, 0]
        qualities = [f"{sgd:.4g}", f"{bayes:.4g}", f"{bayes / sgd:.3f}", f"{ratios.max():.3f}"]
        rows.append([f"{name}, {task.unit}", *qualities, f"{n_sweeps:.0f}", f"{seconds:.1f}", f"{more:.1f}"])
        print(*rows[-1], flush=True)
    print(markdown_table(["table", "descent", "Bayes", "ratio", "worst", "sweeps", "s descent", "s Bayes"], rows))


def stars(data: Path, options: argparse.Namespace) -> None:
    """Print RMSE and MAE of the expected stars, and log loss of the classes, on average over the official folds."""
    found: dict[str, list[list[float]]] = {}
    for fold in range(1, 6):
        folder = data / "ml-100k"
        train, test = (data_sets.film_ratings(folder, f"u{fold}.{part}") for part in ("base", "test"))
        encoder = FMEncoder(user=["user"], item=["film"])
        X, X_test = encoder.fit_transform(train), encoder.transform(test)
        y, y_test = train["rating"].to_numpy(), test["rating"].to_numpy()
        settings = {"random_state": fold, "max_sweeps": options.max_sweeps}
        for estimator in (BayesianFMOrdinalClassifier, BayesianFMRegressor, FMClassifier):
            is_descent = estimator is FMClassifier
            model = estimator(**({"random_state": fold, "multi_class": "multinomial"} if is_descent else settings))
            started = time.process_time()
            model.fit(X, y)
            seconds, loss = time.process_time() - started, np.nan
            if hasattr(model, "predict_proba"):
                p = model.predict_proba(X_test)
                loss, stars = log_loss(y_test, p, labels=model.classes_), p @ model.classes_
            else:
                stars = np.clip(model.predict(X_test), 1, 5)
            rmse, mae = np.sqrt(np.mean((stars - y_test) ** 2)), np.mean(np.abs(stars - y_test))
            found.setdefault(estimator.__name__, []).append([rmse, mae, loss, seconds])
            print(fold, estimator.__name__, *np.round(found[estimator.__name__][-1], 4), flush=True)
    rows = [[name, *(f"{value:.4f}" for value in np.mean(values, axis=0))] for name, values in found.items()]
    print(markdown_table(["estimator", "RMSE", "MAE", "log loss", "s"], rows))


def frappe(data: Path, options: argparse.Namespace) -> None:
    folder = data / "frappe-nfm"
    names = ("frappe.train.rebuilt.libfm", f"frappe.{options.held_out}.libfm")
    (X, y), (X_test, y_test) = (read_frappe(folder, name) for name in names)
    settings = {"n_factors": options.factors, "prior": options.prior, "max_seconds": options.seconds}
    model = BayesianFMClassifier(random_state=0, max_sweeps=options.max_sweeps, **settings)
    started, cpu = time.perf_counter(), time.process_time()
    model.fit(X, y > 0)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    p = model.predict_proba(X_test)[:, 1]
    row: list[Any] = [f"{roc_auc_score(y_test > 0, p):.4f}", f"{log_loss(y_test > 0, p):.4f}"]
    row += [model.n_sweeps_, model.burn_in_, model.n_samples_, f"{seconds:.0f}", f"{cpu:.0f}"]
    print(markdown_table(["AUC", "log loss", "sweeps", "burn-in", "draws kept", "s", "CPU s"], [list(map(str, row))]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["tables", "stars", "frappe"])
    parser.add_argument("names", nargs="*", metavar="TABLE", help="beginnings of names")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-sweeps", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--factors", type=int, default=32)
    parser.add_argument("--prior", default="normal-wishart")
    parser.add_argument("--held-out", choices=["validation", "test"], default="validation")
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    parts = {"tables": tables, "stars": stars, "frappe": frappe}
    parts[options.part](Path(os.environ.get("FASTFM_EXT_DATA", ".")), options)


if __name__ == "__main__":
    main()
