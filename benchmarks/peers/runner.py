"""Runs jobs in the peers' environments: throughput in turn, the search for settings, and the curves in turn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .adapters.harness import Job
from .data import Problem
from .registry import PeerSpec

ADAPTERS = Path(__file__).resolve().parent / "adapters"
# Libraries that NumPy may call bring threads of their own.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
TIMEOUT = 600.0
N_FACTORS = 16


@dataclass(frozen=True)
class Contender:
    """A peer that is installed."""

    spec: PeerSpec
    python: Path

    @property
    def name(self) -> str:
        """The peer's name."""
        return self.spec.name

    def takes(self, problem: Problem) -> bool:
        """Whether the peer's model is for such rows."""
        return problem.train.loss in self.spec.defaults and problem.n_columns <= self.spec.max_columns


@dataclass(frozen=True)
class Effort:
    """How much to measure: less for a quick look."""

    rounds: int
    most_threads: int
    timed_epochs: int
    curve_epochs: int
    patience: int
    curve_seconds: float  # of training, for one setting
    settings: int | None = None  # of each grid; None for all
    search_is_enough: bool = False  # whether the search's own curves are shown, instead of new ones taken in turn

    @classmethod
    def full(cls) -> Effort:
        """Return what the published numbers take."""
        return cls(rounds=3, most_threads=2, timed_epochs=3, curve_epochs=60, patience=3, curve_seconds=30.0)

    @classmethod
    def quick(cls) -> Effort:
        """Return enough to see that everything runs."""
        return cls(
            rounds=1,
            most_threads=1,
            timed_epochs=2,
            curve_epochs=4,
            patience=2,
            curve_seconds=1.0,
            settings=1,
            search_is_enough=True,
        )


@dataclass
class Results:
    """What has been measured; lists grow by one entry a round."""

    machine: str = ""
    unavailable: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    losses: dict[str, str] = field(default_factory=dict)
    throughput: list[dict[str, Any]] = field(default_factory=list)
    search: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    curves: dict[str, dict[str, list[list[tuple[float, float]]]]] = field(default_factory=dict)
    single_fit: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Results:
        """Return the results of an earlier run, or none."""
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        """Write everything as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))


class PeerFailedError(Exception):
    """A job that ended without a result; the message holds the last line of the peer's output."""


