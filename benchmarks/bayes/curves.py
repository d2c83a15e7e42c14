"""Curves of an error over CPU seconds, as sweeps come in, of our chains and of myFM's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.metrics import log_loss, roc_auc_score

from .averages import Averages, rmse
from .chains import ChainOptions, HeldOutChain
from .myfm_peer import Job, MyFm
from .rows import Rows

OURS, ESTIMATOR, MYFM = "fastfm-ext", "fastfm-ext, estimator", "myFM"
POINTS_A_DECADE = 20


@dataclass
class Curve:
    """Errors of averages over sweeps.

    Attributes
    ----------
    library, data, features, held_out : str
    options : dict of str
        Of `ChainOptions`; of myFM, the number of factors.
    points : list of dict of str to float
        "sweeps" and "seconds" so far, and the measures: "rmse", or "log_loss" and "auc".
    """

    library: str
    data: str
    features: str
    held_out: str
    options: dict[str, str | int]
    points: list[dict[str, float]] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Name for tables and pictures."""
        form = self.options.get("form", "fm")
        return f"{self.library}, {self.features}, k = {self.options['n_factors']}" + (
            ", centered" * (form == "centered")
        )

    def save(self, folder: Path) -> None:
        """Write it to a file whose name tells which curve it is."""
        names = [self.library, self.data, self.features, self.held_out, *map(str, self.options.values())]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"curve-{'-'.join(names)}.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def read_all(cls, folder: Path) -> list[Self]:
        """Return the curves that were saved in a folder."""
        return [cls(**json.loads(file.read_text())) for file in sorted(folder.glob("curve-*.json"))]

    @classmethod
    def mean(cls, curves: Sequence[Self]) -> Self:
        """Return the curve of the folds' mean errors, and of their seconds together."""
        points = []
        for of_folds in zip(*(curve.points for curve in curves), strict=True):
            point = {name: fmean(each[name] for each in of_folds) for name in of_folds[0]}
            points.append(point | {"seconds": sum(each["seconds"] for each in of_folds)})
        first = curves[0]
        return cls(first.library, first.data, first.features, first.held_out, first.options, points)


def our_points(rows: Rows, options: ChainOptions, n_sweeps: int, burn_in: int) -> Iterator[dict[str, float]]:
    """Sweep, and give the measures of the averages over the sweeps after the burn-in."""
    chain, averages = HeldOutChain(rows, options), Averages()
    wanted = sweeps_to_show(burn_in, n_sweeps)
    for sweep in range(1, n_sweeps + 1):
        chain.sweep()
        if sweep <= burn_in:
            continue
        scores = chain.scores()
        averages.add(ndtr(scores) if rows.has_classes else scores, chain.noise_variance)
        if sweep in wanted:
            yield {"sweeps": sweep, "seconds": chain.seconds} | measures(rows, averages.mean())


def myfm_points(rows: Rows, n_factors: int, n_sweeps: int, burn_in: int) -> Iterator[dict[str, float]]:
    """Give the measures of the averages over myFM's sweeps after the burn-in."""
    wanted, seconds = sweeps_to_show(burn_in, n_sweeps), 0.0
    with MyFm(Job(rows, n_factors, n_sweeps, predicts=True, burn_in=burn_in)) as peer:
        for _ in range(n_sweeps):
            found = peer.sweep()
            seconds += found["seconds"]
            if found["sweep"] in wanted:
                shown = {name: found[name] for name in ("rmse", "log_loss", "auc") if name in found}
                yield {"sweeps": found["sweep"], "seconds": seconds} | shown


def sweeps_to_show(burn_in: int, n_sweeps: int) -> set[int]:
    """Return sweeps that lie evenly on a logarithmic axis of those after the burn-in."""
    n = n_sweeps - burn_in
    places: NDArray[np.float64] = np.geomspace(1, n, max(2, int(POINTS_A_DECADE * np.log10(n))))
    return {burn_in + int(place) for place in np.rint(places)}


def measures(rows: Rows, predicted: NDArray[np.floating]) -> dict[str, float]:
    """Return what is measured of predictions for held-out rows: scores, or probabilities of class 1."""
    y = rows.held_out_y
    if not rows.has_classes:
        return {"rmse": rmse(y, predicted)}
    return {"log_loss": float(log_loss(y, predicted)), "auc": float(roc_auc_score(y, predicted))}


def curve_of(points: Callable[[], Iterator[dict[str, float]]], empty: Curve, *, says: bool = True) -> Curve:
    """Fill a curve with points, and print some of them."""
    for number, point in enumerate(points()):
        empty.points.append(point)
        if says and number % 10 == 0:
            print(empty.title, {name: round(value, 5) for name, value in point.items()}, flush=True)
    return empty
