"""Trains and uses models on random small problems of every kind that users may bring, sound or not.

    PYTHONPATH=tests/support python tests/fuzz/fuzz_problems.py --problems 10000

Whatever the problem, only two things may happen: every number that comes out is finite, or an error comes that is
documented (`ValueError`, `DivergenceError`) and says something. A finding is anything else: another error, a warning of
NumPy, NaN or infinity without a word, a copy that predicts something else, or a crash. The number of the problem at
hand is printed to `--at-hand` before it is tried, so that a crash leaves it there. Exit code 1 if there are findings.
"""

import argparse
import collections
import copy
import pickle
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from fastfm_ext import DivergenceError, FMClassifier, FMRanker, FMRegressor
from fastfm_ext._learning.losses import MULTI_CLASS
from registries import RANKING_LOSSES, SOLVERS
from row_layouts import with_int64_indices

DOCUMENTED = (ValueError, DivergenceError)
DTYPES = ("f4", "f4", "f8", "f8", "i1", "u2", "i8", "?")
LAYOUTS = ("dense", "fortran", "csr", "csr", "csr with 64-bit indices", "csc", "coo with duplicates")
SCALES = (1.0, 1.0, 1.0, 1e-3, 1e6, 1e-40, 1e30)
FACTORS = (0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 64, 100, 200)
TARGETS = (*["random"] * 6, "whole", "constant", "huge", "tiny")


class Problem(NamedTuple):
    """An estimator, and the arguments of its `fit`."""

    model: Any
    arguments: tuple[Any, ...]

    @property
    def rows(self) -> tuple[Any, ...]:
        """What to ask the model about."""
        return self.arguments[:2] if isinstance(self.model, FMRanker) else self.arguments[:1]


