"""Explanations and pictures of models of MovieLens 100K: what docs/explanations.md and docs/plots.md show.

    python benchmarks/explanations.py --pictures docs/figures
    python benchmarks/explanations.py --cost

The models are trained on `u1.base`, and rows are explained of `u1.test`. The second form measures the CPU time of
contributions beside that of predictions, for 100,000 rows of Frappe. The data is read from the folder that the
environment variable FASTFM_EXT_DATA names: `ml-100k/` and `frappe-nfm/`.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from fastfm_ext import (
    BayesianFMRegressor,
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRegressor,
    interactions_from_table,
    multi,
    numeric,
)
from fastfm_ext._common.extras import require
from fastfm_ext.explain import contributions, importance, interactions, ranking_contributions
from fastfm_ext.plotting import (
    FieldInteractionDisplay,
    ImportanceDisplay,
    LearningCurveDisplay,
    QualityTimeDisplay,
    UncertaintyDisplay,
    VectorMapDisplay,
    WaterfallDisplay,
)
from quality import find, read_films, read_frappe, read_ratings
from tables import markdown_table

N_EXPLAINED = 20_000
N_LABELS = 45
GENRES = ["Children's", "Horror", "Sci-Fi", "Romance", "Action", "Comedy", "Drama"]


# --- MovieLens -------------------------------------------------------------------------------------------------------


def movielens(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return ratings to train on and to test on, with what is known of users and films, and the films' titles."""
    users = pd.read_csv(
        find(folder, "u.user"), sep="|", header=None, names=["user", "age", "gender", "occupation", "zip"]
    )
    items = pd.read_csv(find(folder, "u.item"), sep="|", header=None, encoding="latin-1")
    films = read_films(folder)
    films["title"], films["year"] = items[1], items[2].str[-4:].astype(float).fillna(1995.0)
    parts = []
    for name in ("base", "test"):
        ratings = read_ratings(folder, f"u1.{name}").merge(users, on="user").merge(films, on="film")
        parts.append(ratings.assign(film=ratings["title"]))  # a few films are there twice
    return parts[0], parts[1], films.assign(film=films["title"]).drop_duplicates("film")


def encoder() -> FMEncoder:
    """Return an encoder of the columns of users and films."""
    return FMEncoder(
        user=["user", "gender", "occupation", numeric("age")], item=["film", multi("genres"), numeric("year")]
    )


def explain(folder: Path, pictures: Path | None) -> None:
    train, test, films = movielens(folder)
    y, y_test = train["rating"].to_numpy(float), test["rating"].to_numpy(float)
    model = make_pipeline(encoder(), FMRegressor(16, random_state=0)).fit(train, y)
    best = int(np.argmax(model.predict(test)))
    row = test.iloc[best : best + 1]
    found = contributions(model, row, train)
    print(f"user {row['user'].iloc[0]}, {row['film'].iloc[0]}: {model.predict(row)[0]:.2f} stars")
    print(f"{found.base_value:6.3f}  mean score of the training rows")
    for step in found.top(0, None):
        print(f"{step.value:+6.3f}  {step.name} = {step.data}")
    print(f"{found.scores[0]:6.3f}  score\n")
    for pair in interactions(model, row, 5)[0]:
        print(f"{pair.value:+.3f}  {pair.first} and {pair.second}")
    print()
    explained = test.iloc[:N_EXPLAINED]
    for name, value in importance(model, explained, train).items():
        print(f"{value:.3f}  {name}")
    print()
    ranked = rank(train, films)
    if pictures is None:
        return
    two = figure(13.0, 4.6)
    left, right = two.subplots(1, 2, width_ratios=[1.0, 1.1])
    ImportanceDisplay.from_estimator(model, explained, train, ax=left)
    FieldInteractionDisplay.from_estimator(model, explained, train, ax=right)
    save(two, pictures / "explain-columns.png")
    save(WaterfallDisplay.from_estimator(model, row, train).figure_, pictures / "explain-waterfall.png")
    item_map(ranked, train, pictures / "explain-map.png")
    curves(train, y, pictures / "explain-training.png")
    bayesian = make_pipeline(encoder(), BayesianFMRegressor(16, random_state=0)).fit(train, y)
    save(UncertaintyDisplay.from_estimator(bayesian, test, y_test).figure_, pictures / "explain-uncertainty.png")


