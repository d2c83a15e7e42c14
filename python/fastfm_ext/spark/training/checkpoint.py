"""Checkpoints of a training on Spark: the state after an epoch, on any storage that Spark writes to.

There are two places, written in turn through Spark's DataFrame writer. Whoever dies while writing one leaves the other,
which is an epoch older. A reader takes the younger of those that are whole, by their checksum.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.loop import Run
from fastfm_ext._learning.run_state import run_of_state, scorers_of_state, state_of_run, state_of_scorers

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Arrays are cut into pieces of so many bytes.
_PIECE = 1 << 24
# A row is a piece of an array, or of the values as JSON, which is named "values".
_SCHEMA = "name string, number int, payload binary"
_VALUES = "values"
_PLACES = ("even", "odd")


@dataclass(frozen=True)
class Position:
    """Where a training stands.

    Attributes
    ----------
    settings : dict
        What must not change between two runs.
    seed : int
    run : Run
    scorers : list of Parameters
        Those after the last epoch, in the units of training.
    """

    settings: dict[str, Any]
    seed: int
    run: Run
    scorers: list[Parameters]

    @property
    def n_epochs(self) -> int:
        """Epochs that are done."""
        return len(self.run.history.seconds)


class PositionStore:
    """Checkpoints in a folder of any file system that Spark reads and writes.

    Parameters
    ----------
    session : SparkSession
    folder : str
        Its path or address.
    """

    def __init__(self, session: SparkSession, folder: str) -> None:
        self._session = session
        self._folder = folder.rstrip("/")

    def write(self, position: Position) -> None:
        """Write where a training stands, over the last checkpoint but one."""
        import pyarrow as pa

        pieces = _pieces_of(position)
        table = pa.table(
            {
                "name": pa.array([name for name, _, _ in pieces], pa.string()),
                "number": pa.array([number for _, number, _ in pieces], pa.int32()),
                "payload": pa.array([payload for _, _, payload in pieces], pa.binary()),
            }
        )
        frame = self._session.createDataFrame(table)
        frame.write.mode("overwrite").parquet(self._place(position.n_epochs))

    def read(self, settings: dict[str, Any]) -> Position | None:
        """Return where a training stood; None if there is no checkpoint yet.

        Raises
        ------
        ValueError
            If it is one of other settings, or if both places are damaged.
        """
        found = [self._position(place) for place in range(len(_PLACES))]
        whole = [each for each in found if isinstance(each, Position)]
        if not whole:
            if all(each is not None for each in found):
                raise ValueError(f"The checkpoint {self._folder} is damaged ({found[0]}). Delete it to train anew.")
            return None
        position = max(whole, key=lambda each: each.n_epochs)
        missing = object()
        differing = [
            f"{name} was {position.settings.get(name)!r} and is {settings.get(name)!r}"
            for name in sorted({*position.settings, *settings})
            if position.settings.get(name, missing) != settings.get(name, missing)
        ]
        if differing:
            raise ValueError(
                f"The checkpoint {self._folder} is of another training: {'; '.join(differing)}. Fit with the settings "
                "and the data of then to go on; or delete the folder, or name another, to train anew."
            )
        return position

    def _place(self, n_epochs: int) -> str:
        return f"{self._folder}/{_PLACES[n_epochs % len(_PLACES)]}"

    def _position(self, place: int) -> Position | str | None:
        """Return what stands at a place, from 0: a position, why it is none, or None if nothing is there."""
        from pyspark.errors import AnalysisException, PySparkException

        try:
            table = self._session.read.schema(_SCHEMA).parquet(self._place(place)).toArrow()
        except AnalysisException as error:
            return None if "PATH_NOT_FOUND" in str(error) else str(error)
        except PySparkException as error:
            return str(error)
        try:
            return _position_of(table)
        except (KeyError, ValueError, TypeError) as error:
            return f"{type(error).__name__}: {error}"


def _pieces_of(position: Position) -> list[tuple[str, int, memoryview | bytes]]:
    """Return the name, the number and the bytes of each piece."""
    meta, arrays = state_of_run(position.run)
    arrays = {f"best_{name}": array for name, array in arrays.items()}
    last, arrays_of_last = state_of_scorers(position.scorers)
    arrays |= {f"last_{name}": array for name, array in arrays_of_last.items()}
    buffers = {name: np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for name, array in arrays.items()}
    values = meta | {
        "settings": position.settings,
        "seed": position.seed,
        "last": last,
        "shapes": {name: [array.dtype.str, *array.shape] for name, array in arrays.items()},
        "checksums": {name: zlib.crc32(buffer) for name, buffer in buffers.items()},
    }
    text = json.dumps(values).encode()
    pieces: list[tuple[str, int, memoryview | bytes]] = [(_VALUES, zlib.crc32(text) & 0x7FFFFFFF, text)]
    for name, buffer in buffers.items():
        pieces += [
            (name, number, buffer[start : start + _PIECE]) for number, start in enumerate(range(0, len(buffer), _PIECE))
        ]
    return pieces


def _position_of(table: Any) -> Position:
    """Undo `_pieces_of`.

    Raises
    ------
    KeyError, ValueError, TypeError
        For a table that `_pieces_of` did not make, or a part of one.
    """
    pieces: dict[str, list[tuple[int, Any]]] = {}
    for batch in table.to_batches():
        names, numbers = batch.column("name").to_pylist(), batch.column("number").to_pylist()
        for name, number, payload in zip(names, numbers, batch.column("payload"), strict=True):
            pieces.setdefault(name, []).append((number, payload.as_buffer()))
    ((checksum, text),) = pieces.pop(_VALUES, [(0, b"")])
    if checksum != zlib.crc32(text) & 0x7FFFFFFF:
        raise ValueError("the values are missing or damaged")
    values = json.loads(bytes(text))
    arrays: dict[str, NDArray[Any]] = {}
    for name, (dtype, *shape) in values["shapes"].items():
        buffers = [np.frombuffer(buffer, np.uint8) for _, buffer in sorted(pieces.get(name, []), key=lambda p: p[0])]
        flat = np.concatenate(buffers) if buffers else np.zeros(0, np.uint8)
        if zlib.crc32(flat.data) != values["checksums"][name]:
            raise ValueError(f"{name} is damaged")
        arrays[name] = flat.view(dtype).reshape(shape)
    best, last = (
        {name.removeprefix(kind): array for name, array in arrays.items() if name.startswith(kind)}
        for kind in ("best_", "last_")
    )
    scorers = [params.copy() for params in scorers_of_state(values["last"], last)]
    return Position(values["settings"], values["seed"], run_of_state(values, best), scorers)
