"""Does a change cost speed? Two revisions on one machine, in turn.

python benchmarks/compare.py main                the working tree against the branch main
python benchmarks/compare.py v0.1.0 HEAD         two revisions
python benchmarks/compare.py main --quick        few rows, 3 rounds: does it run, and about what comes out

Builds both, runs base, head, base, head, ... in processes of their own, and prints head's time / base's time of one
epoch and of prediction. Exit code 0: no median is above its threshold; 1: some are; 2: a revision does not build or
run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np

from compare_process import Driver
from real_data import load
from revisions import WORKING_TREE, RevisionError, install, resolve, unpack
from tables import markdown_table, median_and_range, three_digits
from workloads import WORKLOADS

HERE = Path(__file__).resolve().parent

N_ROWS = {"rat2": 2**19, "rat5": 2**18, "frappe": 2**17, "avazu": 2**16, "ctr1": 2**16, "ctr10": 2**16}
QUICK_SHARE = 8
TURNS = 3  # of each side, for every job in every round
# The same kernels as ctr1, and minutes for parameters of a gigabyte in every round: only when asked for.
NOT_BY_DEFAULT = "ctr10"


@dataclass(frozen=True)
class Thresholds:
    """The largest ratio of head's time to base's that passes, by job."""

    default: float
    jobs: Mapping[str, float]

    @classmethod
    def read(cls, file: Path, default: float | None) -> Thresholds:
        """Read ``thresholds.toml``; ``default``, if given, goes before the file's."""
        table = tomllib.loads(file.read_text())
        return cls(table["default"] if default is None else default, table.get("jobs", {}))

    def of(self, job: str) -> float:
        """Return the threshold of a job."""
        return self.jobs.get(job, self.default)


@dataclass(frozen=True)
class Job:
    """Seconds that base and head took for one job, an entry for each turn."""

    name: str
    base: list[float]
    head: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long head took in every turn."""
        return [head / base for head, base in zip(self.head, self.base, strict=True)]

    def is_slower(self, thresholds: Thresholds) -> bool:
        """Return whether head's median is above the threshold."""
        return median(self.ratios) > thresholds.of(self.name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, time, print; return the exit code."""
    asked = _parser().parse_args(arguments)
    thresholds = Thresholds.read(HERE / "thresholds.toml", asked.threshold)
    with tempfile.TemporaryDirectory(prefix="fastfm-ext-compare-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            revisions = {side: resolve(getattr(asked, side)) for side in ("base", "head")}
            sites = {side: _build(revision, side, folder) for side, revision in revisions.items()}
            files = [_write(workload, folder, asked.quick) for workload in asked.workloads]
            jobs = _compare(sites, asked.solvers, files, 3 if asked.quick else asked.rounds, thresholds)
        except RevisionError as error:
            print(error, file=sys.stderr)
            return 2
    compared = ", ".join(f"{side}: {getattr(asked, side)} ({revision})" for side, revision in revisions.items())
    print(f"{compared}; 16 factors, one thread; CPU time, medians of the turns\n")
    print(report(jobs, thresholds))
    slower = [job.name for job in jobs if job.is_slower(thresholds)]
    print(f"\nslower than allowed: {', '.join(slower)}" if slower else "\nnothing is slower than allowed")
    return 1 if slower else 0


def report(jobs: Sequence[Job], thresholds: Thresholds) -> str:
    """Return a Markdown table of all jobs."""
    headings = ["job", "base ms", "head ms", "head / base", "allowed", "verdict"]
    rows = [
        [
            job.name,
            three_digits(1e3 * median(job.base)),
            three_digits(1e3 * median(job.head)),
            median_and_range(job.ratios),
            f"{thresholds.of(job.name):.2f}",
            "SLOWER" if job.is_slower(thresholds) else "ok",
        ]
        for job in jobs
    ]
    return markdown_table(headings, rows)


def _build(revision: str, side: str, folder: Path) -> Path:
    print(f"building {side}: {revision} ...", file=sys.stderr, flush=True)
    source, site = folder / f"{side}-source", folder / f"{side}-site"
    source.mkdir()
    unpack(revision, source)
    install(source, site)
    return site


def _write(name: str, folder: Path, quick: bool) -> Path:
    """Write a workload where both revisions read it, so that neither's generator matters."""
    workload, _ = load(name, N_ROWS[name] // (QUICK_SHARE if quick else 1))
    X, file = workload.X, folder / f"{name}.npz"
    n_features, loss = np.array(X.n_features), np.array(workload.loss)
    np.savez(file, indptr=X.indptr, indices=X.indices, n_features=n_features, y=workload.y, loss=loss)
    return file


def _compare(
    sites: Mapping[str, Path], solvers: Sequence[str], files: Sequence[Path], rounds: int, thresholds: Thresholds
) -> list[Job]:
    """Time all jobs; if one looks slower, time all again and judge by both, as a busy machine can fake a loss."""
    jobs = _time_jobs(sites, solvers, files, rounds)
    if any(job.is_slower(thresholds) for job in jobs):
        print("something looks slower: as many rounds again ...", file=sys.stderr, flush=True)
        again = _time_jobs(sites, solvers, files, rounds)
        jobs = [Job(one.name, one.base + two.base, one.head + two.head) for one, two in zip(jobs, again, strict=True)]
    return jobs


def _time_jobs(sites: Mapping[str, Path], solvers: Sequence[str], files: Sequence[Path], rounds: int) -> list[Job]:
    """Run base, head, base, head, ... of every job.

    Each round starts both processes anew, for where a process happens to have its memory makes it faster or slower.
    Inside a round they take turns job by job: fractions of a second lie between the two sides.
    """
    jobs: dict[str, Job] = {}
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds} ...", file=sys.stderr, flush=True)
        with Driver(sites["base"], files) as base, Driver(sites["head"], files) as head:
            for file, solver in product(files, solvers):
                for turn in range(1 + TURNS):
                    base_seconds, head_seconds = base.time(file.stem, solver), head.time(file.stem, solver)
                    if turn == 0:  # to warm up
                        continue
                    for task in base_seconds:
                        name = f"{file.stem} {solver} {task}"
                        job = jobs.setdefault(name, Job(name, [], []))
                        job.base.append(base_seconds[task])
                        job.head.append(head_seconds[task])
    return list(jobs.values())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", metavar="BASE", help="a git revision")
    parser.add_argument("head", metavar="HEAD", nargs="?", default=WORKING_TREE, help="(default: the working tree)")
    workloads = [name for name in WORKLOADS if name != NOT_BY_DEFAULT]
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=workloads, metavar="NAME")
    parser.add_argument(
        "--solvers", nargs="+", default=["sgd", "adagrad"], help="that both have (default: sgd adagrad)"
    )
    parser.add_argument("--rounds", type=int, default=5, help=f"of {TURNS} turns each (default: 5)")
    parser.add_argument("--threshold", type=float, help="the largest ratio that passes (default: thresholds.toml)")
    parser.add_argument("--quick", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
