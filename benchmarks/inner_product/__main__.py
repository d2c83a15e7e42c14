"""What rankings lose when the items' own terms are left out of an inner product, on MovieLens 1M and Gowalla.

    python -m benchmarks.inner_product movielens gowalla     trains and measures; prints the tables of Recall@20
    python -m benchmarks.inner_product --only clicks         models by a part of their names
    python -m benchmarks.inner_product --engines             exact and approximate searches, for 1,000 users
    python -m benchmarks.inner_product --picture docs/figures/inner-product.png

Vectors and results are kept in the folder `--kept`, and what is there is not trained again. The data is read from the
folder that the environment variable FASTFM_EXT_DATA names: `ml-1m/` and `gowalla/`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from fastfm_ext.metrics import ndcg_at_k, recall_at_k
from tables import markdown_table
from top_n.data import ones_at

from .engines import ENGINES, PLACES, exact
from .models import CLICKS, COSINE, DOT, FITS, RATINGS, Parts
from .pairs import FACTORS, WHOLE, Pair, pairs_of
from .plot import save_picture
from .tasks import TASKS, TITLES, Task

ALL = "all"
SEARCHED = (CLICKS, DOT, COSINE)
N_SEARCHING = 1_000

Measures = dict[str, tuple[float, float]]  # Recall@20 and NDCG@20 of a group of items


def measure(task: Task, pair: Pair, users: np.ndarray) -> Measures:
    """Return Recall@20 and NDCG@20 of these users: of all that is held out, and of popular, middle and rare items."""
    found = exact((pair[0][users], pair[1]), task.seen[users])
    wanted = task.held_out[users]
    groups = {ALL: wanted} | {name: only(wanted, some) for name, some in task.groups().items()}
    return {name: (recall_at_k(found, some, PLACES), ndcg_at_k(found, some, PLACES)) for name, some in groups.items()}


def some_users(task: Task, n_users: int) -> np.ndarray:
    """Draw users of whom something is held out; all of them if there are not as many."""
    users = np.flatnonzero(np.diff(task.held_out.indptr))
    return np.sort(np.random.default_rng(0).permutation(users)[:n_users])


def only(matrix: sp.csr_array, columns: np.ndarray) -> sp.csr_array:
    """Return what is stored in these columns."""
    rows, at = matrix.nonzero()
    kept = np.isin(at, columns)
    return ones_at(rows[kept], at[kept], matrix.shape)


def parts_of(name: str, fit: str, task: Task, kept: Path) -> tuple[Parts, float]:
    """Train a model and return its parts and CPU seconds, or read what has been kept of an earlier training."""
    file = kept / f"{name}, {fit}.npz"
    if not file.exists():
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = FITS[fit](task, 0)
        seconds = time.process_time() - started
        kept.mkdir(parents=True, exist_ok=True)
        np.savez(file, **vars(Parts.of(model, task)), seconds=seconds)
    with np.load(file) as arrays:
        values = dict(arrays)
    seconds = float(values.pop("seconds"))
    return Parts(**values), seconds


def quality_table(results: Mapping[str, Mapping[str, Measures]]) -> str:
    """Return the table of one task: for each model and pair Recall@20 and NDCG@20, and Recall@20 of the groups."""
    rows = []
    for fit, pairs in results.items():
        for number, (pair, groups) in enumerate(pairs.items()):
            recalls = [f"{recall:.3f}" for recall, _ in groups.values()]
            rows.append(["" if number else fit, pair, recalls[0], f"{groups[ALL][1]:.3f}", *recalls[1:]])
    groups = next(iter(next(iter(results.values())).values()))
    return markdown_table(["model", "ranked by", "Recall@20", "NDCG@20", *[g for g in groups if g != ALL]], rows)


def engines_table(task: Task, parts: Mapping[str, Parts], n_users: int = N_SEARCHING) -> str:
    """Return a table of searches: how much of the exact answer they find, and Recall@20 of what is held out."""
    users = some_users(task, n_users)
    wanted, rows = task.held_out[users], []
    for fit, of_fit in parts.items():
        pairs = {
            WHOLE: (of_fit.users[users], of_fit.items),
            FACTORS: (of_fit.user_factors[users], of_fit.item_factors),
        }
        found = [[search(pair, task.seen[users]) for search in ENGINES.values()] for pair in pairs.values()]
        for number, engine in enumerate(ENGINES):
            cells = [
                f"{value:.3f}"
                for of_pair in found
                for value in (overlap(of_pair[number], of_pair[0]), recall(of_pair[number], wanted))
            ]
            rows.append(["" if number else fit, engine, *cells])
    heads = [f"{what}, {pair}" for pair in (WHOLE, FACTORS) for what in ("of the exact", "Recall@20")]
    return markdown_table(["model", "search", *heads], rows)


def overlap(found: np.ndarray, best: np.ndarray) -> float:
    """Return the mean share of the exact answer that a search found."""
    return float(np.mean([np.isin(b, f).mean() for b, f in zip(best, found, strict=True)]))


def recall(found: np.ndarray, wanted: sp.csr_array) -> float:
    """Return Recall@20 of what is held out."""
    ends = zip(wanted.indptr[:-1], wanted.indptr[1:], found, strict=True)
    return float(np.mean([np.isin(wanted.indices[begin:end], row).mean() for begin, end, row in ends]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print, or draw what has been measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inner_product",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help=f"of {', '.join(TASKS)}; default: all")
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the names of models")
    parser.add_argument("--engines", action="store_true")
    parser.add_argument("--users", type=int, default=8_000, help="most users to measure by")
    parser.add_argument("--kept", type=Path, default=Path("build/inner_product"))
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args(arguments)
    if asked.picture:
        files = {name: asked.kept / f"{name}.json" for name in asked.tasks}
        save_picture({TITLES[name]: json.loads(file.read_text()) for name, file in files.items()}, asked.picture)
        return
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    for name in asked.tasks:
        task = TASKS[name](Path(data))
        fits = [fit for fit in FITS if any(part in fit for part in asked.only)]
        fits = [fit for fit in fits if fit != RATINGS or task.ratings is not None]
        if asked.engines:
            parts = {fit: parts_of(name, fit, task, asked.kept)[0] for fit in fits if fit in SEARCHED}
            print(f"{TITLES[name]}\n\n{engines_table(task, parts)}\n", flush=True)
            continue
        users = some_users(task, asked.users)
        print(f"{TITLES[name]}, {len(users):,} users", flush=True)
        results = {}
        for fit in fits:
            parts, seconds = parts_of(name, fit, task, asked.kept)
            results[fit] = {pair: measure(task, vectors, users) for pair, vectors in pairs_of(parts).items()}
            print(f"{fit}: {seconds:.0f} s of CPU, own terms vary by {parts.items[:, 0].std():.2f}", flush=True)
        (asked.kept / f"{name}.json").write_text(json.dumps(results, indent=1))
        print(f"\n{quality_table(results)}\n", flush=True)


if __name__ == "__main__":
    main()
