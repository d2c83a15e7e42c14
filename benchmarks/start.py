"""The start of small jobs: what is loaded before the first row is read, as wall time of whole processes.

    python benchmarks/start.py                        # seven rounds
    python benchmarks/start.py --base OTHER_TREE      # in turn with the package of another tree

Two hundred rows of text, so that next to nothing but loading takes time. `python -X importtime` says of what.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tables import markdown_table, median_and_range

HERE = Path(__file__).resolve().parent.parent
FIT_IN_PYTHON = """
from fastfm_ext import FMClassifier
from fastfm_ext.text_formats import read_libsvm
FMClassifier(random_state=0).fit(*read_libsvm("rows.libsvm")[:2])
"""
COMMAND = ("-m", "fastfm_ext")
JOBS = {
    "Python, nothing": ("-c", "pass"),
    "import numpy, scipy.sparse": ("-c", "import numpy, scipy.sparse"),
    "import numpy, scipy.sparse, sklearn.base": ("-c", "import numpy, scipy.sparse, sklearn.base"),
    "import fastfm_ext": ("-c", "import fastfm_ext"),
    "import, and a first fit": ("-c", FIT_IN_PYTHON),
    "fastfm-ext fit": (*COMMAND, "fit", "rows.libsvm", "--model", "model.fastfm", "--quiet"),
    "fastfm-ext predict": (*COMMAND, "predict", "model.fastfm", "rows.libsvm", "--output", "out.txt", "--quiet"),
}


def seconds(job: tuple[str, ...], tree: Path, folder: Path) -> float:
    """Run a job to its end with the package of a tree."""
    environment = os.environ | {"PYTHONPATH": str(tree / "python"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    started = time.perf_counter()
    subprocess.run([sys.executable, *job], cwd=folder, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="a tree with a built package to compare with")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    trees = {"this": HERE} | ({"base": arguments.base.resolve()} if arguments.base else {})
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"{(n % 7 + n % 5) % 2} {n % 7}:1 {7 + n % 5}:1" for n in range(200)]
        (folder / "rows.libsvm").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for what, job in JOBS.items():
            times: dict[str, list[float]] = {tree: [] for tree in trees}
            for number in range(arguments.rounds + 1):
                for tree, path in trees.items():
                    taken = 1000 * seconds(job, path, folder)
                    if number:  # the first one compiles
                        times[tree].append(taken)
            cells = [f"{median(times[tree]):.0f}" for tree in trees]
            if arguments.base:
                pairs = zip(times["base"], times["this"], strict=True)
                cells.append(median_and_range([base / this for base, this in pairs]))
            rows.append([what, *cells])
    headings = ["process", *(f"{tree}, ms" for tree in trees), *(["times as fast"] if arguments.base else [])]
    print(markdown_table(headings, rows))


if __name__ == "__main__":
    main()
