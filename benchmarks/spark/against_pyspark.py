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

# pyspark.ml's settings, tried for `SEARCH_ITERATIONS`; the best is then run for each of `ITERATIONS`.
STEPS, L2, SEARCH_ITERATIONS = (0.01, 0.1), (0.0, 1e-3, 1e-2), 50
ITERATIONS = (10, 30, 100, 300)


def run(options: Any) -> None:
    """Print both sides' quality by time, and the ratio of the times; draw them."""
    spark = session()
    curves = {}
    for name in options.data:
        rows = data.load(name, options.folder)
        frame = data.as_frame(spark, rows, Path(options.work))
        fit(frame, rows, 0, None, maxIter=1)  # starts the workers
        theirs = curve_of_pyspark(frame, rows, options)
        target = min(value for _, value in theirs)
        ours, n_epochs = curve_of_ours(frame, rows, target)
        seconds = next((s for s, value in theirs if value == target), np.nan)
        started = time.perf_counter()
        fit(frame, rows, 0, None, maxIter=n_epochs)
        own = time.perf_counter() - started
        print(
            f"{name}: pyspark.ml's best validation {rows.unit} {target:.4f} after {seconds:.1f} s; "
            f"ours is better after {n_epochs} epochs, a fit of {own:.1f} s: {seconds / own:.1f} times sooner; "
            f"ours at its best {min(value for _, value in ours):.4f}",
            flush=True,
        )
        curves[name] = {"unit": rows.unit, "pyspark.ml": theirs, "fastfm_ext.spark": ours}
        frame.unpersist()
    if options.json:
        Path(options.json).write_text(json.dumps(curves, indent=1))
    if options.figure:
        draw(curves, options.figure)


def curve_of_pyspark(frame: Any, rows: data.DataSet, options: Any) -> list[tuple[float, float]]:
    """Return seconds and validation score of fits of more and more iterations, by the settings that are best there."""
    to_train = frame.where("NOT is_validation").persist()
    to_train.count()
    best = None
    for step, l2 in itertools.product(STEPS, L2):
        seconds, value = fit_pyspark(to_train, rows, step, l2, min(SEARCH_ITERATIONS, max(options.iterations)))
        print(f"{rows.name}: pyspark.ml stepSize {step}, regParam {l2}: {value:.4f} ({seconds:.1f} s)", flush=True)
        if best is None or value < best[0]:
            best = value, step, l2
    assert best is not None
    curve = []
    for n in options.iterations:
        curve.append(fit_pyspark(to_train, rows, best[1], best[2], n))
        print(f"{rows.name}: pyspark.ml, {n} iterations: {curve[-1][1]:.4f} ({curve[-1][0]:.1f} s)", flush=True)
    to_train.unpersist()
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


def curve_of_ours(frame: Any, rows: data.DataSet, target: float) -> tuple[list[tuple[float, float]], int]:
    """Return seconds and validation score after each epoch, and the first epoch that is better than a target."""
    started = time.perf_counter()
    model = fit(frame, rows, 0, None).to_local()
    seconds = time.perf_counter() - started
    losses = np.array(model.history_["val_loss"])
    values = np.sqrt(2 * losses) if rows.task == "regression" else losses
    at = seconds - sum(model.history_["seconds"]) + np.cumsum(model.history_["seconds"])
    reached = np.flatnonzero(values < target)
    return list(zip(at.tolist(), values.tolist(), strict=True)), int(reached[0]) + 1 if len(reached) else len(values)


def draw(curves: dict[str, Any], path: str) -> None:
    """Draw quality against time."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(5 * len(curves), 3.6), squeeze=False, layout="constrained")
    for axis, (name, curve) in zip(axes[0], curves.items(), strict=True):
        for side in ("pyspark.ml", "fastfm_ext.spark"):
            seconds, values = zip(*curve[side], strict=True)
            axis.plot(seconds, values, marker="o", markersize=3, label=side)
        axis.set(xscale="log", xlabel="seconds of fit, log scale", ylabel=f"validation {curve['unit']}", title=name)
        axis.legend()
    figure.savefig(path, dpi=120)
