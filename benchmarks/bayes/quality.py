"""Errors of a Bayesian factorization machine for the CPU seconds that it takes, with myFM beside it.

    python -m benchmarks.bayes.quality ml-1m                  validation rows, ids and side features, both forms
    python -m benchmarks.bayes.quality ml-1m --held-out test --features side+implicit --forms centered --factors 32
    python -m benchmarks.bayes.quality ml-100k --held-out test --features side --myfm
    python -m benchmarks.bayes.quality ml-100k --held-out test --features side --forms centered --estimator
    python -m benchmarks.bayes.quality frappe --held-out test --factors 32 --myfm

Settings are chosen on the validation rows, and the test rows read once for each that is chosen. Ratings are measured by
RMSE, with predictions clipped to 1 to 5: for MovieLens 100K the mean over the folds u1 to u5, and their seconds
together. Frappe is measured by log loss and AUC. Seconds are those of the sweeps alone, CPU time of one thread. With
``--estimator`` the public estimators take the place of the chains: errors are those of the draws that they keep, and
seconds those of the whole fit. Every curve is kept in the output folder, for ``benchmarks.bayes.plots``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from tables import markdown_table

from .chains import ChainOptions
from .curves import ESTIMATOR, MYFM, OURS, Curve, curve_of, myfm_points, our_points
from .estimators import estimator_points
from .frappe import frappe
from .movielens import FEATURES, movielens_1m, movielens_100k
from .rows import Rows

FOLDS = range(1, 6)

Points = Callable[..., Iterator[dict[str, float]]]

# What others have published: RMSE of averages over sweeps, by the protocol that is named.
PUBLISHED = [
    ("myFM, ids, k = 10, 200 sweeps", "MovieLens 100K, u3", 0.8925, "myFM's documentation, movielens.rst"),
    ("myFM, ids, ordered probit, k = 10, 300 sweeps", "MovieLens 100K, u3", 0.8906, "ordinal-regression.rst"),
    ("myFM, ids and implicit sets, k = 10, 100 sweeps", "MovieLens 1M, its own split", 0.8450, "ml-1m-extended.ipynb"),
]


@threadpool_limits.wrap(limits=1, user_api="blas")
def main(arguments: Sequence[str] | None = None) -> None:
    """Make the curves that are asked for, and print their ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["ml-1m", "ml-100k", "frappe"])
    parser.add_argument("--held-out", choices=["validation", "test"], default="validation")
    parser.add_argument("--features", nargs="+", choices=FEATURES, default=["ids", "side", "side+implicit"])
    parser.add_argument("--forms", nargs="+", choices=["fm", "centered"], default=["fm", "centered"])
    parser.add_argument("--factors", nargs="+", type=int, default=[16])
    parser.add_argument("--prior", choices=["normal-wishart", "normal-gamma"], default="normal-wishart")
    parser.add_argument("--sweeps", type=int, default=400)
    parser.add_argument("--burn-in", type=int, default=20)
    parser.add_argument("--estimator", action="store_true", help="the public estimator in place of the chain")
    parser.add_argument("--myfm", action="store_true", help="myFM, too")
    parser.add_argument("--myfm-sweeps", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("build/bayes"))
    asked = parser.parse_args(arguments)
    curves = []
    for features in ["all fields"] if asked.data == "frappe" else asked.features:
        folds = read(asked.data, features, asked.held_out)
        for n_factors in asked.factors:
            for form in asked.forms if folds[0].has_relations else ["fm"]:
                options = ChainOptions(n_factors, form, asked.prior)
                library, points = (ESTIMATOR, estimator_points) if asked.estimator else (OURS, our_points)
                empty = Curve(library, asked.data, features, asked.held_out, asdict(options))
                curves.append(curve_of_folds(folds, empty, partial(points, options=options), asked.sweeps, asked))
            if asked.myfm:
                empty = Curve(MYFM, asked.data, features, asked.held_out, {"n_factors": n_factors})
                points = partial(myfm_points, n_factors=n_factors)
                curves.append(curve_of_folds(folds, empty, points, asked.myfm_sweeps, asked))
    print(table(curves))


def read(data: str, features: str, held_out: str) -> list[Rows]:
    """Return the rows of each fold, of which only MovieLens 100K has several."""
    if data == "frappe":
        return [frappe(held_out)]
    if data == "ml-1m":
        return [movielens_1m(features, held_out)]
    return [movielens_100k(fold, features, held_out) for fold in FOLDS]


def curve_of_folds(
    folds: Sequence[Rows], empty: Curve, points: Points, n_sweeps: int, asked: argparse.Namespace
) -> Curve:
    """Return the curve, averaged over folds, and save it."""
    of_folds = [
        curve_of(
            partial(points, rows, n_sweeps=n_sweeps, burn_in=asked.burn_in),
            Curve(empty.library, empty.data, empty.features, empty.held_out, empty.options),
        )
        for rows in folds
    ]
    curve = Curve.mean(of_folds)
    curve.save(asked.output)
    return curve


def table(curves: Sequence[Curve]) -> str:
    """Return the ends of the curves, and what others have published for such ratings."""
    names = [name for name in curves[0].points[0] if name not in ("sweeps", "seconds")]
    cells = []
    for curve in curves:
        last = curve.points[-1]
        measured = [f"{last[name]:.4f}" for name in names]
        per_sweep = f"{1e3 * last['seconds'] / last['sweeps']:.1f}"
        cells.append([curve.title, f"{last['sweeps']:.0f}", *measured, f"{last['seconds']:.1f}", per_sweep])
    tables = [markdown_table(["model", "sweeps", *names, "CPU s", "ms a sweep"], cells)]
    if "rmse" in names:
        published = [[model, protocol, f"{value:.4f}", source] for model, protocol, value, source in PUBLISHED]
        tables.append(markdown_table(["published", "data", "rmse", "source"], published))
    return "\n\n".join(tables)


if __name__ == "__main__":
    main()
