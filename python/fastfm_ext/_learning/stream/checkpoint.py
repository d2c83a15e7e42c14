"""Checkpoints of a streamed fit: model files with one more part, the position in the stream."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, fields
from typing import Any, Self

from numpy.typing import NDArray

from fastfm_ext._common.checks import public_name
from fastfm_ext._learning.loop import Run
from fastfm_ext._learning.run_state import run_of_state, state_of_run
from fastfm_ext.model_io.container import ModelFileError, ModelFileReader, write_parts

_MODEL, _POSITION = "model", "stream"


@dataclass
class StreamPosition:
    """All that going on needs beside the model, whose parameters are those of the last step.

    Attributes
    ----------
    settings : dict
        What must not change between two runs: hyperparameters and arguments by name.
    seed : int
        Of the shuffling, and of the first factors of new features.
    typical_loss : float
        What a constant prediction loses on the first rows; marks divergence.
    first_rows : int
        Checksum of the first rows, to tell another stream by.
    cache_name : str
        Of the cache's file.
    buffers, rows : int
        Of the present epoch, that are done.
    loss_sum, weight_sum, seconds : float
        Of the present epoch so far.
    rows_of_epoch : int
        0 until an epoch is done.
    progressive : dict
        State of the progressive validation of the first epoch.
    run : Run
        History, monitor and best parameters.
    """

    settings: dict[str, Any]
    seed: int
    typical_loss: float
    first_rows: int
    cache_name: str
    buffers: int = 0
    rows: int = 0
    loss_sum: float = 0.0
    weight_sum: float = 0.0
    seconds: float = 0.0
    rows_of_epoch: int = 0
    progressive: dict[str, Any] = field(default_factory=dict)
    run: Run = field(default_factory=Run)

    def begin_next_epoch(self) -> None:
        """Note that an epoch is done."""
        self.rows_of_epoch = self.rows
        self.buffers = self.rows = 0
        self.loss_sum = self.weight_sum = self.seconds = 0.0

    def _to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        meta = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "run"}
        of_run, arrays = state_of_run(self.run)
        return meta | of_run, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Undo `_to_state`.

        Raises
        ------
        KeyError, ValueError, TypeError
            For a state that `_to_state` did not make.
        """
        meta = dict(meta)
        meta.pop("generator", None)  # earlier builds drew the factors of new features from it
        run = run_of_state(meta, arrays)
        meta.pop("kind", None)
        for name in ("history", "monitor", "n_factors"):
            del meta[name]
        position = cls(**meta, run=run)
        kinds: dict[str, Any] = {"int": int, "float": (int, float), "str": str, "dict[str, Any]": dict}
        for f in fields(cls):
            value = getattr(position, f.name)
            if f.name != "run" and (not isinstance(value, kinds[str(f.type)]) or isinstance(value, bool)):
                raise ValueError(f"{f.name} is {value!r}")
        return position


class Checkpoints:
    """Writes checkpoints now and then.

    Parameters
    ----------
    path : str or None
        The file; None writes none.
    every : float
        Seconds between two checkpoints.
    """

    def __init__(self, path: str | None, every: float) -> None:
        self._path = path
        self._every = every
        self._last = time.monotonic()

    @property
    def are_wanted(self) -> bool:
        """Whether there is a file to write to."""
        return self._path is not None

    @property
    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough for another."""
        return self.are_wanted and time.monotonic() - self._last >= self._every

    def write(self, model: Any, position: StreamPosition) -> None:
        """Write model and position to one file, replacing an earlier one in one step."""
        assert self._path is not None
        write_parts(self._path, {_MODEL: model, _POSITION: position})
        self._last = time.monotonic()


def read_checkpoint(path: str, model_class: type[Any], settings: dict[str, Any]) -> tuple[Any, StreamPosition] | None:
    """Return the model and the position of a checkpoint; None if there is no such file.

    Raises
    ------
    ModelFileError
        If the file is damaged, or is a model file but no checkpoint.
    ValueError
        If it was written by a fit with other settings.
    """
    if not os.path.exists(path):
        return None
    with ModelFileReader(path) as reader:
        if _POSITION not in reader.slots:
            raise ModelFileError(
                f"{path}: a model file, but no checkpoint of fit_stream, which would overwrite it. Name another file."
            )
        if reader.class_name(_MODEL) != public_name(model_class):
            found = reader.class_name(_MODEL)
            raise ValueError(_advice(path, f"it is of a {found}, this is a {public_name(model_class)}"))
        position: StreamPosition = reader.build(_POSITION, StreamPosition, mmap=False)
        missing = object()
        differing = [
            f"{name} was {position.settings.get(name)!r} and is {settings.get(name)!r}"
            for name in sorted({*position.settings, *settings})
            if position.settings.get(name, missing) != settings.get(name, missing)
        ]
        if differing:
            raise ValueError(_advice(path, "; ".join(differing)))
        model = reader.build(_MODEL, model_class, mmap=False)
        widths = {params.n_features for params in (*model._scorers, *position.run.best)}
        if len(widths) > 1 or len(position.run.best) not in (0, len(model._scorers)):
            raise reader.damaged("the best parameters do not fit the model")
        return model, position


def _advice(path: str, reason: str) -> str:
    return (
        f"The checkpoint {path} was written with other settings: {reason}. Call fit_stream with the settings of then "
        "to go on, or delete the file (or name another) to train anew."
    )
