"""Quality of the default settings of each solver and loss, on test rows that no search of them has read.

    python benchmarks/default_quality.py rankings          NDCG@20 of each loss, and of LightFM if installed
    python benchmarks/default_quality.py similarities      cosines beside inner products by softmax, on training choices
                                                           that are held out; --only names data sets
    python benchmarks/default_quality.py classification    log loss of each solver, of a constant, and of
                                                           scikit-learn's SGDClassifier
    python benchmarks/default_quality.py regression        RMSE of the same, and of SGDRegressor

Data sets and their parts are those of benchmarks/defaults; training and validation rows together train, but for a tenth
that our models hold out to choose the epoch, also in small tables. LightFM has its own defaults but for the number of
factors, trains on all, and of 10 and 30 epochs those count that rank the test choices better.
Public API only, so it runs with older versions of the package, too.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

sys.path.insert(0, os.fspath(Path(__file__).parent))
from defaults import rankings, rows
from defaults.similarities import PARTS, compare_similarities
from fastfm_ext import FMClassifier, FMRanker, FMRegressor
from fastfm_ext.metrics import ndcg_at_k
from tables import markdown_table

LIGHTFM_EPOCHS = (10, 30)
SOLVERS = ("adagrad", "ftrl", "sgd", "adam")


# --- rankings --------------------------------------------------------------------------------------------------------


def ndcg(user_vectors: np.ndarray, item_vectors: np.ndarray, choices: rankings.Choices, k: int = 20) -> float:
    """Return the mean NDCG@20 over all items that a user has not seen."""
    scores = np.asarray(user_vectors @ item_vectors.T, dtype=np.float64)
    scores[choices.chosen.nonzero()] = -np.inf
    users = np.flatnonzero(np.diff(choices.test.indptr))
    best = np.argsort(-scores[users], axis=1, kind="stable")[:, :k]
    return ndcg_at_k(best, choices.test[users], k)


def of_lightfm(loss: str, factors: int, seed: int, choices: rankings.Choices) -> float:
    """Return the better of the scores after so many epochs, of ids or of the features."""
    from lightfm import LightFM

    n_users = choices.X_user.shape[0]
    both = sp.vstack([choices.X_user, choices.X_item]).tocsr()
    user_features, item_features = (
        sp.csr_matrix((X.data.astype(np.float32), X.indices.astype(np.int32), X.indptr.astype(np.int32)), X.shape)
        for X in (both[:n_users], both[n_users:])
    )
    chosen = choices.chosen.tocoo()
    pairs = (chosen.row.astype(np.int32), chosen.col.astype(np.int32))
    chosen = sp.coo_matrix((chosen.data.astype(np.float32), pairs), chosen.shape)
    model, found, epochs = LightFM(factors, loss=loss, random_state=seed), [], 0
    for until in LIGHTFM_EPOCHS:
        model.fit_partial(chosen, user_features, item_features, epochs=until - epochs)
        epochs = until
        biases, items = model.get_item_representations(item_features)
        users = model.get_user_representations(user_features)[1]
        found.append(ndcg(np.c_[np.ones(len(users)), users], np.c_[biases, items], choices))
    return max(found)


def of_ranker(loss: str, again: bool, factors: int, seed: int, choices: rankings.Choices) -> float:
    data = choices.X_user, choices.X_item, choices.chosen
    model = FMRanker(factors, loss=loss, early_stopping=True, random_state=seed).fit(*data)
    if again:
        epochs = model.best_epoch_
        model.set_params(early_stopping=False, max_iter=epochs, n_iter_no_change=epochs).fit(*data)
    return ndcg(model.user_vector(choices.X_user), model.item_vector(choices.X_item), choices)


def compare_rankings(data: Path, factors: int, seeds: list[int], again: bool) -> None:
    contenders: dict[str, Callable[..., float]] = {}
    for loss in ("bpr", "warp"):
        contenders[loss] = lambda *args, loss=loss: of_ranker(loss, again, *args)
        try:
            import lightfm  # noqa: F401 - whether it is there
        except ImportError:
            continue
        contenders[f"LightFM's {loss}"] = lambda *args, loss=loss: of_lightfm(loss, *args)
    contenders["softmax"] = lambda *args: of_ranker("softmax", again, *args)
    lines = []
    for name, read in rankings.DATA_SETS.items():
        choices = read(data)
        means = {who: np.mean([score(factors, seed, choices) for seed in seeds]) for who, score in contenders.items()}
        lines.append([name, *(f"{mean:.4f}" for mean in means.values())])
        print(" | ".join(lines[-1]), flush=True)
    print(f"NDCG@20, {factors} factors, mean over {len(seeds)} seeds\n")
    print(markdown_table(["data", *contenders], lines))


# --- rows ------------------------------------------------------------------------------------------------------------


def quality(task: str, model: Any, X: Any, y: Any, split: rows.Split) -> float:
    """Return the log loss or the RMSE on the test rows; infinite where training diverges."""
    try:
        model.fit(X, y)
    except ArithmeticError:
        return float("inf")
    if task == "regression":
        return float(root_mean_squared_error(split.y_test, model.predict(split.X_test)))
    return float(log_loss(split.y_test, model.predict_proba(split.X_test)[:, 1]))


def linear_sgd(task: str, seed: int, sparse: bool) -> Any:
    """Return scikit-learn's linear model, its columns scaled."""
    model = SGDRegressor if task == "regression" else SGDClassifier
    settings = {} if task == "regression" else {"loss": "log_loss"}
    return make_pipeline(MaxAbsScaler() if sparse else StandardScaler(), model(**settings, random_state=seed))


def compare_rows(task: str, data: Path, factors: int, seeds: list[int]) -> None:
    FM = FMRegressor if task == "regression" else FMClassifier
    lines = []
    for name, read in rows.DATA_SETS[task].items():
        split = read(data)
        sparse = sp.issparse(split.X)
        X = sp.vstack([split.X, split.X_val]).tocsr() if sparse else np.vstack([split.X, split.X_val])
        y = np.concatenate([split.y, split.y_val])
        mean = np.full(len(split.y_test), np.mean(y))
        constant = root_mean_squared_error(split.y_test, mean) if task == "regression" else log_loss(split.y_test, mean)
        found = [constant]
        for solver in SOLVERS:
            models = (FM(factors, solver=solver, early_stopping=True, random_state=seed) for seed in seeds)
            found.append(np.mean([quality(task, model, X, y, split) for model in models]))
        found.append(np.mean([quality(task, linear_sgd(task, seed, sparse), X, y, split) for seed in seeds]))
        lines.append([name, *(f"{value:.4f}" for value in found)])
        print(" | ".join(lines[-1]), flush=True)
    print(f"{'RMSE' if task == 'regression' else 'log loss'}, {factors} factors, mean over {len(seeds)} seeds\n")
    print(markdown_table(["data", "a constant", *SOLVERS, "scikit-learn's linear SGD"], lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["rankings", "similarities", *rows.DATA_SETS])
    parser.add_argument("--factors", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=PARTS, help="data sets of similarities")
    parser.add_argument("--again", action="store_true", help="rank after training on all choices for the best epoch")
    asked = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    started = time.perf_counter()
    if asked.job == "rankings":
        compare_rankings(Path(data), asked.factors, asked.seeds, asked.again)
    elif asked.job == "similarities":
        compare_similarities(Path(data), asked.factors, asked.seeds, asked.only)
    else:
        compare_rows(asked.job, Path(data), asked.factors, asked.seeds)
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
