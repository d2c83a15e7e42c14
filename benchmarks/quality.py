"""Prediction quality on public data sets, by the protocols that others published results for.

    python benchmarks/quality.py movielens-100k    RMSE over the official folds u1..u5, default settings
    python benchmarks/quality.py frappe            AUC and log loss on the test file, settings chosen on the validation
                                                   file

The data is read from the folder that the environment variable FASTFM_EXT_DATA names: `ml-100k/` with GroupLens' files
and `frappe-nfm/` with the split of He and Chua (2017), each file plain or compressed as .xz.
"""

from __future__ import annotations

import argparse
import itertools
import lzma
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_svmlight_file
from sklearn.metrics import log_loss, roc_auc_score, root_mean_squared_error

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, multi, numeric

FRAPPE_FEATURES = 5382


def movielens_100k(folder: Path) -> None:
    users = pd.read_csv(
        find(folder, "u.user"), sep="|", header=None, usecols=range(4), names=["user", "age", "gender", "occupation"]
    )
    films = read_films(folder)
    errors = []
    for fold in range(1, 6):
        train, test = (
            read_ratings(folder, f"u{fold}.{part}").merge(users, on="user").merge(films, on="film")
            for part in ("base", "test")
        )
        encoder = FMEncoder(user=["user", "gender", "occupation", numeric("age")], item=["film", multi("genres")])
        X = encoder.fit_transform(train)
        started = time.perf_counter()
        model = FMRegressor(random_state=0).fit(X, train["rating"])
        seconds = time.perf_counter() - started
        predicted = np.clip(model.predict(encoder.transform(test)), 1, 5)
        errors.append(root_mean_squared_error(test["rating"], predicted))
        print(
            f"u{fold}: test RMSE {errors[-1]:.4f}, best epoch {model.best_epoch_} of {model.n_iter_}, {seconds:.2f} s"
        )
    print(f"mean test RMSE over u1..u5: {np.mean(errors):.4f}")


def read_ratings(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(find(folder, name), sep="\t", header=None, names=["user", "film", "rating", "timestamp"])


def read_films(folder: Path) -> pd.DataFrame:
    genres = pd.read_csv(find(folder, "u.genre"), sep="|", header=None)[0].to_numpy()
    table = pd.read_csv(find(folder, "u.item"), sep="|", header=None, encoding="latin-1")
    flags = table.iloc[:, 5:].to_numpy(dtype=bool)
    return pd.DataFrame({"film": table[0], "genres": ["|".join(genres[row]) for row in flags]})


def frappe(folder: Path) -> None:
    X, y = read_frappe(folder, "frappe.train.rebuilt.libfm")
    X_val, y_val = read_frappe(folder, "frappe.validation.libfm")
    best_loss, best = np.inf, None
    for learning_rate, l2 in itertools.product((0.05, 0.1), (0.003, 0.01, 0.03)):
        model = FMClassifier(learning_rate=learning_rate, l2_w=0.001, l2_V=l2, init_stdev=0.1, random_state=0)
        started = time.perf_counter()
        model.fit(X, y, X_val=X_val, y_val=y_val)
        seconds = time.perf_counter() - started
        loss = log_loss(y_val, model.predict_proba(X_val))
        print(
            f"learning_rate {learning_rate:<5} l2_V {l2:<6} validation log loss {loss:.4f} ({seconds:.1f} s)",
            flush=True,
        )
        if loss < best_loss:
            best_loss, best = loss, model
    X_test, y_test = read_frappe(folder, "frappe.test.libfm")
    for name, model in (
        ("default settings", FMClassifier(random_state=0).fit(X, y, X_val=X_val, y_val=y_val)),
        ("chosen on validation", best),
    ):
        probability = model.predict_proba(X_test)[:, 1]
        print(
            f"test, {name}: AUC {roc_auc_score(y_test, probability):.4f}, log loss {log_loss(y_test, probability):.4f}"
        )


def read_frappe(folder: Path, name: str):
    path = find(folder, name)
    with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as file:
        return load_svmlight_file(file, n_features=FRAPPE_FEATURES, zero_based=True, dtype=np.float32)


def find(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.xz"):
        if path.exists():
            return path
    raise SystemExit(f"{folder / name} is not there, neither plain nor as .xz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["movielens-100k", "frappe"])
    job = parser.parse_args().job
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    if job == "frappe":
        frappe(Path(data) / "frappe-nfm")
    else:
        movielens_100k(Path(data) / "ml-100k")


if __name__ == "__main__":
    main()
