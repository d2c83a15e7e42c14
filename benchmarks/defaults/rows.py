"""How the default settings were chosen: one search over several data sets, on training and validation rows alone.

    python benchmarks/defaults.py regression       MovieLens 100K (training rows of fold u1, with the features of users
                                                   and films), 1M (ids alone), ml-latest-small, and diabetes
    python benchmarks/defaults.py classification   Frappe, Adult, samples of Avazu and Criteo
    python benchmarks/defaults.py regression --rounds 3    every setting with three seeds

For each setting and data set: the least validation loss over the epochs, and its regret, which is what is missing to
the best setting of that data set as a share of what the best one gains over a constant prediction. The setting with the
least mean regret is the default; data sets weigh as the square root of their validation rows, since so does the
precision of their losses. Test rows are never read, where there are any; otherwise a tenth of the rows is put
aside first, for the quality that is reported elsewhere.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, multi, numeric
from fastfm_ext._learning.losses import LOGISTIC, SQUARED
from fastfm_ext._learning.solvers.gradient import ADAGRAD
from quality import find, read_films, read_frappe, read_ratings
from tables import markdown_table

Setting = Mapping[str, float]

GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "regression": {
        "learning_rate": (0.02, 0.05, 0.1),
        "l2_w": (0.003, 0.01, 0.03),
        "l2_V": (0.02, 0.05, 0.1),
        "init_stdev": (0.01, 0.05),
    },
    "classification": {
        "learning_rate": (0.03, 0.05, 0.1),
        "l2_w": (0.001, 0.003, 0.01),
        "l2_V": (0.001, 0.003, 0.01, 0.03),
        "init_stdev": (0.01, 0.03, 0.1),
    },
}
ESTIMATORS = {"regression": FMRegressor, "classification": FMClassifier}
LOSSES = {"regression": SQUARED, "classification": LOGISTIC}


class Split(NamedTuple):
    """Rows to train on and rows to validate with."""

    X: Any
    y: Any
    X_val: Any
    y_val: Any


# --- data ------------------------------------------------------------------------------------------------------------


def split(X: Any, y: Any) -> Split:
    """Put a tenth of the rows aside, and split the others into training and validation rows, 9 to 1."""
    X, _, y, _ = train_test_split(X, y, test_size=0.1, random_state=0)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.1, random_state=1)
    return Split(X_train, y_train, X_val, y_val)


def split_table(table: pd.DataFrame, y: Any, encoder: FMEncoder) -> Split:
    train, y_train, val, y_val = split(table, y)
    return Split(encoder.fit_transform(train), y_train, encoder.transform(val), y_val)


def movielens_100k(data: Path) -> Split:
    folder = data / "ml-100k"
    names = ["user", "age", "gender", "occupation"]
    users = pd.read_csv(find(folder, "u.user"), sep="|", header=None, usecols=range(4), names=names)
    table = read_ratings(folder, "u1.base").merge(users, on="user").merge(read_films(folder), on="film")
    encoder = FMEncoder(user=["user", "gender", "occupation", numeric("age")], item=["film", multi("genres")])
    train, val = train_test_split(table, test_size=0.1, random_state=1)
    return Split(encoder.fit_transform(train), train["rating"], encoder.transform(val), val["rating"])


def movielens_1m(data: Path) -> Split:
    table = pd.read_csv(find(data / "ml-1m", "ratings.csv"))
    table.columns = ["user", "film", "rating", *table.columns[3:]]
    return split_table(table[["user", "film"]], table["rating"], FMEncoder(user=["user"], item=["film"]))


def movielens_small(data: Path) -> Split:
    folder = data / "ml-latest-small"
    table = pd.read_csv(find(folder, "ratings.csv")).merge(pd.read_csv(find(folder, "movies.csv")), on="movieId")
    encoder = FMEncoder(user=["userId"], item=["movieId", multi("genres", sep="|")])
    return split_table(table, table["rating"], encoder)


def diabetes(data: Path) -> Split:
    return split(*load_diabetes(return_X_y=True))


def frappe(data: Path) -> Split:
    folder = data / "frappe-nfm"
    return Split(*read_frappe(folder, "frappe.train.rebuilt.libfm"), *read_frappe(folder, "frappe.validation.libfm"))


def adult(data: Path) -> Split:
    table = pd.read_csv(data / "ctr" / "adult" / "adult-uci.csv.gz", header=None, skipinitialspace=True)
    table.columns = [f"column{number}" for number in table.columns]
    target = table.columns[-1]
    columns: list[Any] = [
        numeric(name) if pd.api.types.is_numeric_dtype(table[name]) else name for name in table.columns[:-1]
    ]
    return split_table(table, (table[target] == table[target].iloc[0]).astype(int), FMEncoder(user=columns, item=[]))


def avazu(data: Path) -> Split:
    folder = data / "ctr" / "avazu-8k"
    train = pd.read_csv(find(folder, "train.csv"), dtype=str)
    tables = [train, pd.read_csv(find(folder, "dev.csv"), dtype=str, header=None, names=train.columns)]
    columns = [name for name in tables[0].columns if name not in ("id", "click")]
    encoder = FMEncoder(user=columns, item=[])
    X, X_val = encoder.fit_transform(tables[0]), encoder.transform(tables[1])
    return Split(X, tables[0]["click"].astype(int), X_val, tables[1]["click"].astype(int))


def criteo(data: Path) -> Split:
    file = find(data / "ctr" / "criteo-10k", "train_examples.txt")
    numbers, texts = [f"I{i}" for i in range(1, 14)], [f"C{i}" for i in range(1, 27)]
    table = pd.read_csv(file, sep="\t", header=None, names=["label", *numbers, *texts])
    for name in numbers:
        table[name] = np.log1p(table[name].clip(lower=0))
    columns = [*(numeric(name) for name in numbers), *texts]
    return split_table(table, table["label"], FMEncoder(user=columns, item=[]))


DATA_SETS: dict[str, dict[str, Callable[[Path], Split]]] = {
    "regression": {
        "ml-100k": movielens_100k,
        "ml-1m": movielens_1m,
        "ml-latest-small": movielens_small,
        "diabetes": diabetes,
    },
    "classification": {"frappe": frappe, "adult": adult, "avazu-8k": avazu, "criteo-10k": criteo},
}


# --- search ----------------------------------------------------------------------------------------------------------


def settings_of(task: str) -> list[Setting]:
    """Return the settings to try, with today's default among them."""
    grid = GRIDS[task]
    tried = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    default = {name: getattr(ADAGRAD.defaults(LOSSES[task]), name) for name in grid}
    return tried if default in tried else [default, *tried]


