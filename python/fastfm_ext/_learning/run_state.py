"""Saved form of a run of training: values and arrays, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from fastfm_ext._engine.models import FM, NO_FIELDS, Fields, model_named
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.loop import History, Monitor, Run


def state_of_run(run: Run) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return values that JSON can hold, and arrays by name."""
    history = asdict(run.history)
    history["val_loss"] = history.pop("validation")
    meta, arrays = state_of_scorers(run.best)
    return {"history": history, "monitor": asdict(run.monitor)} | meta, arrays


def state_of_scorers(scorers: list[Parameters]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return values that JSON can hold, and arrays by name."""
    meta: dict[str, Any] = {"n_factors": scorers[0].n_factors if scorers else 0}
    arrays: dict[str, NDArray[Any]] = {}
    for number, params in enumerate(scorers):
        arrays |= params.to_arrays(f"_{number}")
        if params.fields.of_feature is not None:
            meta["kind"] = {"model": params.model.name, "n_fields": params.fields.n}
            arrays["fields"] = params.fields.of_feature
    return meta, arrays


def run_of_state(meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Run:
    """Undo `state_of_run`; other values in ``meta`` are left alone.

    Raises
    ------
    KeyError, ValueError, TypeError
        For a state that `state_of_run` did not make.
    """
    run = Run(_history_from(meta["history"]), Monitor(**meta["monitor"]))
    run.best = scorers_of_state(meta, arrays)
    return run


def scorers_of_state(meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> list[Parameters]:
    """Undo `state_of_scorers`, with the errors of `run_of_state`."""
    model, fields = FM, NO_FIELDS
    if "kind" in meta:
        model = model_named(meta["kind"]["model"])
        fields = Fields(int(meta["kind"]["n_fields"]), arrays["fields"])
    return [
        Parameters.from_arrays(arrays, meta["n_factors"], suffix=f"_{number}", model=model, fields=fields)
        for number in range(len(arrays) // len(model.tables))
    ]


def _history_from(meta: dict[str, Any]) -> History:
    history = History(meta["train_loss"], meta["val_loss"], meta["seconds"], meta["best_epoch"])
    lengths = {len(history.train_loss), len(history.seconds), len(history.validation) or len(history.seconds)}
    if len(lengths) > 1 or not 0 <= history.best_epoch <= len(history.seconds):
        raise ValueError(f"a history of {sorted(lengths)} epochs")
    return history
