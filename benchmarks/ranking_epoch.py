"""How long an epoch of BPR over Gowalla takes, against LightFM and implicit: the same factors, one thread and two.

    python benchmarks/ranking_epoch.py                 makes an environment for each library on its first run
    python benchmarks/ranking_epoch.py --factors 32 --rounds 3
    python benchmarks/ranking_epoch.py --quick         a tenth of the users, one round and thread: does it run

All libraries take turns, each in a process of its own, for `--rounds` rounds; the table has the medians. The data is
read from `gowalla/` in the folder that the environment variable FASTFM_EXT_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median

import numpy as np

from peers.environments import default_home, python_of
from peers.registry import CHECKOUT, COMMON, SCIKIT_LEARN, PeerSpec
from top_n.data import read_gowalla

SCRIPT = Path(__file__).resolve().parent / "peers" / "ranking_one.py"
LIBRARIES = [
    PeerSpec("fastfm-ext", "", (CHECKOUT, *COMMON, SCIKIT_LEARN)),
    PeerSpec("LightFM", "", ("rectools-lightfm==1.17.3", *COMMON, SCIKIT_LEARN)),
    PeerSpec("implicit", "", ("implicit==0.7.3", *COMMON)),
]


def seconds_of_epochs(python: Path, library: str, data: Path, threads: int, factors: int) -> list[float]:
    """Return the seconds of a library's epochs, from a process that may use so many threads and no more."""
    result = data.with_suffix(".json")
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [str(python), str(SCRIPT), library, str(data), str(threads), str(factors), str(result)]
    subprocess.run(command, check=True, env=os.environ | limits)
    return json.loads(result.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--home", type=Path, default=default_home(), help="folder of the libraries' environments")
    parser.add_argument("--quick", action="store_true", help="a tenth of the users, one round, one thread")
    arguments = parser.parse_args()
    rounds, all_threads = (1, [1]) if arguments.quick else (arguments.rounds, arguments.threads)
    folder = os.environ.get("FASTFM_EXT_DATA")
    if not folder:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    pythons = {spec.name: python_of(spec, arguments.home) for spec in LIBRARIES}
    train, _ = read_gowalla(Path(folder) / "gowalla")
    if arguments.quick:
        train = train[: train.shape[0] // 10]
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "train.npz"
        np.savez(data, indptr=train.indptr, indices=train.indices, shape=train.shape)
        print("| threads | library | seconds an epoch | range | fastfm-ext is faster by |\n|---:|---|---:|---|---:|")
        for threads in all_threads:
            seconds: dict[str, list[float]] = {name: [] for name in pythons}
            for _ in range(rounds):
                for name, python in pythons.items():
                    seconds[name] += seconds_of_epochs(python, name, data, threads, arguments.factors)
            ours = median(seconds["fastfm-ext"])
            for name, values in seconds.items():
                span = f"{min(values):.3f} to {max(values):.3f}"
                print(
                    f"| {threads} | {name} | {median(values):.3f} | {span} | {median(values) / ours:.1f}x |", flush=True
                )


if __name__ == "__main__":
    main()