def least_losses(task: str, rows: Split, settings: Iterable[Setting], seeds: Iterable[int]) -> np.ndarray:
    """Return each setting's least validation loss, as a mean over the seeds; infinite where training diverges."""
    losses = []
    for setting in settings:
        of_seeds = []
        for seed in seeds:
            model = ESTIMATORS[task](**setting, max_iter=60, n_iter_no_change=3, early_stopping=True, random_state=seed)
            try:
                model.fit(rows.X, rows.y, X_val=rows.X_val, y_val=rows.y_val)
                of_seeds.append(min(model.history_["val_loss"]))
            except ArithmeticError:
                of_seeds.append(np.inf)
        losses.append(float(np.mean(of_seeds)))
    return np.array(losses)


def loss_of_constant(task: str, rows: Split) -> float:
    """Return the validation loss of predicting the mean of the training rows."""
    mean, y = float(np.mean(np.asarray(rows.y) > 0)), np.asarray(rows.y_val)
    if task == "regression":
        return float(0.5 * np.mean((y - float(np.mean(rows.y))) ** 2))
    return float(-np.mean(np.where(y > 0, np.log(mean), np.log1p(-mean))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=DATA_SETS)
    parser.add_argument("--rounds", type=int, default=1, help="seeds for each setting")
    task, rounds = vars(parser.parse_args()).values()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    settings = settings_of(task)
    regrets: dict[str, np.ndarray] = {}
    weights = []
    for name, read in DATA_SETS[task].items():
        rows = read(Path(data))
        losses = least_losses(task, rows, settings, range(rounds))
        constant = loss_of_constant(task, rows)
        weights.append(rows.X_val.shape[0] ** 0.5)
        regrets[name] = (losses - losses.min()) / (constant - losses.min())
        best = settings[int(losses.argmin())]
        print(f"{name}: a constant {constant:.4f}, the best {losses.min():.4f} with {best}", flush=True)
    mean = np.average(list(regrets.values()), axis=0, weights=weights)
    default = {field: getattr(ADAGRAD.defaults(LOSSES[task]), field) for field in GRIDS[task]}
    order = [*np.argsort(mean)[:8], settings.index(default)]
    table = [
        [
            "default" if settings[i] == default else "",
            *(f"{value:g}" for value in settings[i].values()),
            *(f"{regrets[name][i]:.3f}" for name in regrets),
            f"{mean[i]:.3f}",
        ]
        for i in order
    ]
    print(markdown_table(["", *GRIDS[task], *(f"regret on {name}" for name in regrets), "mean regret"], table))


if __name__ == "__main__":
    main()