def rank(train: pd.DataFrame, films: pd.DataFrame) -> tuple[FMRanker, Any, Any]:
    """Train a ranker, print why it ranks a film first for a user; return it with the rows of films, and their ids."""
    liked = train[train["rating"] >= 4]
    coder = encoder().fit(train)
    known = interactions_from_table(liked, user="user", item="film")
    users = train.drop_duplicates("user").set_index("user").loc[known.user_ids].reset_index()
    items = films.set_index("film").loc[known.item_ids].reset_index()
    X_user, X_item = coder.transform(users, side="user"), coder.transform(items, side="item")
    ranker = FMRanker(32, random_state=0).fit(X_user, X_item, known.matrix)
    user = 0
    scores = ranker.item_vector(X_item) @ ranker.user_vector(X_user[[user]])[0]
    scores[known.matrix[[user]].indices] = -np.inf
    first = int(scores.argmax())
    print(f"user {users['user'][user]}, {items['film'][first]}: score {scores[first]:.2f}")
    for part in ranking_contributions(ranker, X_user[[user]], X_item[[first]], 5, coder)[0]:
        print(f"{part.value:+.2f}  {part.user_feature} and {part.item_feature}")
    print()
    return ranker, X_item, items


# --- pictures --------------------------------------------------------------------------------------------------------


def figure(width: float, height: float) -> Any:
    return require("matplotlib.figure", "plot").Figure(figsize=(width, height), layout="constrained")


def save(drawn: Any, path: Path) -> None:
    drawn.savefig(path, dpi=110)
    print("written:", path)


def item_map(ranked: tuple[FMRanker, Any, Any], train: pd.DataFrame, path: Path) -> None:
    ranker, X_item, items = ranked
    counts = items["film"].map(train["film"].value_counts()).to_numpy()
    shown = np.argsort(-counts)[:300]
    genres = items["genres"].iloc[shown].str.split("|")
    groups = [next((genre for genre in GENRES if genre in of_film), "other") for of_film in genres]
    labels = [title if place < N_LABELS else "" for place, title in enumerate(items["film"].iloc[shown])]
    save(VectorMapDisplay.from_estimator(ranker, X_item[shown], labels, groups).figure_, path)


def curves(train: pd.DataFrame, y: Any, path: Path) -> None:
    X = encoder().fit_transform(train)
    models = {f"{k} factors": FMRegressor(k, random_state=0).fit(X, y) for k in (2, 8, 32)}
    models["32 factors, Adam"] = FMRegressor(32, solver="adam", random_state=0).fit(X, y)
    two = figure(13.0, 4.4)
    left, right = two.subplots(1, 2)
    LearningCurveDisplay.from_estimator(models, ax=left)
    QualityTimeDisplay.from_estimator(models, ax=right)
    save(two, path)


# --- cost ------------------------------------------------------------------------------------------------------------


def cost(folder: Path, n_rows: int = 100_000, n_runs: int = 9) -> None:
    """Print the median CPU time of contributions over that of `predict`, which take turns."""
    X, y = read_frappe(folder, "frappe.train.rebuilt.libfm")
    X, y = X[:n_rows], y[:n_rows]
    fields = np.zeros(X.shape[1], dtype=int)
    fields[X.indices] = np.arange(X.nnz) % 10  # ten columns, one feature of each in a row
    background = X[::50]
    rows = []
    for k in (8, 16, 64):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = FMClassifier(k, random_state=0, max_iter=1, early_stopping=False).fit(X, y)
        runs: dict[str, Callable[[], Any]] = {
            "predict": lambda model=model: model.predict(X),
            "by feature": lambda model=model: contributions(model, X),
            "by column": lambda model=model: contributions(model, X, fields=fields),
            "by column, background of 2,000 rows": lambda model=model: contributions(
                model, X, background, fields=fields
            ),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(n_runs):
            for name, run in runs.items():
                started = time.process_time()
                run()
                seconds[name].append(time.process_time() - started)
        medians = {name: float(np.median(values)) for name, values in seconds.items()}
        ratios = [f"{medians[name] / medians['predict']:.2f}" for name in runs if name != "predict"]
        rows.append([str(k), f"{1000 * medians['predict']:.1f}", *ratios])
    print(markdown_table(["factors", "predict (ms)", "by feature", "by column", "with a background"], rows))


@threadpool_limits.wrap(limits=1, user_api="blas")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, help="folder to draw into")
    parser.add_argument("--cost", action="store_true", help="measure the CPU time instead")
    asked = parser.parse_args()
    folder = Path(os.environ["FASTFM_EXT_DATA"])
    if asked.cost:
        cost(folder / "frappe-nfm")
    else:
        explain(folder / "ml-100k", asked.pictures)


if __name__ == "__main__":
    main()
