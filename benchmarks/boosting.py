"""Tables: factorization machines beside a linear model and gradient boosting, each with the best of three settings.

    python benchmarks/boosting.py                          every table, some 10 minutes
    python benchmarks/boosting.py adult bank --seeds 5     some of them, more splits than 3
    python benchmarks/boosting.py --draw FILE.png          the picture of the last results, without a fit

A split has 60 % of the rows to train on, 20 % to choose the setting by log loss or RMSE, and 20 % to test, read once:
the chosen setting is fitted anew on the first two. Every model has three settings to choose from:

- linear: LogisticRegression or Ridge on one-hot categories and standardised numbers; three strengths of L2
- linear, bins: the same on the columns of the factorization machines; numbers in 10, 32 or 100 bins
- boosting: HistGradientBoosting with native categories, early stopping and at most 500 trees; three sizes of trees.
  Categories of more than 255 values pass TargetEncoder.
- FM: FMClassifier or FMRegressor with four factors; numbers in 10, 32 or 100 bins.
- Bayesian FM: BayesianFMClassifier or BayesianFMRegressor with `tol=0.005`; the same three

Times are of one thread, by CPU time, encoding and a fit of the chosen setting. Data is read from the folder that the
environment variable FASTFM_EXT_DATA names. The results are kept in benchmark-results/boosting.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from threadpoolctl import threadpool_limits

from data_sets import film_ratings
from fastfm_ext import BayesianFMClassifier, BayesianFMRegressor, FMClassifier, FMEncoder, FMRegressor, binned
from fastfm_ext.datasets import fetch_adult, fetch_bank_marketing
from tables import markdown_table, three_digits

RESULTS = Path("benchmark-results/boosting.json")
MOST_NATIVE_CATEGORIES = 255
BINS = (10, 32, 100)
N_FACTORS = 4
REFERENCE = "boosting"


class Table(NamedTuple):
    """A table, its target, and whether that is a class."""

    X: pd.DataFrame
    y: pd.Series
    classes: bool


# --- tables ----------------------------------------------------------------------------------------------------------


def adult(data: Path, n_rows: int | None = None) -> Table:
    X, y = fetch_adult(path=data / "ctr" / "adult" / "adult-uci.csv.gz", return_X_y=True)
    rows = X.sample(n_rows, random_state=0).index if n_rows else X.index
    return Table(X.loc[rows], y[rows], True)


def bank(data: Path) -> Table:
    """Return calls without their duration, which nobody knows before the call."""
    X, y = fetch_bank_marketing("small", path=data / "tables" / "bank-uci.csv.gz", return_X_y=True)
    return Table(X.drop(columns="duration"), y, True)


def california(data: Path) -> Table:
    X = pd.read_csv(data / "tables" / "california_housing.csv.gz")
    y = X.pop("MedHouseVal")
    return Table(X, y, False)


def bikes(data: Path) -> Table:
    """Return weather and kind of day, without the hour, which this copy lacks, and the logarithm of the count."""
    X = pd.read_csv(data / "tables" / "bike_sharing.csv.gz").drop(columns=["casual", "registered"])
    y = np.log1p(X.pop("count"))
    kinds = ["season", "holiday", "workingday", "weather"]
    return Table(X.astype(dict.fromkeys(kinds, "category")), y, False)


def ratings(data: Path) -> Table:
    """Return MovieLens 100K, by the ids of users and films and what is known of users."""
    table = film_ratings(data / "ml-100k", "u.data")
    columns = ["user", "film", "gender", "occupation"]
    return Table(table[columns].astype("category").assign(age=table["age"]), table["rating"], False)


TABLES: dict[str, Callable[[Path], Table]] = {
    "adult": adult,
    "adult, 2,000 rows": partial(adult, n_rows=2_000),
    "bank": bank,
    "california": california,
    "bikes without the hour": bikes,
    "ratings": ratings,
}


# --- models ----------------------------------------------------------------------------------------------------------


def numeric_columns(X: pd.DataFrame) -> list[str]:
    return list(X.select_dtypes("number"))


def encoder(X: pd.DataFrame, n_bins: int) -> FMEncoder:
    """Return an encoder of all columns, numbers in bins."""
    numbers = numeric_columns(X)
    return FMEncoder([binned(name, n_bins) if name in numbers else name for name in X])


class Encoded:
    """An estimator behind an encoder, which tells it the fields."""

    def __init__(self, encoder: FMEncoder, estimator: Any) -> None:
        self.encoder, self.estimator = encoder, estimator

    def fit(self, X: Any, y: Any) -> Encoded:
        """Fit both."""
        rows = self.encoder.fit_transform(X)
        self.estimator.set_params(fields=self.encoder.fields_).fit(rows, y)
        return self

    def predict(self, X: Any) -> Any:
        """Predict from a table."""
        return self.estimator.predict(self.encoder.transform(X))

    def predict_proba(self, X: Any) -> Any:
        """Predict probabilities from a table."""
        return self.estimator.predict_proba(self.encoder.transform(X))


def linear(classes: bool, strength: float) -> Any:
    return LogisticRegression(C=1 / strength, max_iter=500) if classes else Ridge(alpha=strength)


def linear_models(table: Table, seed: int) -> Iterator[Any]:
    for strength in (0.1, 1, 10):
        columns = make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include="number")),
            (OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_exclude="number")),
        )
        yield make_pipeline(columns, linear(table.classes, strength))


def binned_linear_models(table: Table, seed: int) -> Iterator[Any]:
    for n_bins in BINS:
        yield make_pipeline(encoder(table.X, n_bins), linear(table.classes, 1))


def boosting_models(table: Table, seed: int) -> Iterator[Any]:
    kind = HistGradientBoostingClassifier if table.classes else HistGradientBoostingRegressor
    wide = [name for name in table.X if table.X[name].nunique() > MOST_NATIVE_CATEGORIES]
    wide = [name for name in wide if name not in numeric_columns(table.X)]
    for max_leaf_nodes in (8, 16, 31):
        model = kind(
            max_leaf_nodes=max_leaf_nodes,
            max_iter=500,
            early_stopping=True,
            categorical_features="from_dtype",
            random_state=seed,
        )
        if wide:
            columns = make_column_transformer(
                (TargetEncoder(), wide), remainder="passthrough", verbose_feature_names_out=False
            )
            model = make_pipeline(columns.set_output(transform="pandas"), model)
        yield model


def fm_models(table: Table, seed: int) -> Iterator[Any]:
    kind = FMClassifier if table.classes else FMRegressor
    for n_bins in BINS:
        yield make_pipeline(encoder(table.X, n_bins), kind(N_FACTORS, random_state=seed))


def bayesian_models(table: Table, seed: int) -> Iterator[Any]:
    kind = BayesianFMClassifier if table.classes else BayesianFMRegressor
    for n_bins in BINS:
        yield Encoded(encoder(table.X, n_bins), kind(N_FACTORS, tol=0.005, random_state=seed))


MODELS: dict[str, Callable[[Table, int], Iterator[Any]]] = {
    "linear": linear_models,
    "linear, bins": binned_linear_models,
    REFERENCE: boosting_models,
    "FM": fm_models,
    "Bayesian FM": bayesian_models,
}


# --- measurements ----------------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """The test rows' log loss or RMSE, AUC or R2, and the seconds of the fit; which of the settings was chosen."""

    error: float
    quality: float
    seconds: float
    chosen: int


