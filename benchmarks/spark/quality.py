"""Quality of a fit on Spark against one on a single machine: the same rows, settings and early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import fastfm_ext
from fastfm_ext import spark as on_spark

from . import data
from .session import session


def run(options: Any) -> None:
    """Print the score of each fit, and of those on Spark how much it differs."""
    spark = session()
    for name in options.data:
        rows = data.load(name, options.folder)
        frame = data.as_frame(spark, rows, Path(options.work))
        of_partitions: dict[int, list[float]] = {n: [] for n in options.partitions}
        for seed in options.seeds:
            alone = on_one_machine(rows, seed)
            expected = data.score(rows, alone)
            print(
                f"{name}, seed {seed}: {rows.unit} {expected:.4f} on one machine, epoch {alone.best_epoch_}", flush=True
            )
            for n in options.partitions:
                model = fit(frame, rows, seed, n).to_local()
                value = data.score(rows, model)
                of_partitions[n].append(value - expected)
                print(
                    f"  {n} partitions: {value:.4f}, {value - expected:+.4f} ({value / expected - 1:+.2%}), "
                    f"epoch {model.best_epoch_}, {np.median(model.history_['seconds']):.2f} s an epoch",
                    flush=True,
                )
        frame.unpersist()
        for n, differences in of_partitions.items():
            print(f"{name}, {n} partitions: mean difference {np.mean(differences):+.4f}")


def on_one_machine(rows: data.DataSet, seed: int) -> Any:
    """Return the model of `fit`."""
    cls = fastfm_ext.FMRegressor if rows.task == "regression" else fastfm_ext.FMClassifier
    X_val, y_val = rows.validation
    return cls(random_state=seed).fit(*rows.train, X_val=X_val, y_val=y_val)


def fit(frame: Any, rows: data.DataSet, seed: int, n_partitions: int | None, **params: Any) -> Any:
    """Return the model of Spark."""
    cls = on_spark.FMRegressor if rows.task == "regression" else on_spark.FMClassifier
    estimator = cls(factorSize=16, seed=seed, validationIndicatorCol="is_validation", **params)
    return estimator.setParams(numWorkers=n_partitions).fit(frame) if n_partitions else estimator.fit(frame)
