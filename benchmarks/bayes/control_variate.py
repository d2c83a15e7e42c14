"""Control variate of predictions: how much nearer few kept samples come to the average over all sweeps.

    python -m benchmarks.bayes.control_variate                    MovieLens 1M, validation rows, ids alone: some minutes
    python -m benchmarks.bayes.control_variate --features side+implicit --form centered

One chain; of its sweeps after the burn-in every so-many-th is kept. The parts of the control variate are 0, one in the
number of blocks (Rao-Blackwell's average over the blocks), and the one that leaves the least variance over the kept
samples. "Distance" is the root of the mean squared difference from the average over all sweeps with the last of them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tables import markdown_table

from .averages import Averages, rmse
from .chains import ChainOptions, HeldOutChain
from .movielens import FEATURES, movielens_1m

KEPT = (10, 20, 50)


@threadpool_limits.wrap(limits=1, user_api="blas")
def main(arguments: Sequence[str] | None = None) -> None:
    """Sample, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", choices=FEATURES, default="ids")
    parser.add_argument("--form", choices=["fm", "centered"], default="fm")
    parser.add_argument("--factors", type=int, default=16)
    parser.add_argument("--burn-in", type=int, default=30)
    parser.add_argument("--sweeps", type=int, default=200, help="after the burn-in")
    asked = parser.parse_args(arguments)
    rows = movielens_1m(asked.features)
    chain = HeldOutChain(rows, ChainOptions(asked.factors, asked.form))
    for _ in range(asked.burn_in):
        chain.sweep()
    of_all = Averages()
    kept = {n: Averages() for n in KEPT}
    seconds_of_sweeps = 0.0
    for sweep in range(1, asked.sweeps + 1):
        seconds_of_sweeps += chain.sweep()
        sample: Any = (chain.scores(), chain.noise_variance, chain.changes())
        of_all.add(*sample)
        for n, averages in kept.items():
            if sweep % (asked.sweeps // n) == 0:
                averages.add(*sample)
    seconds_of_means = chain.seconds - seconds_of_sweeps
    n_blocks = len(chain.chain.model.parts)
    y, best = rows.held_out_y, of_all.mean(of_all.best_part())
    cells = []
    for n, averages in (*kept.items(), (asked.sweeps, of_all)):
        for name, part in (("0", 0.0), (f"1/{n_blocks}", 1 / n_blocks), ("least variance", averages.best_part())):
            mean = averages.mean(part)
            cells.append([str(n), name, f"{part:.3f}", f"{rmse(y, mean):.5f}", f"{_distance(mean, best):.4f}"])
    print(markdown_table(["kept", "part", "value", "RMSE", "distance"], cells))
    per_sweep = [f"{1e3 * seconds / asked.sweeps:.1f}" for seconds in (seconds_of_sweeps, seconds_of_means)]
    print(f"\n{per_sweep[0]} ms a sweep, {per_sweep[1]} ms for the conditional means")


def _distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


if __name__ == "__main__":
    main()
