"""Time until the quality of pyspark.ml's factorization machine is reached: the same session and DataFrame."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from . import data
from .quality import fit
from .session import session

# Settings of both sides, the best of which by the validation rows are timed: those of pyspark.ml after
# `SEARCH_ITERATIONS`, and then for each of `ITERATIONS`; ours at their best epoch.
STEPS, L2, SEARCH_ITERATIONS = (0.03, 0.1, 0.3), (0.0, 1e-3, 1e-2), 30
ITERATIONS = (10, 30, 100, 300)
OUR_STEPS, OUR_L2 = (0.03, 0.1, 0.3), (1e-3, 1e-2, 3e-2)
# Where ours train: where it is fastest, which is the driver for rows as few as these, or in two workers.
PLACES = {"by default": None, "two workers": 2}
COLORS = ("#888888", "#1b5e9c", "#e08214")
TITLES = {"ml-1m-ids": "MovieLens 1M, ids", "ml-1m": "MovieLens 1M", "frappe": "Frappe"}


def run(options: Any) -> None:
    """Print both sides' quality by time, and the ratio of the times; draw them."""
    spark = session()
    curves: dict[str, Any] = {}
    for name in options.data:
        rows = data.load(name, options.folder)
        frame = data.as_frame(spark, rows, Path(options.work))
        to_train = frame.where("NOT is_validation").persist()
        to_train.count()
        theirs = curve_of_pyspark(to_train, rows, best_of_pyspark(to_train, rows), options.iterations)
        to_train.unpersist()
        target = min(value for _, value in theirs)
        seconds = next(second for second, value in theirs if value == target)
        print(f"{name}: pyspark.ml's best validation {rows.unit} is {target:.4f}, after {seconds:.1f} s", flush=True)
        settings = best_of_ours(frame, rows)
        curves[name] = {"unit": rows.unit, "pyspark.ml": theirs}
        for place, n_workers in PLACES.items():
            curve, n_epochs = curve_of_ours(frame, rows, target, n_workers, settings)
            started = time.perf_counter()
            fit(frame, rows, 0, n_workers, maxIter=n_epochs, **settings)
            own = time.perf_counter() - started
            print(
                f"{name}, {place}: better after {n_epochs} epochs, a fit of {own:.1f} s: {seconds / own:.1f} times "
                f"sooner; at its best {min(value for _, value in curve):.4f} after {curve[-1][0]:.1f} s",
                flush=True,
            )
            curves[name][f"fastfm_ext.spark, {place}"] = curve
        frame.unpersist()
    if options.json:
        Path(options.json).write_text(json.dumps(curves, indent=1))
    if options.figure:
        draw(curves, options.figure)


def best_of_pyspark(frame: Any, rows: data.DataSet) -> tuple[float, float]:
    """Return pyspark.ml's step size and L2 that are best on the validation rows."""
    found = {}
    for step, l2 in itertools.product(STEPS, L2):
        seconds, value = fit_pyspark(frame, rows, step, l2, SEARCH_ITERATIONS)
        print(f"{rows.name}: pyspark.ml stepSize {step}, regParam {l2}: {value:.4f} ({seconds:.1f} s)", flush=True)
        found[step, l2] = value
    return min(found, key=found.__getitem__)


def best_of_ours(frame: Any, rows: data.DataSet) -> dict[str, float]:
    """Return our Params that are best on the validation rows."""
    found = {}
    for step, l2 in itertools.product(OUR_STEPS, OUR_L2):
        model = fit(frame, rows, 0, None, stepSize=step, regParam=l2).to_local()
        found[step, l2] = data.score(rows, model, "validation")
        print(f"{rows.name}: ours, stepSize {step}, regParam {l2}: {found[step, l2]:.4f}", flush=True)
    step, l2 = min(found, key=found.__getitem__)
    return {"stepSize": step, "regParam": l2}


def curve_of_pyspark(
    frame: Any, rows: data.DataSet, settings: tuple[float, float], iterations: list[int]
) -> list[tuple[float, float]]:
    """Return seconds and validation score of fits of more and more iterations."""
    curve = []
    for n in iterations:
        curve.append(fit_pyspark(frame, rows, *settings, n))
        print(f"{rows.name}: pyspark.ml, {n} iterations: {curve[-1][1]:.4f} ({curve[-1][0]:.1f} s)", flush=True)
    return curve


def fit_pyspark(frame: Any, rows: data.DataSet, step: float, l2: float, n_iterations: int) -> tuple[float, float]:
    """Return the seconds of a fit, and its score on the validation rows."""
    from pyspark.ml.classification import FMClassifier
    from pyspark.ml.regression import FMRegressor

    cls = FMRegressor if rows.task == "regression" else FMClassifier
    estimator = cls(factorSize=16, stepSize=step, regParam=l2, maxIter=n_iterations, seed=0, tol=0.0)
    started = time.perf_counter()
    model = estimator.fit(frame)
    seconds = time.perf_counter() - started
    return seconds, data.score(rows, Scored(model), "validation")


class Scored:
    """A model of pyspark.ml's as one that predicts for matrices."""

    def __init__(self, model: Any) -> None:
        self._w0 = float(model.intercept)
        self._w = model.linear.toArray()
        self._V = model.factors.toArray()

    def predict(self, X: Any) -> Any:
        """Return scores, (n_rows,)."""
        pairs = (X @ self._V) ** 2 - X.multiply(X) @ self._V**2
        return self._w0 + X @ self._w + 0.5 * pairs.sum(axis=1)

    def predict_proba(self, X: Any) -> Any:
        """Return the probabilities of both classes, (n_rows, 2)."""
        from scipy.special import expit

        positive = expit(self.predict(X))
        return np.stack([1 - positive, positive], axis=1)


def curve_of_ours(
    frame: Any, rows: data.DataSet, target: float, n_workers: int | None, settings: dict[str, float]
) -> tuple[list[tuple[float, float]], int]:
    """Return seconds and validation score after each epoch, and the first epoch that is better than a target."""
    fit(frame, rows, 0, n_workers, maxIter=1)  # starts the workers
    started = time.perf_counter()
    model = fit(frame, rows, 0, n_workers, **settings).to_local()
    seconds = time.perf_counter() - started
    losses = np.array(model.history_["val_loss"])
    values = np.sqrt(2 * losses) if rows.task == "regression" else losses
    at = seconds - sum(model.history_["seconds"]) + np.cumsum(model.history_["seconds"])
    reached = np.flatnonzero(values < target)
    return list(zip(at.tolist(), values.tolist(), strict=True)), int(reached[0]) + 1 if len(reached) else len(values)


def draw(curves: dict[str, Any], path: str) -> None:
    """Draw quality against time: fits of pyspark.ml, epochs of ours."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(4.6 * len(curves), 3.6), squeeze=False, layout="constrained")
    for axis, (name, curve) in zip(axes[0], curves.items(), strict=True):
        for side, color in zip((key for key in curve if key != "unit"), COLORS, strict=True):
            seconds, values = zip(*curve[side], strict=True)
            axis.plot(seconds, values, marker="o", markersize=3.5, color=color, label=side)
        axis.set(xscale="log", xlabel="seconds of fit", ylabel=f"validation {curve['unit']}", title=TITLES[name])
        axis.set_xticks([1, 3, 10, 30, 100, 300], minor=False)
        axis.minorticks_off()
        axis.set_xlim(0.8, max(seconds for side in curve if side != "unit" for seconds, _ in curve[side]) * 1.25)
        axis.xaxis.set_major_formatter("{x:g}")
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=120)
