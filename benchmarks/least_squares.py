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
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRanker
from peers.environments import default_home, python_of
from peers.registry import CHECKOUT, COMMON, SCIKIT_LEARN, PeerSpec
from top_n.data import read_gowalla
from top_n.protocols import PROTOCOLS
from top_n.table import report

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


def fit(settings: dict[str, Any], seed: int, *data: Any) -> tuple[FMRanker, float]:
    """Return a trained model and the CPU seconds that it took."""
    model = FMRanker(loss="squared", random_state=seed, **settings)
    started = time.process_time()
    model.fit(*data)
    return model, time.process_time() - started


def run(job: str, folder: Path, settings: dict[str, Any], seeds: list[int]) -> None:
    results, protocol = [], PROTOCOLS[job](folder, 0)
    for seed in seeds:
        model, seconds = fit(settings, seed, *protocol.sides)
        found = protocol.measure(model.user_vector(protocol.X_user), model.item_vector(protocol.X_item))
        results.append((*found, float(model.best_epoch_), seconds))
    report(f"{job}, {settings['n_factors']} factors", (*protocol.metrics, "sweeps", "CPU seconds"), results)


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
