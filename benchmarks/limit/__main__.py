"""How near training and prediction come to the limit that memory sets.

python -m benchmarks.limit             16 factors, the fastest instruction set, 1 and 2 threads: a few minutes
python -m benchmarks.limit --quick     few rows, under a minute: does it run, and about what comes out
python -m benchmarks.limit --full      every number of factors, solver and instruction set: long, up to 10 GB of memory
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._engine.models import NUMBERS
from real_data import load
from workloads import WORKLOADS

from .measure import Plan, Result, measure
from .plot import save_plots
from .report import markdown
from .touch import FACTORS, FACTORS_WITH_FIELDS, Touch

N_ROWS = {"rat2": 1_000_209, "rat5": 2**20, "frappe": 202_005, "avazu": 2**19, "ctr1": 2**19, "ctr10": 2**19}
QUICK_ROWS = 2**15


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the report, and write it with its plots and all times."""
    asked = _parser().parse_args(arguments)
    plan = _plan(asked)
    touch = Touch.compile()
    results: list[Result] = []
    notes: list[str] = []
    for name in asked.workloads:
        print(f"{name} ...", file=sys.stderr, flush=True)
        workload, source = load(name, min(N_ROWS[name], QUICK_ROWS) if asked.quick else N_ROWS[name])
        for outcome in measure(workload, source, plan, touch):
            if isinstance(outcome, Result):
                results.append(outcome)
            else:
                notes.append(outcome)
    if asked.quick:
        notes.append("Quick mode: so few rows use a part of the parameters only, which stays in the caches.")
    if not results:
        raise SystemExit("\n".join(notes))
    _write(results, notes, asked.output)


def _plan(asked: argparse.Namespace) -> Plan:
    return Plan(
        factors=asked.k or (FACTORS_WITH_FIELDS if asked.model == "ffm" else FACTORS if asked.full else (16,)),
        solvers=asked.solvers,
        threads=[threads for threads in asked.threads if threads <= (os.cpu_count() or 1)],
        isas=asked.isas or _engine.supported_isas()[: None if asked.full else 1],
        orders=("blocks",) if asked.quick else ("blocks", "file"),
        rounds=asked.repeats,
        model=asked.model,
    )


def _write(results: Sequence[Result], notes: Sequence[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report = markdown(results, notes, _machine())
    print(report)
    (folder / "limit.md").write_text(report)
    (folder / "limit.json").write_text(json.dumps([asdict(one) for one in results], indent=1))
    files = [folder / "limit.md", folder / "limit.json", *save_plots(results, folder)]
    print("written:", *files, file=sys.stderr)


def _machine() -> str:
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, instruction sets "
        f"{', '.join(_engine.supported_isas())}; built by {_engine.compiler()}; NumPy {np.__version__}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.limit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="few rows, rows in random order only")
    size.add_argument("--full", action="store_true", help="the whole matrix")
    isas = _engine.supported_isas()
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--k", nargs="+", type=int, help="numbers of factors (default: 16; with fields, 4 and 8)")
    parser.add_argument("--model", choices=NUMBERS, default="fm", help="(default: fm)")
    parser.add_argument("--solvers", nargs="+", choices=_engine.SOLVERS, default=list(_engine.SOLVERS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N", help="(default: 1 2)")
    parser.add_argument("--isas", nargs="+", choices=isas, help=f"instruction sets (default: {isas[0]})")
    parser.add_argument("--repeats", type=int, default=5, help="rounds after the one to warm up (default: 5)")
    parser.add_argument("--output", type=Path, default=Path("benchmark-results"), metavar="DIR")
    return parser


if __name__ == "__main__":
    main()