def measured(model: Any, X: Any, y: Any, classes: bool) -> tuple[float, float]:
    if not classes:
        predicted = model.predict(X)
        return root_mean_squared_error(y, predicted), r2_score(y, predicted)
    probabilities = model.predict_proba(X)
    return log_loss(y, probabilities), roc_auc_score(y, probabilities[:, 1])


def run(table: Table, models: Callable[[Table, int], Iterator[Any]], seed: int) -> Result:
    """Choose a setting on the validation rows, and measure it on the test rows."""
    split = partial(train_test_split, test_size=0.2, random_state=seed)
    strata = table.y if table.classes else None
    X, X_test, y, y_test = split(table.X, table.y, stratify=strata)
    X_train, X_valid, y_train, y_valid = train_test_split(
        X, y, test_size=0.25, random_state=seed, stratify=y if table.classes else None
    )
    errors = [
        measured(model.fit(X_train, y_train), X_valid, y_valid, table.classes)[0] for model in models(table, seed)
    ]
    chosen = int(np.argmin(errors))
    model = list(models(table, seed))[chosen]
    begun = time.process_time()
    model.fit(X, y)
    seconds = time.process_time() - begun
    return Result(*measured(model, X_test, y_test, table.classes), seconds, chosen)


def report(results: dict[str, dict[str, list[Result]]]) -> str:
    """Return a table of errors, one of AUC and R2, and one of seconds."""
    rows: list[list[list[str]]] = [[], [], []]
    for name, by_model in results.items():
        cells: list[list[str]] = [[name], [name], [name]]
        for found in by_model.values():
            errors = [result.error for result in found]
            spread = f" ± {stdev(errors):.3f}" if len(errors) > 1 else ""
            cells[0].append(f"{mean(errors):.4f}{spread}")
            cells[1].append(f"{mean(result.quality for result in found):.4f}")
            cells[2].append(three_digits(median(result.seconds for result in found)))
        for table, line in zip(rows, cells, strict=True):
            table.append(line)
    heads = ("log loss or RMSE", "AUC or R2", "seconds of a fit")
    return "\n\n".join(markdown_table([head, *MODELS], table) for head, table in zip(heads, rows, strict=True))


def draw(results: dict[str, dict[str, list[Result]]], path: Path) -> None:
    """Draw every model's error over that of boosting, a line for each table."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
    marks = dict(zip(MODELS, ("s", "D", "|", "o", "^"), strict=True))
    for place, by_model in enumerate(reversed(results.values())):
        reference = mean(result.error for result in by_model[REFERENCE])
        for number, (model, found) in enumerate(by_model.items()):
            if model != REFERENCE:
                ratio = mean(result.error for result in found) / reference
                axes.plot(ratio, place, marks[model], color=f"C{number}", label=model if place == 0 else None)
    axes.axvline(1, color="0.3", linewidth=1)
    axes.set_yticks(range(len(results)), list(reversed(results)))
    axes.set_xlabel("log loss or RMSE over that of boosting (left of the line: better than boosting)")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TABLE", help="beginnings of names")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draw", type=Path, metavar="FILE", help="draw the last results, and fit nothing")
    options = parser.parse_args()
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results = {
        name: {model: [Result(*result) for result in found] for model, found in by_model.items()}
        for name, by_model in kept.items()
    }
    if not options.draw:
        warnings.simplefilter("ignore", ConvergenceWarning)
        data = Path(os.environ.get("FASTFM_EXT_DATA", "."))
        RESULTS.parent.mkdir(exist_ok=True)
        for name, load in TABLES.items():
            if options.names and not name.startswith(tuple(options.names)):
                continue
            table = load(data)
            with threadpool_limits(1):
                results[name] = {
                    model: [run(table, models, seed) for seed in range(options.seeds)]
                    for model, models in MODELS.items()
                }
            print(report({name: results[name]}), flush=True)
            RESULTS.write_text(json.dumps(results))
    ordered = {name: results[name] for name in TABLES if name in results}
    if options.draw:
        draw(ordered, options.draw)
    print(report(ordered))


if __name__ == "__main__":
    main()
