"""Epochs of our field-aware factorization machine in turn with libffm's and xLearn's.

    python benchmarks/against_libffm.py                                  # both workloads, k = 4 and 8, 20 minutes
    python benchmarks/against_libffm.py --workloads frappe --factors 4

One thread, AdaGrad. libffm is called through pylibffm, which compiles its source; xLearn through its own package. Each
has an environment of its own (see peers/) and runs in processes of its own. An epoch of theirs is a 20th of what a
training of 21 (`--epochs`) takes longer than one of one, for each begins with its input, which takes as long as several
epochs. Ours has linear terms, theirs do not; theirs normalize rows, which takes no time beside the epoch. A ratio is
the median over rounds of their time over ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from against_modern_fm import KINDS, N_ROWS, Ours
from limit.measure import fields_of
from peers.environments import NotInstalledError, default_home, python_of
from peers.registry import PEERS as REGISTERED
from peers.registry import PeerSpec
from real_data import load
from tables import markdown_table, median_and_range
from workloads import Workload

LIBFFM = """
import json, sys, time
import numpy as np, pylibffm, scipy.sparse as sp
data = np.load("rows.npz")
X = sp.csr_matrix((data["ones"], data["indices"], data["indptr"]), shape=tuple(data["shape"]))
path, _ = pylibffm.make_bin(".", X, data["y"], data["fields"])
seconds = {}
for epochs in map(int, sys.argv[2:]):
    started = time.perf_counter()
    pylibffm.train_with_bin(path, {"nr_iters": epochs, "k": int(sys.argv[1])})
    seconds[epochs] = time.perf_counter() - started
print("\\n" + json.dumps(seconds))
"""
XLEARN = """
import json, sys, time
import xlearn
seconds = {}
for epochs in map(int, sys.argv[2:]):
    model = xlearn.create_ffm()
    model.setTrain("rows.ffm")
    model.disableEarlyStop()
    model.disableLockFree()
    started = time.perf_counter()
    options = {"task": "binary", "k": int(sys.argv[1]), "epoch": epochs, "nthread": 1, "opt": "adagrad", "lr": 0.2}
    model.fit(options, "xlearn.model")
    seconds[epochs] = time.perf_counter() - started
print("\\n" + json.dumps(seconds))
"""
PEERS = {
    "libffm": (PeerSpec("libffm", "", ("pylibffm==0.4.1",)), LIBFFM),
    "xLearn": (next(peer for peer in REGISTERED if peer.name == "xLearn"), XLEARN),
}


def write(workload: Workload, folder: Path) -> None:
    """Write the rows as each peer reads them."""
    X, fields = workload.X, fields_of(workload).of_feature
    ones = np.ones(len(X.indices), dtype=np.float32)
    shape = [X.n_rows, X.n_features]
    arrays = {"ones": ones, "indices": X.indices, "indptr": X.indptr, "shape": shape}
    np.savez(folder / "rows.npz", y=workload.y.astype(np.int64), fields=fields.astype(np.int64), **arrays)
    with (folder / "rows.ffm").open("w") as file:
        for y, features in zip(workload.y, X.indices.reshape(X.n_rows, -1), strict=True):
            file.write(f"{y:.0f} " + " ".join(f"{fields[i]}:{i}:1" for i in features) + "\n")


def epoch_of(python: Path, script: str, k: int, epochs: int, folder: Path) -> float:
    """Return the seconds of an epoch of a peer."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "USER": os.environ.get("USER", "user")}
    command = [str(python), "-c", script, str(k), "1", str(epochs)]
    output = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout
    seconds = json.loads(output.strip().splitlines()[-1])
    return (seconds[str(epochs)] - seconds["1"]) / (epochs - 1)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", default=list(KINDS["ffm"].workloads), choices=KINDS["ffm"].workloads)
    parser.add_argument("--factors", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=21, help="of the longer training (default: %(default)s)")
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    asked = parser.parse_args()
    pythons = {}
    for name in asked.peers:
        try:
            pythons[name] = python_of(PEERS[name][0], default_home())
        except NotInstalledError as error:
            print(f"{name}: {error}", flush=True)
    rows = []
    for workload_name in asked.workloads:
        workload, source = load(workload_name, N_ROWS[workload_name])
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(workload, folder)
            for k in asked.factors:
                ours = Ours(workload, KINDS["ffm"], k, fields_of(workload))
                ratios: dict[str, list[float]] = {peer: [] for peer in pythons}
                for _ in range(asked.rounds):
                    for peer, python in pythons.items():
                        ratios[peer].append(epoch_of(python, PEERS[peer][1], k, asked.epochs, folder) / ours.epoch())
                cells = [median_and_range(ratios[peer]) for peer in pythons]
                rows.append([f"{workload_name} ({source})", str(k), *cells])
                print(*rows[-1], sep=", ", flush=True)
    print(markdown_table(["rows", "k", *(f"{peer}'s time / ours" for peer in pythons)], rows))


if __name__ == "__main__":
    main()
