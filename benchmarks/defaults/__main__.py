"""Search for default settings of a solver, over data sets of its task.

    python -m benchmarks.defaults --solver ftrl --task classification
    python -m benchmarks.defaults --solver warp            bpr and warp rank; the others regress or classify
    python -m benchmarks.defaults --solver warp --factors 64 --no-search    the default alone, other factors

Prints each data set's best setting, and the best settings for all of them with their regrets (see search.py). Test
rows are never read. One thread; --log keeps each fit's loss, and a search that was broken off goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, os.fspath(Path(__file__).parent.parent))
from fastfm_ext import FMClassifier, FMRanker, FMRegressor
from fastfm_ext._learning.losses import LOGISTIC, RANKING_LOSSES, SQUARED
from fastfm_ext._learning.solvers.gradient import GRADIENT_SOLVERS
from fastfm_ext._learning.solvers.negative_sampling import NegativeSampling
from tables import markdown_table

from . import rankings, rows
from .search import Search

ESTIMATORS = {"regression": FMRegressor, "classification": FMClassifier}
LOSSES = {"regression": SQUARED, "classification": LOGISTIC}
RANKING_NAMES = tuple(loss.name for loss in RANKING_LOSSES)
SOLVER_NAMES = tuple(solver.name for solver in GRADIENT_SOLVERS)

MOST_ROWS = (60_000, 20_000)  # to train on, and to validate with, so that a fit takes about a second

L2 = (0.0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
STDEV = (0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
GRIDS: dict[str, dict[str, tuple[float, ...]]] = {
    "adagrad": {"learning_rate": (0.01, 0.02, 0.03, 0.05, 0.1, 0.2), "l2_w": L2, "l2_V": L2, "init_stdev": STDEV},
    "adam": {"learning_rate": (0.0003, 0.001, 0.003, 0.01), "l2_w": L2, "l2_V": L2, "init_stdev": STDEV},
    "sgd": {
        "learning_rate": (0.0003, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1),
        "l2_w": L2,
        "l2_V": L2,
        "init_stdev": STDEV,
    },
    "ftrl": {
        "learning_rate": (0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3),
        "l2_w": (0.0, 0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0),
        "l2_V": (0.0, 0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 30.0, 100.0, 300.0),
        "init_stdev": STDEV,
    },
    "softmax": {"learning_rate": (0.03, 0.05, 0.1, 0.2), "l2_w": L2, "l2_V": L2, "init_stdev": STDEV},
    "bpr": {
        "learning_rate": (0.02, 0.05, 0.1, 0.2, 0.3, 0.5),
        "l2_w": L2,
        "l2_V": L2,
        "init_stdev": STDEV,
        "n_negatives": (1, 2, 4, 8),
        "popularity": (0.0, 0.25, 0.5, 0.75),
    },
    "warp": {
        "learning_rate": (0.02, 0.03, 0.05, 0.07, 0.1, 0.2),
        "l2_w": L2,
        "l2_V": L2,
        "init_stdev": STDEV,
        "n_negatives": (5, 10, 20, 50),
        "popularity": (0.0, 0.25, 0.5),
    },
}
# Settings to begin with beside today's default and those drawn at random: guesses, and LightFM's defaults for WARP.
STARTS: dict[str, list[tuple[float, ...]]] = {
    "sgd": [(0.01, 0.003, 0.01, 0.05), (0.005, 0.01, 0.05, 0.02)],
    "ftrl": [(0.1, 3, 10, 0.03), (0.1, 3, 30, 0.02)],
    "bpr": [(0.2, 0.01, 0.03, 0.02, 1, 0.0), (0.2, 0.003, 0.03, 0.05, 2, 0.25)],
    "warp": [(0.05, 0.0, 0.0, 0.02, 10, 0.0), (0.05, 0.001, 0.01, 0.02, 20, 0.0)],
}


# --- one fit ---------------------------------------------------------------------------------------------------------


def loss_of_rows(task: str, solver: str, factors: int, split: rows.Split, setting: dict[str, float]) -> float:
    """Return the least validation loss; infinite where training diverges."""
    stops: dict[str, Any] = {"max_iter": 60, "n_iter_no_change": 3, "early_stopping": True}
    model = ESTIMATORS[task](factors, solver=solver, **setting, **stops, random_state=0)
    with suppress(ArithmeticError):
        model.fit(split.X, split.y, X_val=split.X_val, y_val=split.y_val)
    return min(getattr(model, "history_", {}).get("val_loss") or [np.inf])


def loss_of_ranking(loss: str, factors: int, choices: rankings.Choices, setting: dict[str, float]) -> float:
    """Return minus the best score of validation."""
    stops: dict[str, Any] = {"max_iter": 40, "n_iter_no_change": 3, "early_stopping": True}
    model = FMRanker(factors, loss=loss, **setting, **stops, random_state=0)
    with suppress(ArithmeticError):
        model.fit(choices.X_user, choices.X_item, choices.chosen)
    return -max(getattr(model, "history_", {}).get("val_score") or [-np.inf])


def loss_of_constant(task: str, split: rows.Split) -> float:
    """Return the validation loss of predicting the mean of the training rows."""
    mean, y = float(np.mean(split.y)), np.asarray(split.y_val)
    if task == "regression":
        return float(0.5 * np.mean((y - mean) ** 2))
    return float(-np.mean(np.where(y > 0, np.log(mean), np.log1p(-mean))))


# --- the search ------------------------------------------------------------------------------------------------------


def default_of(solver: str, task: str) -> dict[str, float]:
    """Return today's default of each hyperparameter in the grid."""
    if task == "ranking":
        sampling = NegativeSampling(next(loss for loss in RANKING_LOSSES if loss.name == solver), None, None)
        defaults = sampling.defaults(sampling.loss)
        others = {"n_negatives": sampling.n_drawn, "popularity": sampling.exponent}
    else:
        defaults = next(each for each in GRADIENT_SOLVERS if each.name == solver).defaults(LOSSES[task])
        others = {}
    return {name: others[name] if name in others else getattr(defaults, name) for name in GRIDS[solver]}


