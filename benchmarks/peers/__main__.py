"""fastfm-ext against other libraries: rows a second, memory, and seconds to a given quality.

python -m benchmarks.peers                     everything: installs the peers, then half an hour
python -m benchmarks.peers --quick             few rows, one round, under a minute once the peers are installed
python -m benchmarks.peers --parts install     installs the peers and stops
python -m benchmarks.peers --parts throughput --peers fastfm-ext modern-fm --workloads ml-1m

Every part adds to results.json in the output folder, and the report and the plots are made from all that it holds.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import single_fit
from .data import load
from .environments import NotInstalledError, default_home, python_of
from .plot import save_plots
from .registry import PEERS
from .report import markdown
from .runner import Contender, Effort, PeerFailedError, Results, Runner

PARTS = ("install", "throughput", "search", "curves", "single-fit")
WORKLOADS = ("ml-1m", "frappe", "ctr1")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for; print the report, and write it with its plots and all numbers."""
    asked = _parser().parse_args(arguments)
    asked.workloads = asked.workloads or (WORKLOADS[:2] if asked.quick else WORKLOADS)
    asked.output.mkdir(parents=True, exist_ok=True)
    results_file = asked.output / ("peers-quick.json" if asked.quick else "peers.json")
    results = Results.read(results_file)
    results.machine = f"{_cpu()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    contenders = _installed(asked.peers, asked.env_home, results)
    if set(asked.parts) - {"install"}:
        _measure(asked, contenders, results, results_file)
    results.write(results_file)
    report = markdown(results)
    if asked.quick:
        report += "\nQuick mode: few rows, one round, one setting each. The numbers say only that everything runs.\n"
    report_file = results_file.with_suffix(".md")
    report_file.write_text(report)
    print(report)
    print("written:", results_file, report_file, *save_plots(results, asked.output, results_file.stem))


def _installed(names: Sequence[str], home: Path, results: Results) -> list[Contender]:
    """Return the peers that can be had; note in the results why others can't."""
    contenders = []
    for spec in PEERS:
        if spec.name not in names:
            continue
        try:
            contenders.append(Contender(spec, python_of(spec, home)))
            results.unavailable.pop(spec.name, None)
        except NotInstalledError as error:
            results.unavailable[spec.name] = str(error)
            print(f"{spec.name}: {error}", flush=True)
    return contenders


def _measure(asked: argparse.Namespace, contenders: Sequence[Contender], results: Results, results_file: Path) -> None:
    effort = Effort.quick() if asked.quick else Effort.full()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(Path(folder), effort, results)
        for name in asked.workloads:
            problem = load(name, asked.quick)
            problem.write(Path(folder) / name)
            results.titles[name] = f"{problem.title}, {problem.n_rows:,} rows of {problem.n_columns} nonzeros"
            results.losses[name] = problem.train.loss
            steps = {"throughput": runner.measure_throughput}
            if problem.validation is not None:
                steps |= {"search": runner.search_settings, "curves": runner.measure_curves}
            for part, step in steps.items():
                if part in asked.parts:
                    step(contenders, problem)
                    results.write(results_file)  # so that a long run that is stopped leaves what it has
    ours = next((contender for contender in contenders if contender.name == "fastfm-ext"), None)
    if ours is not None and "single-fit" in asked.parts and "frappe" in asked.workloads:
        try:
            results.single_fit = single_fit.measure(ours, effort.rounds)
        except PeerFailedError as error:
            results.failures["Frappe in one call"] = str(error)


def _cpu() -> str:
    """Return the processor's name where Linux tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _parser() -> argparse.ArgumentParser:
    names = [spec.name for spec in PEERS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rows, one round, one setting of each peer")
    parser.add_argument("--peers", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, help="(default: all; quick: without ctr1)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--env-home", type=Path, default=default_home(), metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("benchmark-results"), metavar="DIR")
    return parser


if __name__ == "__main__":
    main()
