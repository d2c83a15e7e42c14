"""Data larger than memory: time, memory and quality of a streamed fit against one in memory, and kills.

    python -m benchmarks.streams compare FOLDER                 2 GB of libsvm text, a limit of 600 MB; 5 minutes
    python -m benchmarks.streams compare FOLDER --form parquet
    python -m benchmarks.streams compare FOLDER --quick         40 MB
    python -m benchmarks.streams kill FOLDER --times 20         kill -9 at random moments, then the same model

Run it from the root of the repository. FOLDER is filled with the made-up rows first, and they are kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from . import clicks

sys.path.insert(0, os.fspath(Path(__file__).parent.parent))
from tables import markdown_table

QUICK_GIGABYTES = 0.04


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["compare", "kill"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--form", choices=["libsvm", "parquet"], default="libsvm")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument(
        "--limit", type=int, default=600, help="MB that the streamed fit may allocate (RLIMIT_DATA: Linux)"
    )
    parser.add_argument("--times", type=int, default=20, help="how often to kill")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_GIGABYTES} GB of rows")
    options = parser.parse_args()
    if options.quick:
        options.gigabytes = QUICK_GIGABYTES
    folder = options.folder / f"{options.form}-{options.gigabytes:g}"
    if not folder.exists():
        print(f"generating {options.gigabytes:g} GB of {options.form} in {folder} ...", flush=True)
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        clicks.generate(partial, options.form, int(options.gigabytes * 1e9))
        partial.rename(folder)
    {"compare": compare, "kill": kill}[options.command](folder, options)


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Print a table: streamed under the limit and in memory, in order and shuffled."""
    rows = []
    for shuffle in (False, True):
        order = ["--shuffle"] if shuffle else []
        base = None
        for how, more in (("memory", []), ("streamed", ["--limit", str(options.limit)])):
            result = fit(folder, ["--how", how, "--epochs", str(options.epochs), *order, *more])
            later = min(result["epochs"][1:])
            base = later if base is None else base
            rows.append(
                [
                    ("shuffled" if shuffle else "in order") + (", streamed" if how == "streamed" else ", in memory"),
                    f"{result['epochs'][0]:.2f}",
                    f"{later:.2f}",
                    f"{later / base:.2f}",
                    f"{result['seconds']:.1f}",
                    f"{result['peak'] / 1e6:.0f}",
                    f"{result['allocated'] / 1e6:.0f}",
                    f"{result['log_loss']:.6f}",
                ]
            )
    size = sum(path.stat().st_size for path in (folder / "train").iterdir()) / 1e9
    print(f"{size:.2f} GB of {options.form}, streamed in a process limited to {options.limit} MB")
    headings = ["fit", "first epoch, s", "best later epoch, s", "/ in memory", "all, s"]
    print(markdown_table([*headings, "peak memory, MB", "allocated, MB", "validation log loss"], rows))


def kill(folder: Path, options: argparse.Namespace) -> None:
    """Kill a streamed fit at random moments, go on, and compare with an unbroken one.

    Raises
    ------
    SystemExit
        If the models differ.
    """
    rng = random.Random(0)
    arguments = ["--how", "streamed", "--epochs", str(options.epochs), "--shuffle", "--checkpoint-every", "0.5"]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        work = Path(name)
        unbroken = fit(folder, [*arguments, "--model", str(work / "unbroken.fastfm")], work / "unbroken")
        n_killed = same = 0
        while n_killed < options.times:
            moment = rng.uniform(0.0, 0.8 * unbroken["seconds"])
            model = work / "model.fastfm"
            again = work / f"broken{n_killed}"
            if not killed(folder, [*arguments, "--model", str(model)], again, moment):
                shutil.rmtree(again)
                continue  # it had ended before
            n_killed += 1
            result = fit(folder, [*arguments, "--model", str(model)], again)
            equal = digest(model) == digest(work / "unbroken.fastfm")
            left = sorted(path.name for path in again.rglob("*") if path.is_file())
            print(
                f"killed after {moment:5.2f} s; resumed in {result['seconds']:.2f} s; "
                f"same model: {equal}; left: {left}",
                flush=True,
            )
            same += equal
            shutil.rmtree(again)
    print(f"{same} of {options.times} killed fits gave the model of the unbroken one ({unbroken['seconds']:.2f} s)")
    if same < options.times:
        raise SystemExit(1)


def fit(folder: Path, arguments: list[str], work: Path | None = None) -> dict[str, Any]:
    """Run a fit in a process of its own; return what it prints."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = _command(folder, arguments, work or Path(scratch))
        done = subprocess.run(command, env=_environment(), stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def killed(folder: Path, arguments: list[str], work: Path, after: float) -> bool:
    """Run a fit and kill it so many seconds after its beginning; return whether it was still at work."""
    command = _command(folder, arguments, work)
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(after)
        process.kill()
    return process.returncode != 0


def _command(folder: Path, arguments: list[str], work: Path) -> list[str]:
    work.mkdir(exist_ok=True)
    return [sys.executable, "-m", "benchmarks.streams.fit", str(folder), *arguments, "--work", str(work)]


def _environment() -> dict[str, str]:
    # Each thread of a BLAS, each of malloc's arenas, and Arrow's own allocator reserve memory that nobody uses.
    limits = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    return os.environ | limits | {"ARROW_DEFAULT_MEMORY_POOL": "system"}


def digest(path: Path) -> str:
    """Return a checksum of the parameters in a model file: its history holds times, which are never the same."""
    from fastfm_ext import load_model

    value = hashlib.sha256()
    for params in load_model(path).model._scorers:
        for array in params.arrays:
            value.update(array.tobytes())
    return value.hexdigest()


if __name__ == "__main__":
    main()