def read(solver: str, task: str, factors: int, data: Path) -> tuple[dict[str, Callable[..., float]], dict[str, float]]:
    """Return the loss of a setting, and that of a constant, for each data set."""
    losses: dict[str, Callable[..., float]] = {}
    constants = {}
    if task == "ranking":
        for name, read_choices in rankings.DATA_SETS.items():
            losses[name] = partial(loss_of_ranking, solver, factors, read_choices(data))
            constants[name] = 0.0
    else:
        for name, read_rows in rows.DATA_SETS[task].items():
            split = read_rows(data).part(*MOST_ROWS)
            losses[name] = partial(loss_of_rows, task, solver, factors, split)
            constants[name] = loss_of_constant(task, split)
    return losses, constants


def table_of(search: Search, default: tuple[float, ...], n: int = 10) -> str:
    ranked = search.ranked()
    shown = ranked[:n] if default in ranked[:n] else [*ranked[:n], default]
    lines = []
    for setting in shown:
        regrets = search.regrets(setting)
        values = [*(f"{value:g}" for value in setting), *(f"{each:.3f}" for each in [*regrets, max(regrets)])]
        lines.append(["default" if setting == default else "", *values])
    return markdown_table(["", *search.grid, *search.constants, "worst"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solver", choices=(*SOLVER_NAMES, *RANKING_NAMES), required=True)
    parser.add_argument("--task", choices=tuple(ESTIMATORS), default="classification")
    parser.add_argument("--factors", type=int, default=16)
    parser.add_argument("--random", type=int, default=6, help="settings drawn at random to begin with")
    parser.add_argument("--moves", type=int, default=3, help="most moves to a neighbour, for each data set and for all")
    parser.add_argument("--start", type=json.loads, default=[], help="more settings to begin with, as lists in JSON")
    parser.add_argument("--no-search", action="store_true", help="the present default alone")
    parser.add_argument("--log", type=Path, help="file for each fit's loss, a line of JSON each")
    asked = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    task = "ranking" if asked.solver in RANKING_NAMES else asked.task
    losses, constants = read(asked.solver, task, asked.factors, Path(data))
    search = Search(GRIDS[asked.solver], losses, constants, partial(write, asked.log) if asked.log else None)
    if asked.log and asked.log.exists():
        for line in asked.log.read_text().splitlines():
            name, setting, loss = json.loads(line)
            search.found[name][tuple(setting[key] for key in search.grid)] = loss
    default = tuple(default_of(asked.solver, task).values())
    if asked.no_search:
        for name in search.found:
            print(f"{name}: a constant {constants[name]:.4f}, the default {search.loss(name, default):.4f}", flush=True)
        return
    search.run([default, *STARTS.get(asked.solver, []), *map(tuple, asked.start)], asked.random, asked.moves)
    for name, found in search.found.items():
        best = search.best(name)
        print(f"{name}: a constant {constants[name]:.4f}, the best {found[best]:.4f} with {search.named(best)}")
    print(table_of(search, default))


def write(log: Path, name: str, setting: dict[str, float], loss: float) -> None:
    with log.open("a") as file:
        file.write(json.dumps([name, setting, loss]) + "\n")


if __name__ == "__main__":
    main()
