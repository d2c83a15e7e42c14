"""Factors in float16 against float32: time of an epoch and of prediction, memory, and log loss on other rows.

    python benchmarks/half.py                         # all, some minutes
    python benchmarks/half.py --workloads ctr10 --factors 16 --rounds 15

AdaGrad with the settings that FMClassifier has for clicks, one thread. Epochs of both take turns on the same rows, in
blocks of random order as the estimators shuffle; a ratio is the median over rounds of float32's time over float16's.
The log loss is that of 50,000 rows that none was trained on, after one epoch from the same start.
"""

from __future__ import annotations

import argparse
from statistics import median

import numpy as np
from scipy.special import xlogy

from fastfm_ext import _engine
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.orders import block_orders
from fastfm_ext._engine.parameters import Parameters
from in_turn import time_in_turn
from tables import markdown_table
from workloads import WORKLOADS, Workload

DTYPES = ("float32", "float16")
N_OTHER_ROWS = 50_000


def epoch(work: Workload, params: Parameters, options: Options) -> None:
    """Train on all rows once."""
    for order in block_orders(work.X, np.random.default_rng(1), 1):
        _engine.train_epoch(work.X, work.y, None, order, params, options)


def log_loss(work: Workload, params: Parameters) -> float:
    """Return the mean log loss of rows."""
    p = 1.0 / (1.0 + np.exp(-_engine.predict(work.X, params).astype(np.float64)))
    return float(-np.mean(xlogy(work.y, p) + xlogy(1.0 - work.y, 1.0 - p)))


def measure(name: str, k: int, n_rows: int, rounds: int, isa: str) -> list[str]:
    """Return a row of the table."""
    _engine.use_isa(isa)
    work, other = WORKLOADS[name](n_rows), WORKLOADS[name](N_OTHER_ROWS, seed=7)
    trained, losses, options = {}, {}, {}
    for dtype in DTYPES:
        options[dtype] = Options(work.loss, "adagrad", 0.05, 0.05, 0.01, 0.01, 0.03, dtype=dtype)
        rng = np.random.default_rng(0)
        trained[dtype] = params = Parameters.initialise(work.X.n_features, k, options[dtype], 0.0, rng)
        epoch(work, params, options[dtype])
        losses[dtype] = log_loss(other, params)
    ratios = []
    for task in (
        {dtype: lambda dtype=dtype: epoch(work, trained[dtype], options[dtype]) for dtype in DTYPES},
        {dtype: lambda dtype=dtype: _engine.predict(work.X, trained[dtype]) for dtype in DTYPES},
    ):
        times = time_in_turn(task, rounds)
        each = sorted(a / b for a, b in zip(times["float32"].cpu, times["float16"].cpu, strict=True))
        ratios.append(f"{median(each):.2f} ({each[0]:.2f}-{each[-1]:.2f})")
    of_bytes = " / ".join(str(trained[dtype].record_bytes) for dtype in DTYPES)
    return [name, str(k), isa, *ratios, of_bytes, " / ".join(f"{losses[dtype]:.4f}" for dtype in DTYPES)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", nargs="+", default=["avazu", "ctr1", "ctr10"], choices=[*WORKLOADS])
    parser.add_argument("--factors", nargs="+", type=int, default=[16, 64])
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--isas", nargs="+", default=_engine.supported_isas()[:1], choices=_engine.supported_isas())
    args = parser.parse_args()
    rows = [
        measure(name, k, args.rows, args.rounds, isa)
        for name in args.workloads
        for k in args.factors
        for isa in args.isas
    ]
    header = ["rows", "k", "instruction set", "epoch", "predict", "bytes a feature", "log loss"]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
