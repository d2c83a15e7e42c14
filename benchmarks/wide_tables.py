"""Wide dense tables: test error of the default settings over that of scikit-learn's linear model, table by table.

    python benchmarks/wide_tables.py               regression against Ridge, classes against LogisticRegression
    python benchmarks/wide_tables.py regression    one of the two
    python benchmarks/wide_tables.py --splits 5    more splits than 3

Columns pass StandardScaler, and the linear models have their default settings. Below 1, the factorization machine is
the better one: the ratio is that of RMSE, or of log loss. A run with `early_stopping=True` stands beside the default.

Two tables are read from the folder that the environment variable FASTFM_EXT_DATA names, and left out without it:
`tables/california_housing.csv.gz` and `ctr/adult/adult-uci.csv.gz`. Only the public interface is used, so that the same
file measures other versions: PYTHONPATH=<other version>/python python benchmarks/wide_tables.py
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    make_classification,
    make_regression,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from fastfm_ext import DivergenceError, FMClassifier, FMRegressor
from tables import markdown_table

Table = tuple[np.ndarray, np.ndarray]


# --- tables ----------------------------------------------------------------------------------------------------------


def made_up(n_rows: int, n_columns: int, n_informative: int, noise: float, seed: int) -> Table:
    return make_regression(n_rows, n_columns, n_informative=n_informative, noise=noise, random_state=seed)


def made_up_classes(n_rows: int, n_columns: int, n_informative: int, seed: int) -> Table:
    return make_classification(
        n_rows, n_columns, n_informative=n_informative, n_redundant=n_columns // 10, random_state=seed
    )


def with_pairs(n_rows: int, n_columns: int, n_paired: int) -> Table:
    """Return normal columns whose target is half linear, and half products of a few columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_columns))
    factors = rng.normal(size=(n_columns, 3)) * (np.arange(n_columns) < n_paired)[:, None]
    pairs = 0.5 * ((X @ factors) ** 2 - X**2 @ factors**2).sum(axis=1)
    linear = X @ rng.normal(size=n_columns) / np.sqrt(n_columns)
    return X, linear + pairs / pairs.std() + 0.3 * rng.normal(size=n_rows)


def squares_of(load: Callable[..., Table]) -> Table:
    """Return a small table of scikit-learn with the squares and products of its columns."""
    X, y = load(return_X_y=True)
    return PolynomialFeatures(2, include_bias=False).fit_transform(StandardScaler().fit_transform(X)), y


def houses(n_rows: int) -> Table:
    """Return houses of California, with a column for each half-degree cell, and log prices."""
    table = pd.read_csv(data_file("tables/california_housing.csv.gz")).sample(n_rows, random_state=0)
    y = np.log(table.pop("MedHouseVal").to_numpy())
    places = (table[["Latitude", "Longitude"]] * 2).round().astype(int).astype(str)
    counts = table[["HouseAge", "AveOccup", "AveRooms"]].round().astype(int).astype(str)
    one_hot = pd.get_dummies(counts.assign(cell=places["Latitude"] + "/" + places["Longitude"]))
    return np.hstack([np.log1p(table.drop(columns=["Latitude", "Longitude"])), one_hot.to_numpy(dtype=float)]), y


def adult(n_rows: int) -> Table:
    """Return people with a column for each value of a category, and whether they earn more than 50,000 dollars."""
    table = pd.read_csv(data_file("ctr/adult/adult-uci.csv.gz"), header=None, skipinitialspace=True)
    table = table.sample(n_rows, random_state=0)
    y = (table.pop(table.columns[-1]) == ">50K").to_numpy()
    return pd.get_dummies(table).to_numpy(dtype=float), y


def data_file(path: str) -> Path:
    file = Path(os.environ.get("FASTFM_EXT_DATA", "")) / path
    if not file.is_file():
        raise FileNotFoundError(path)
    return file


TABLES: dict[str, dict[str, Callable[[], Table]]] = {
    "regression": {
        "made up, 20 noise": partial(made_up, 900, 400, 60, 20, 0),
        "made up, 20 noise, another": partial(made_up, 900, 400, 60, 20, 1),
        "made up, 100 noise": partial(made_up, 2000, 300, 30, 100, 2),
        "made up, short": partial(made_up, 500, 200, 20, 50, 3),
        "made up, wider than long": partial(made_up, 200, 500, 50, 20, 7),
        "made up, with pairs": partial(with_pairs, 8000, 150, 10),
        "diabetes, squares": partial(squares_of, load_diabetes),
        "houses, one-hot": partial(houses, 1500),
    },
    "classification": {
        "made up": partial(made_up_classes, 2000, 300, 30, 0),
        "made up, wide": partial(made_up_classes, 5000, 500, 50, 2),
        "made up, short": partial(made_up_classes, 1000, 200, 20, 1),
        "breast cancer, squares": partial(squares_of, load_breast_cancer),
        "digits": partial(load_digits, return_X_y=True),
        "adult, one-hot": partial(adult, 3000),
    },
}


# --- ratios ----------------------------------------------------------------------------------------------------------


def splits(X: np.ndarray, y: np.ndarray, n: int, *, stratify: bool) -> Iterator[tuple[Any, ...]]:
    """Give X_train, X_test, y_train, y_test, standardised, for the first seeds."""
    for seed in range(n):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, random_state=seed, stratify=y if stratify else None
        )
        scaler = StandardScaler().fit(X_train)
        yield scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def error_of(model: Any, task: str, rows: tuple[Any, ...]) -> float:
    """Return the RMSE or the log loss on the test rows; infinite where training diverges."""
    X_train, X_test, y_train, y_test = rows
    try:
        model.fit(X_train, y_train)
    except DivergenceError:
        return np.inf
    if task == "regression":
        return root_mean_squared_error(y_test, model.predict(X_test))
    return log_loss(y_test, model.predict_proba(X_test))


def ratios(values: list[float]) -> str:
    """Return the ratio of each split as text."""
    return ", ".join("diverges" if np.isinf(value) else f"{value:.2f}" for value in values)


def compare(task: str, table: Table, n_splits: int) -> list[str]:
    """Return the cells of a table: rows, columns, error of the linear model, and our ratios to it."""
    ours, linear = (FMRegressor, Ridge()) if task == "regression" else (FMClassifier, LogisticRegression(max_iter=1000))
    errors: list[float] = []
    by_setting: dict[bool | str, list[float]] = {"auto": [], True: []}
    for rows in splits(*table, n_splits, stratify=task == "classification"):
        errors.append(error_of(linear, task, rows))
        for early_stopping, values in by_setting.items():
            model = ours(early_stopping=early_stopping, random_state=0)
            values.append(error_of(model, task, rows) / errors[-1])
    n_rows, n_columns = table[0].shape
    return [f"{n_rows:,}", f"{n_columns}", f"{np.mean(errors):.4g}", *map(ratios, by_setting.values())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="regression, classification (default: both)")
    parser.add_argument("--splits", type=int, default=3, help="train and test splits of each table")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    for task in arguments.tasks or list(TABLES):
        cells = []
        for name, load in TABLES[task].items():
            try:
                table = load()
            except FileNotFoundError:
                print(f"left out for want of its file: {name}")
                continue
            cells.append([name, *compare(task, table, arguments.splits)])
        linear = "Ridge" if task == "regression" else "LogisticRegression"
        print(
            markdown_table(
                ["table", "rows", "columns", linear, "default / linear", "early_stopping=True / linear"], cells
            )
        )
        print()


if __name__ == "__main__":
    main()
