"""How well and how fast `FMRanker(loss="squared")` ranks: least squares over all pairs of users and items.

    python benchmarks/least_squares.py gowalla     Recall@20 and NDCG@20 over all items that a user has not seen, on the
                                                   split of NGCF and LightGCN
    python benchmarks/least_squares.py frappe      HR@10 and NDCG@10 over all items that this very context does not have
    python benchmarks/least_squares.py lastfm      in training, on the leave-one-out files of CFM (Xin et al. 2019)
    python benchmarks/least_squares.py implicit    Recall@20, NDCG@20 and seconds beside implicit's ALS, on a tenth of
                                                   Gowalla's training choices; makes an environment for each library

The first three train once for each of `--seeds` and number of `--factors`, by default settings where none are named,
with early stopping unless `--sweeps` says how many, and print mean and standard deviation. Seconds are CPU seconds of
the fit with `--jobs` threads.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names: `gowalla/` and `cfm/`, each file
plain or compressed as .xz.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRanker
from peers.environments import default_home, python_of
from peers.registry import CHECKOUT, COMMON, SCIKIT_LEARN, PeerSpec
from quality import find
from ranking_quality import ids_only, read_gowalla, read_text, recall_and_ndcg, report

SCRIPT = Path(__file__).resolve().parent / "peers" / "least_squares_one.py"
LIBRARIES = [
    PeerSpec("fastfm-ext", "", (CHECKOUT, *COMMON, SCIKIT_LEARN)),
    PeerSpec("implicit", "", ("implicit==0.7.3", *COMMON)),
]
# By library: factors, weight of pairs (0: the default) or alpha, L2, sweeps. Weights and L2 are the best of a few.
AGAINST_IMPLICIT: dict[str, list[tuple[int, float, float, int]]] = {
    "fastfm-ext": [(64, 0.0, 0.001, n) for n in (3, 4)] + [(256, 0.0, 0.004, n) for n in (3, 4, 8)],
    "implicit": [(64, 60.0, 3.0, n) for n in (3, 5, 15)] + [(256, 60.0, 3.0, 5), (256, 60.0, 30.0, 15)],
}


class LeaveOneOut(NamedTuple):
    """Contexts and items by their features, who chose what in training, and the one choice of each test row."""

    X_user: sp.csr_array
    X_item: sp.csr_array
    train: sp.csr_array
    contexts: np.ndarray
    chosen: np.ndarray


def read_cfm(folder: Path, name: str) -> LeaveOneOut:
    """Read the files of CFM: numbers of features joined by "-", the contexts' and the items' counted apart."""
    parts = {
        part: [line.split(",")[:2] for line in read_text(find(folder, f"{name}.{part}.csv"))]
        for part in ("train", "test")
    }
    both = [row for rows in parts.values() for row in rows]
    numbers: list[dict[str, int]] = [{}, {}]
    for row in both:
        for place, text in enumerate(row):
            numbers[place].setdefault(text.strip(), len(numbers[place]))
    matrices = [multi_hot(list(known)) for known in numbers]
    widths = [matrix.shape[1] for matrix in matrices]
    X_user = sp.csr_array(sp.hstack([matrices[0], sp.csr_array((len(numbers[0]), widths[1]), dtype=np.float32)]))
    X_item = sp.csr_array(sp.hstack([sp.csr_array((len(numbers[1]), widths[0]), dtype=np.float32), matrices[1]]))
    pairs = {
        part: np.array([[numbers[p][r[p].strip()] for p in (0, 1)] for r in rows]).T for part, rows in parts.items()
    }
    shape = (len(numbers[0]), len(numbers[1]))
    train = sp.coo_array((np.ones(pairs["train"].shape[1], dtype=np.float32), pairs["train"]), shape).tocsr()
    train.data[:] = 1.0
    return LeaveOneOut(X_user, X_item, train, *pairs["test"])


def multi_hot(texts: list[str]) -> sp.csr_array:
    """Return rows of ones at the numbers of each text."""
    rows = [np.unique(np.array(text.split("-"), dtype=np.int64)) for text in texts]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    indices = np.concatenate(rows)
    return sp.csr_array((np.ones(len(indices), dtype=np.float32), indices, indptr), (len(rows), indices.max() + 1))


def hit_rate_and_ndcg(model: FMRanker, data: LeaveOneOut, k: int = 10, at_once: int = 1000) -> tuple[float, float]:
    """Return both means over the test rows, over all items that their context does not have in training."""
    items, ranks = model.item_vector(data.X_item), []
    for first in range(0, len(data.contexts), at_once):
        contexts, chosen = (numbers[first : first + at_once] for numbers in (data.contexts, data.chosen))
        scores = model.user_vector(data.X_user[contexts]) @ items.T
        wanted = scores[np.arange(len(contexts)), chosen]
        seen = data.train[contexts].tocoo()
        scores[seen.coords] = -np.inf
        ranks.append((scores > wanted[:, None]).sum(axis=1))
    all_ranks = np.concatenate(ranks)
    hits = all_ranks < k
    return float(hits.mean()), float((hits / np.log2(all_ranks + 2)).mean())


def fit(settings: dict[str, Any], seed: int, *data: Any) -> tuple[FMRanker, float]:
    """Return a trained model and the CPU seconds that it took."""
    model = FMRanker(loss="squared", random_state=seed, **settings)
    started = time.process_time()
    model.fit(*data)
    return model, time.process_time() - started


def run(job: str, folder: Path, settings: dict[str, Any], seeds: list[int]) -> None:
    results = []
    for seed in seeds:
        if job == "gowalla":
            train, test = read_gowalla(folder / "gowalla")
            sides = ids_only(*train.shape)
            model, seconds = fit(settings, seed, *sides, train)
            found = recall_and_ndcg(model, *sides, train, test)
        else:
            data = read_cfm(folder / "cfm", job)
            model, seconds = fit(settings, seed, *data[:3])
            found = hit_rate_and_ndcg(model, data)
        results.append((*found, float(model.best_epoch_), seconds))
    labels = ("Recall@20", "NDCG@20") if job == "gowalla" else ("HR@10", "NDCG@10")
    report(f"{job}, {settings['n_factors']} factors", (*labels, "sweeps", "CPU seconds"), results)


def against_implicit(folder: Path, home: Path, rounds: int) -> None:
    """Print the table of quality and seconds, the libraries taking turns; seconds are medians over the rounds."""
    train, _ = read_gowalla(folder / "gowalla")
    is_held_out = np.random.default_rng(0).random(train.nnz) < 0.1
    rows = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
    parts = [
        sp.csr_array((train.data[some], (rows[some], train.indices[some])), train.shape)
        for some in (~is_held_out, is_held_out)
    ]
    found: dict[tuple[Any, ...], list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch) / f"{name}.npz" for name in ("train", "held_out")]
        for file, part in zip(files, parts, strict=True):
            sp.save_npz(file, sp.csr_matrix(part))
        for _ in range(rounds):
            for spec in LIBRARIES:
                for setting in AGAINST_IMPLICIT[spec.name]:
                    key = (spec.name, *setting)
                    found.setdefault(key, []).append(one_fit(python_of(spec, home), files, key))
    print("| library | factors | weight or alpha | L2 | sweeps | Recall@20 | NDCG@20 | CPU s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for key, values in found.items():
        recall, ndcg, _ = values[0]
        print(f"| {' | '.join(map(str, key))} | {recall:.4f} | {ndcg:.4f} | {np.median(values, axis=0)[2]:.2f} |")


def one_fit(python: Path, files: list[Path], key: tuple[Any, ...]) -> list[float]:
    """Return recall, NDCG and CPU seconds of one library's fit, from a process that may use one thread."""
    result = files[0].with_suffix(".json")
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [str(python), str(SCRIPT), *map(str, files), *map(str, key), str(result)]
    subprocess.run(command, check=True, env=os.environ | limits)
    return json.loads(result.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["gowalla", "frappe", "lastfm", "implicit"])
    parser.add_argument("--factors", type=int, nargs="+", default=[64])
    parser.add_argument("--sweeps", type=int, help="how many, without early stopping")
    parser.add_argument("--unobserved-weight", type=float, help="weight of all pairs, where the default will not do")
    parser.add_argument("--l2-V", type=float, help="L2 on factors, where the default will not do")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--home", type=Path, default=default_home(), help="folder of the libraries' environments")
    arguments = parser.parse_args()
    folder = os.environ.get("FASTFM_EXT_DATA")
    if not folder:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    if arguments.job == "implicit":
        against_implicit(Path(folder), arguments.home, arguments.rounds)
        return
    settings: dict[str, Any] = {
        "n_jobs": arguments.jobs,
        "unobserved_weight": arguments.unobserved_weight,
        "l2_V": arguments.l2_V,
    }
    if arguments.sweeps:
        settings |= {
            "early_stopping": False,
            "max_iter": arguments.sweeps,
            "n_iter_no_change": arguments.sweeps,
            "tol": 0.0,
        }
    for n_factors in arguments.factors:
        run(arguments.job, Path(folder), settings | {"n_factors": n_factors}, arguments.seeds)


if __name__ == "__main__":
    main()