def values(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A matrix with many zeros, of any type and any size of its values; once in a while with one that is no number."""
    X = rng.normal(size=shape) * (rng.random(shape) < rng.choice([0.0, 0.2, 0.6, 1.0]))
    kind = rng.random()
    if kind < 0.4:
        X = (X != 0).astype(float)
    elif kind < 0.6:
        X *= rng.choice(SCALES, size=shape[1])
    else:
        X *= rng.choice(SCALES)
    if rng.random() < 0.03 and X.size:
        X.flat[rng.integers(X.size)] = rng.choice([np.nan, np.inf, 1e39, 3e38])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return X.astype(rng.choice(DTYPES))


def laid_out(X: np.ndarray, rng: np.random.Generator) -> Any:
    """The matrix in memory in one of the ways that are allowed."""
    layout = rng.choice(LAYOUTS)
    if layout == "dense":
        return X
    if layout == "fortran":
        return np.asfortranarray(X)
    if layout == "csc":
        return sp.csc_array(X)
    if layout == "coo with duplicates":
        S = sp.coo_array(X)
        again = rng.integers(S.nnz, size=min(S.nnz, 3)) if S.nnz else np.zeros(0, dtype=int)
        row, col = (np.concatenate([places, places[again]]) for places in S.coords)
        return sp.coo_array((np.concatenate([S.data, S.data[again]]), (row, col)), shape=S.shape)
    S = sp.csr_array(X)
    if S.nnz and rng.random() < 0.3:
        S.data[rng.integers(S.nnz)] = 0  # an explicit zero
    if layout == "csr with 64-bit indices":
        return with_int64_indices(S)
    return S


def target(rng: np.random.Generator, n: int) -> np.ndarray:
    y = rng.normal(size=n)
    kind = rng.choice(TARGETS)
    if kind == "constant":
        return np.full(n, y[0]) if n else y
    return {"huge": y * 1e12, "tiny": y * 1e-9, "whole": np.round(3 * y)}.get(kind, y)


def weights(rng: np.random.Generator, n: int) -> np.ndarray | None:
    kind = rng.random()
    if kind < 0.6:
        return None
    weight = rng.choice([0.0, 1.0, 1.0, 3.5], size=n)
    return weight * (1e6 if kind < 0.65 else 1.0) if kind < 0.97 else -weight


def shared_params(rng: np.random.Generator) -> dict[str, Any]:
    params: dict[str, Any] = {"n_factors": int(rng.choice(FACTORS)), "max_iter": int(rng.integers(1, 4))}
    for name in ("learning_rate", "l2_w", "l2_V", "init_stdev"):
        if rng.random() < 0.3:
            params[name] = float(rng.choice([0.0, 1e-6, 0.1, 1.0, 100.0, 1e10], p=[0.1, 0.2, 0.3, 0.2, 0.1, 0.1]))
    params["early_stopping"] = bool(rng.random() < 0.3)
    params["n_jobs"] = int(rng.choice([1, 1, 1, 2]))
    params["random_state"] = int(rng.integers(100))
    return params


def problem_of_rows(rng: np.random.Generator) -> Problem:
    n, n_features = (int(rng.integers(0 if rng.random() < 0.02 else 1, 30)) for _ in range(2))
    X = laid_out(values(rng, (n, n_features)), rng)
    params = shared_params(rng) | {"solver": str(rng.choice(SOLVERS))}
    if params["solver"] == "ftrl" and rng.random() < 0.5:
        params["l1_w"] = params["l1_V"] = float(rng.choice([0.1, 10.0]))
    if rng.random() < 0.2:
        params["clip_gradient"] = float(rng.choice([1e-6, 0.5, 1e10]))
    for name in ("fit_intercept", "fit_linear", "shuffle"):
        params[name] = bool(rng.random() < 0.8)
    if rng.random() < 0.5:
        params["clip_predictions"] = bool(rng.random() < 0.3)
        return Problem(FMRegressor(**params), (X, target(rng, n), weights(rng, n)))
    y = rng.integers(rng.integers(2, 5) if rng.random() < 0.95 else 1, size=n)
    params["multi_class"] = str(rng.choice(MULTI_CLASS))
    if rng.random() < 0.3:
        params["class_weight"] = dict.fromkeys("abcd", 1.0) | {"a": float(rng.choice([1e-6, 0.5, 20.0, 1e6]))}
    return Problem(
        FMClassifier(**params), (X, rng.choice(["a", "b", "c", "d"], size=4, replace=False)[y], weights(rng, n))
    )


def problem_of_choices(rng: np.random.Generator) -> Problem:
    n_users, n_items, n_features = (int(rng.integers(1, 20)) for _ in range(3))
    chosen = (
        rng.random((n_users, n_items)) < rng.choice([0.0, 0.1, 0.3, 0.5, 1.0], p=[0.03, 0.4, 0.27, 0.27, 0.03])
    ) * rng.choice([1.0, 1.0, 2.5, 1e6])
    params = shared_params(rng) | {"loss": str(rng.choice(RANKING_LOSSES))}
    if rng.random() < 0.5:
        params |= {"n_negatives": int(rng.integers(1, 40)), "popularity": float(rng.choice([0.0, 0.5, 9.0]))}
    sides = [laid_out(values(rng, (n, n_features)), rng) for n in (n_users, n_items)]
    return Problem(FMRanker(**params), (*sides, sp.csr_array(chosen) if rng.random() < 0.8 else chosen))


def problem_number(seed: int, number: int) -> Problem:
    rng = np.random.default_rng([seed, number])
    return problem_of_choices(rng) if rng.random() < 0.25 else problem_of_rows(rng)


def answers(problem: Problem) -> list[np.ndarray]:
    """All that the model says about the rows."""
    model, rows = problem.model, problem.rows
    if isinstance(model, FMRanker):
        return [model.user_vector(rows[0]), model.item_vector(rows[1])]
    if isinstance(model, FMClassifier):
        return [model.decision_function(*rows), model.predict_proba(*rows)]
    return [model.predict(*rows), model.user_vector(*rows), model.user_bias(*rows)]


def trouble(problem: Problem) -> str | None:
    """What is wrong with how the problem was dealt with, or the name of the error that it rightly got."""
    model = problem.model.fit(*problem.arguments)
    parameters = [model.w0_, model.w_, model.V_]
    found = answers(problem)
    for numbers in (*parameters, *found):
        if not np.isfinite(numbers).all():
            return "NaN or infinity without a word"
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        again = answers(problem._replace(model=twin))
        if not all(np.array_equal(a, b) for a, b in zip(found, again, strict=True)):
            return "a copy answers something else"
    if isinstance(model, FMRegressor):
        model.partial_fit(*problem.arguments)
    elif isinstance(model, FMClassifier):
        model.partial_fit(*problem.arguments[:2], sample_weight=problem.arguments[2])
    else:
        model.partial_fit(*problem.arguments)
    if not all(np.isfinite(numbers).all() for numbers in answers(problem)):
        return "NaN or infinity after partial_fit"
    return None


def outcome(problem: Problem) -> tuple[str, str | None]:
    """How it ended ("fine", or the error's name), and what is wrong with that."""
    try:
        return "fine", trouble(problem)
    except DOCUMENTED as error:
        said_something = len(str(error)) > 10
        return type(error).__name__, None if said_something else f"an error that says {str(error)!r}"
    except Exception as error:
        return type(error).__name__, "".join(traceback.format_exception(error, limit=-3))


def fuzz(n_problems: int, seed: int, at_hand: Path | None = None) -> tuple[collections.Counter[str], list[str]]:
    """Try so many problems; return how they ended, and what was found."""
    ends: collections.Counter[str] = collections.Counter()
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        for number in range(n_problems):
            if at_hand is not None:
                at_hand.write_text(f"{seed} {number}\n")
            end, wrong = outcome(problem_number(seed, number))
            ends[end] += 1
            if wrong:
                found.append(f"problem {number} of seed {seed}: {wrong}")
    return ends, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-hand", type=Path, help="file for the seed and number of the problem at hand")
    options = parser.parse_args()
    ends, found = fuzz(options.problems, options.seed, options.at_hand)
    print(f"{options.problems} problems: " + ", ".join(f"{count} {end}" for end, count in ends.most_common()))
    for line in found[:20]:
        print(line)
    print(f"{len(found)} findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