class Runner:
    """Runs jobs on problems whose files lie in a folder."""

    def __init__(self, folder: Path, effort: Effort, results: Results) -> None:
        self._folder = folder
        self._effort = effort
        self.results = results

    def measure_throughput(self, contenders: Sequence[Contender], problem: Problem) -> None:
        """Time one epoch and prediction of every peer in each round, for each number of threads."""
        entries = self.results.throughput
        entries[:] = [entry for entry in entries if entry["problem"] != problem.name]
        for contender, job in self._in_turn(contenders, problem):
            result = self._run(contender, problem, job)
            if result is not None:
                del result["job"]
                entries.append({"problem": problem.name, "peer": contender.name, "threads": job.n_threads, **result})

    def _in_turn(self, contenders: Sequence[Contender], problem: Problem) -> Iterator[tuple[Contender, Job]]:
        for _ in range(self._effort.rounds):
            for contender in contenders:
                if not contender.takes(problem):
                    continue
                for n_threads in contender.spec.threads:
                    if n_threads > self._effort.most_threads:
                        continue
                    defaults = contender.spec.defaults[problem.train.loss]
                    n_rows = min(problem.n_rows, contender.spec.row_limits.get(problem.name, problem.n_rows))
                    yield contender, self._job("throughput", problem, n_rows, n_threads, defaults)

    def search_settings(self, contenders: Sequence[Contender], problem: Problem) -> None:
        """Try every setting of every peer's grid once."""
        for contender in contenders:
            grid = contender.spec.grids.get(problem.train.loss, [])[: self._effort.settings]
            tried = []
            for settings in grid:
                points = self._curve(contender, problem, settings, self._effort)
                tried.append({"settings": settings, "points": points})
            if any(entry["points"] for entry in tried):
                self.results.search.setdefault(problem.name, {})[contender.name] = tried

    def measure_curves(self, contenders: Sequence[Contender], problem: Problem) -> None:
        """Train every peer at its best settings in each round."""
        found = self.results.search.get(problem.name, {})
        if self._effort.search_is_enough:
            self.results.curves[problem.name] = {peer: [best_of(tried)["points"]] for peer, tried in found.items()}
            return
        curves: dict[str, list[list[tuple[float, float]]]] = {}
        for _ in range(self._effort.rounds):
            for contender in contenders:
                if contender.name not in found:
                    continue
                best = best_of(found[contender.name])
                # As many epochs as the search had, whatever the clock says: the rounds must end at the same quality.
                effort = replace(self._effort, curve_epochs=len(best["points"]), curve_seconds=TIMEOUT)
                points = self._curve(contender, problem, best["settings"], effort)
                if points:
                    curves.setdefault(contender.name, []).append(points)
        self.results.curves.setdefault(problem.name, {}).update(curves)

    def _curve(self, contender: Contender, problem: Problem, settings: Mapping[str, float], effort: Effort) -> Any:
        job = self._job("curve", problem, problem.n_rows, 1, settings)
        job = replace(job, epochs=effort.curve_epochs, patience=effort.patience, time_limit=effort.curve_seconds)
        result = self._run(contender, problem, job)
        return result["points"] if result is not None else []

    def _job(self, kind: str, problem: Problem, n_rows: int, n_threads: int, settings: Mapping[str, float]) -> Job:
        return Job(
            kind=kind,
            data=str(self._folder / problem.name),
            scratch="",
            loss=problem.train.loss,
            n_rows=n_rows,
            n_factors=N_FACTORS,
            n_threads=n_threads,
            seed=0,
            settings=dict(settings),
            epochs=self._effort.timed_epochs,
        )

    def _run(self, contender: Contender, problem: Problem, job: Job) -> dict[str, Any] | None:
        """Return the job's result; None, with a note in the results, if it failed."""
        about = f"{problem.name}: {contender.name}, {job.kind}, {job.n_threads} thread(s) {job.settings or ''}"
        print(about, flush=True)
        self.results.failures.pop(about, None)
        try:
            return run_job(contender, job)
        except PeerFailedError as error:
            self.results.failures[about] = str(error)
            print(f"  failed: {error}", flush=True)
            return None


def run_job(contender: Contender, job: Job) -> dict[str, Any]:
    """Run one job in a process of its own.

    Raises
    ------
    PeerFailedError
        When the process ends with an error, without a result, or not within `TIMEOUT` seconds.
    """
    with tempfile.TemporaryDirectory() as scratch:
        question = Path(scratch) / "job.json"
        question.write_text(json.dumps(asdict(replace(job, scratch=scratch))))
        return run_script(contender, f"{contender.spec.adapter}.py", question, Path(scratch), job.n_threads)


def run_script(contender: Contender, name: str, question: Path, scratch: Path, n_threads: int) -> dict[str, Any]:
    """Run a script of ``adapters/`` with the peer's Python; return the JSON that it writes.

    Raises
    ------
    PeerFailedError
        As `run_job`.
    """
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    environment["FASTFM_EXT_BENCHMARKS"] = str(ADAPTERS.parents[1])
    environment.pop("PYTHONPATH", None)  # our own tree must not hide what the environment has installed
    answer = scratch / "result.json"
    command = [str(contender.python), str(ADAPTERS / name), str(question), str(answer)]
    try:
        process = subprocess.run(command, env=environment, cwd=scratch, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise PeerFailedError(f"not done after {TIMEOUT:.0f} s") from None
    if process.returncode or not answer.exists():
        raise PeerFailedError(_reason(process))
    result: dict[str, Any] = json.loads(answer.read_text())
    return result


def _reason(process: subprocess.CompletedProcess[str]) -> str:
    lines = process.stderr.strip().splitlines()
    if process.returncode < 0:
        return f"ended by {signal.Signals(-process.returncode).name}"
    return lines[-1] if lines else f"exit code {process.returncode}"


def best_of(tried: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry whose curve reaches the lowest value."""
    return min(tried, key=lambda entry: min((value for _, value in entry["points"]), default=float("inf")))
