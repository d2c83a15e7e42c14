"""Small trained models whose numbers are kept, and what they were when they were last looked at.

After a change that is meant to give other numbers: ``python tests/support/golden_cases.py --regenerate``.
"""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMOrdinalClassifier,
    BayesianFMRegressor,
    FMClassifier,
    FMRanker,
    FMRegressor,
)

GOLDEN = Path(__file__).parents[1] / "golden" / "values.json"
COSINES = GOLDEN.with_name("cosines.json")
DRAWS = GOLDEN.with_name("draws.json")

# All that the numbers depend on is said here, so that other defaults change none of them.
STEPS = {
    "adagrad": {"solver": "adagrad", "learning_rate": 0.1, "l2_w": 0.01, "l2_V": 0.02},
    "sgd": {"solver": "sgd", "learning_rate": 0.02, "l2_w": 0.01, "l2_V": 0.02},
    "ftrl": {"solver": "ftrl", "learning_rate": 0.1, "l2_w": 1.0, "l2_V": 1.0, "l1_w": 0.1, "l1_V": 0.01},
}
SHARED = {"n_factors": 3, "max_iter": 4, "init_stdev": 0.1, "early_stopping": False, "random_state": 0}
SWEEPS = {"n_factors": 3, "max_sweeps": 24, "burn_in": 8, "n_samples": 5, "tol": 1e-9, "random_state": 0}
RANKING = {"learning_rate": 0.1, "l2_w": 0.01, "l2_V": 0.01, "n_negatives": 4, "popularity": 0.0}

# Numbers that anybody can write down again: no generator of random numbers, which may change.
USERS, ITEMS = np.divmod(np.arange(60) * 7 % 60, 10)
X = sp.csr_array(np.hstack([np.eye(6)[USERS], np.eye(10)[ITEMS], np.sin(np.arange(60.0))[:, None] * 30]))
Y = 3.0 + np.sin(USERS * 1.0) + np.cos(ITEMS * 2.0) + (USERS % 2) * (ITEMS % 3 - 1.0)
CHOSEN = sp.csr_array(((np.arange(6)[:, None] * 3 + np.arange(10)) % 4 < 2).astype(np.float32))
SIDES = np.eye(16)[:6], np.eye(16)[6:]


def models() -> dict[str, Any]:
    """Every solver with every loss."""
    fitted: dict[str, Any] = {}
    for name, steps in STEPS.items():
        fitted[f"squared, {name}"] = FMRegressor(**SHARED, **steps).fit(X, Y)
        fitted[f"logistic, {name}"] = FMClassifier(**SHARED, **steps).fit(X, Y > 3)
    fitted["squared, als"] = FMRegressor(solver="als", l2_w=0.5, l2_V=1.0, **SHARED).fit(X, Y)
    fitted["one against the rest, adagrad"] = FMClassifier(**SHARED, **STEPS["adagrad"]).fit(X, np.digitize(Y, [2, 4]))
    for loss in ("softmax", "bpr", "warp"):
        fitted[f"{loss}, adagrad"] = FMRanker(loss=loss, similarity="dot", **SHARED, **RANKING).fit(*SIDES, CHOSEN)
    return fitted


def cosine_models() -> dict[str, Any]:
    """Rankers by cosines: of all items, and of drawn ones; from a spectral start without noise."""
    settings = SHARED | RANKING | {"similarity": "cosine", "temperature": 0.5, "init_stdev": 0.0}
    return {
        "all items": FMRanker(**settings | {"n_negatives": 10}).fit(*SIDES, CHOSEN),
        "drawn items": FMRanker(**settings | {"popularity": 0.5}).fit(*SIDES, CHOSEN),
    }


def bayesian_models() -> dict[str, Any]:
    """Every likelihood, with both priors of the factors; what is random are draws of NumPy's generator and our own."""
    return {
        "numbers": BayesianFMRegressor(prior="normal-wishart", **SWEEPS).fit(X, Y),
        "numbers, normal-gamma": BayesianFMRegressor(prior="normal-gamma", **SWEEPS).fit(X, Y),
        "two classes": BayesianFMClassifier(prior="normal-wishart", **SWEEPS).fit(X, Y > 3),
        "three classes": BayesianFMClassifier(prior="normal-gamma", **SWEEPS).fit(X, np.digitize(Y, [2, 4])),
        "ordered classes": BayesianFMOrdinalClassifier(prior="normal-wishart", **SWEEPS).fit(X, np.digitize(Y, [2, 4])),
    }


def numbers_of_draws(model: Any) -> dict[str, Any]:
    """What is kept of a Bayesian model."""
    if isinstance(model, BayesianFMRegressor):
        numbers = {"predictions": model.predict(X), "deviations": model.predict_std(X)}
    else:
        numbers = {"probabilities": model.predict_proba(X)}
    numbers |= {f"mean {name}": np.abs(values).mean() for name, values in model.hyperparameters_.items()}
    numbers |= {name: np.asarray(values) for name, values in model.history_.items() if name != "seconds"}
    numbers |= {"w0": model.w0_, "size of w": np.abs(model.w_).sum(), "size of V": np.abs(model.V_).sum()}
    return {name: np.ravel(values).astype(float)[::7].tolist() for name, values in numbers.items()}


def numbers_of(model: Any) -> dict[str, Any]:
    """What is kept of a model."""
    if isinstance(model, FMRanker):
        scores = model.user_vector(SIDES[0]) @ model.item_vector(SIDES[1]).T
    else:
        scores = (model.decision_function if isinstance(model, FMClassifier) else model.predict)(X)
    return {
        "scores": np.asarray(scores, dtype=float).ravel()[::7].tolist(),
        "w0": np.ravel(model.w0_).astype(float).tolist(),
        "size of w": float(np.abs(model.w_).sum(dtype=float)),
        "size of V": float(np.abs(model.V_).sum(dtype=float)),
        "train_loss": [float(loss) for loss in model.history_["train_loss"]],
    }


def values() -> dict[str, dict[str, Any]]:
    return {name: numbers_of(model) for name, model in models().items()}


def cosine_values() -> dict[str, dict[str, Any]]:
    return {name: numbers_of(model) for name, model in cosine_models().items()}


def bayesian_values() -> dict[str, dict[str, Any]]:
    # Chains as short as these have not come to an end.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: numbers_of_draws(model) for name, model in bayesian_models().items()}


def rounded(value: Any) -> Any:
    """The value with numbers of as many digits as float32 has."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


if __name__ == "__main__":
    if "--regenerate" not in sys.argv:
        sys.exit(__doc__)
    for path, numbers in ((GOLDEN, values()), (COSINES, cosine_values()), (DRAWS, bayesian_values())):
        path.write_text(json.dumps(rounded(numbers), indent=1) + "\n", encoding="utf-8")
        print(f"wrote {path}")
