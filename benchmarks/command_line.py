"""The time of ``fastfm-ext fit`` from Frappe's text to a model, start to end, against xLearn's.

    export FASTFM_EXT_DATA=...                        # the folder with frappe-nfm/
    python benchmarks/command_line.py                 # 10 and 100 epochs, three rounds each
    python benchmarks/command_line.py --epochs 10 --rounds 1

Wall time of whole processes, in turn: reading the text, training with validation after each epoch, saving the model.
The same files, 16 factors, AdaGrad, as many epochs, one thread each. pip's xLearn brings its library but no program, so
a script of a few lines calls it; it has its own environment (see peers/), and its binary copies of the text are deleted
before each run. One round more, the first, is not counted. libFM is not in any package index.
"""

from __future__ import annotations

import argparse
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from peers.environments import default_home, python_of
from peers.registry import PEERS
from quality import find
from tables import markdown_table, median_and_range, three_digits

PARTS = {"train": "frappe.train.rebuilt.libfm", "valid": "frappe.validation.libfm"}
XLEARN = """
import xlearn
model = xlearn.create_fm()
model.setTrain("train.libfm")
model.setValidate("valid.libfm")
model.disableEarlyStop()
model.disableLockFree()
model.fit({{"task": "binary", "k": 16, "epoch": {epochs}, "nthread": 1, "opt": "adagrad", "lr": 0.2}}, "xlearn.model")
"""


def unpack(source: Path, target: Path) -> None:
    """Copy a file, decompressed."""
    with lzma.open(source) if source.suffix == ".xz" else source.open("rb") as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain)


def seconds(command: list[str], folder: Path) -> float:
    """Run a command to its end."""
    for copy in folder.glob("*.bin"):
        copy.unlink()
    environment = os.environ | {"USER": os.environ.get("USER", "user"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--xlearn-python", type=Path, help="a Python with xLearn (default: made by peers/)")
    arguments = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds frappe-nfm/")
    spec = next(peer for peer in PEERS if peer.name == "xLearn")
    xlearn_python = arguments.xlearn_python or python_of(spec, default_home())
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, file in PARTS.items():
            unpack(find(Path(data) / "frappe-nfm", file), folder / f"{part}.libfm")
        for epochs in arguments.epochs:
            stop = ["--max-iter", str(epochs), "--n-iter-no-change", str(epochs)]
            files = ["train.libfm", "--validation", "valid.libfm", "--model", "m.fastfm"]
            commands = {
                "fastfm-ext": [sys.executable, "-m", "fastfm_ext", "fit", *files, *stop],
                "xLearn": [str(xlearn_python), "-c", XLEARN.format(epochs=epochs)],
            }
            times: dict[str, list[float]] = {side: [] for side in commands}
            for number in range(arguments.rounds + 1):
                for side, command in commands.items():
                    taken = seconds(command, folder)
                    if number:  # the first one compiles
                        times[side].append(taken)
            ratios = [theirs / own for own, theirs in zip(times["fastfm-ext"], times["xLearn"], strict=True)]
            medians = [three_digits(median(times[side])) for side in commands]
            rows.append([str(epochs), *medians, median_and_range(ratios)])
    print(markdown_table(["epochs", "fastfm-ext fit, s", "xLearn, s", "times as fast"], rows))


if __name__ == "__main__":
    main()
