"""Test quality with L2 as it is by default, shared by frequency (`l2_exponent`), and learned (`adaptive_l2`).

    python benchmarks/adaptive_l2.py --seeds 3
    python benchmarks/adaptive_l2.py "made up" ml-100k --solver sgd

All else is by default; a tenth of the training rows, or each of five folds, is held out to stop early and to learn L2
from, and test rows are only scored. Prints RMSE, of which R2 is added for the made-up rows, or log loss.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from defaults.rows import DATA_SETS, Split
from fastfm_ext import FMClassifier, FMRegressor
from tables import markdown_table

WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "exponent 0.5": {"l2_exponent": 0.5},
    "exponent 0": {"l2_exponent": 0.0},
    "adaptive": {"adaptive_l2": True},
    "adaptive, 0.5": {"adaptive_l2": True, "l2_exponent": 0.5},
}
MOST_ROWS = (60_000, 20_000)


def made_up(data: Path) -> Split:
    """Return rows of a factorization machine with 10 % noise; test targets have none."""
    rng = np.random.default_rng(0)
    n_rows, n_features, n_fields = 60_000, 300, 4
    ids = rng.integers(0, n_features // n_fields, (n_rows, n_fields)) + np.arange(n_fields) * (n_features // n_fields)
    w, V = rng.normal(size=n_features), 0.5 * rng.normal(size=(n_features, 4))
    p = w[ids].sum(axis=1) + 0.5 * (V[ids].sum(axis=1) ** 2 - (V[ids] ** 2).sum(axis=1)).sum(axis=1)
    y = p + 0.1 * p.std() * rng.normal(size=n_rows)
    X = sp.csr_array((np.ones(ids.size), ids.ravel(), np.arange(0, ids.size + 1, n_fields)), (n_rows, n_features))
    return Split(X[:50_000], y[:50_000], None, None, X[50_000:], p[50_000:])


def fields_of(X: Any) -> Any:
    """Return the field of each feature where X knows it; of Frappe's rows, the place that a feature has in them."""
    if not sp.issparse(X) or hasattr(X, "fields"):
        return getattr(X, "fields", None)
    lengths = np.diff(X.indptr)
    if not (lengths == lengths[0]).all():
        return None
    fields = np.zeros(X.shape[1], dtype=np.int32)
    fields[X.indices] = np.tile(np.arange(lengths[0]), X.shape[0])
    return fields


def read(name: str, data: Path) -> Split:
    """Return the rows of a data set: those for validation belong to those to train on."""
    if name == "made up":
        return made_up(data)
    task = "regression" if name in DATA_SETS["regression"] else "classification"
    whole = DATA_SETS[task][name](data)
    rows = whole.part(*MOST_ROWS)
    X = sp.vstack([rows.X, rows.X_val], format="csr")
    X.fields = fields_of(whole.X)
    return rows._replace(X=X, y=np.concatenate([rows.y, rows.y_val]))


def error(model: Any, rows: Split) -> float:
    if isinstance(model, FMRegressor):
        return float(np.sqrt(np.mean((model.predict(rows.X_test) - rows.y_test) ** 2)))
    p, y = np.asarray(model.decision_function(rows.X_test), dtype=np.float64), np.asarray(rows.y_test)
    return float(np.mean(np.logaddexp(0.0, p) - y * p))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    regressions = ["made up", *DATA_SETS["regression"]]
    parser.add_argument("names", nargs="*", default=[*regressions, *DATA_SETS["classification"]])
    parser.add_argument("--solver", default="adagrad")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    lines = []
    for name in asked.names:
        rows = read(name, Path(os.environ["FASTFM_EXT_DATA"]))
        estimator = FMRegressor if name in regressions else FMClassifier
        errors, epochs = [], []
        for way in WAYS.values():
            fits = [
                estimator(solver=asked.solver, random_state=s, **way).fit(rows.X, rows.y) for s in range(asked.seeds)
            ]
            errors.append([error(model, rows) for model in fits])
            epochs.append(np.mean([model.best_epoch_ for model in fits]))
        means = np.mean(errors, axis=1)
        worst = np.max(np.asarray(errors[3]) / errors[0])
        lines.append(
            [
                name,
                *(f"{mean:.4f}" for mean in means),
                f"{means[3] / means[0]:.3f}",
                f"{worst:.3f}",
                f"{epochs[0]:.0f}, {epochs[3]:.0f}",
            ]
        )
        print(lines[-1], flush=True)
        if name == "made up":
            print("R2", [f"{1 - mean**2 / np.var(rows.y_test):.5f}" for mean in means], flush=True)
    print(markdown_table(["data set", *WAYS, "adaptive / default", "worst seed", "epochs"], lines))


if __name__ == "__main__":
    main()
