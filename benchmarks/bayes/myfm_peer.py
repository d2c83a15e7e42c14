"""myFM as a process that waits for its turn before each sweep."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fastfm_ext._engine.csr import Csr
from peers.environments import default_home, python_of
from peers.registry import PEERS

from .rows import Rows

SCRIPT = Path(__file__).with_name("myfm_process.py")


@dataclass(frozen=True)
class Job:
    """What myFM is to learn, and whether it predicts the held-out rows after each sweep.

    One-hot fields go in as a sparse matrix, and relations as relation blocks, both as in myFM's own examples; fields
    are groups with priors of their own.
    """

    rows: Rows
    n_factors: int
    n_sweeps: int
    predicts: bool = False
    burn_in: int = 20
    seed: int = 0

    def save(self, file: Path) -> None:
        """Write the arrays that ``myfm_process.py`` reads."""
        blocks = self.rows.X.to_blocks()
        order = np.concatenate([block.features for block in blocks.blocks])
        if (np.diff(order) < 0).any() or (np.diff(blocks.groups) < 0).any():
            raise ValueError("columns of a block, and those of a field, must be next to each other")
        arrays: dict[str, Any] = {name: getattr(self, name) for name in OPTIONS}
        arrays |= {"y": self.rows.y, "n_train": self.rows.n_train, "has_classes": self.rows.has_classes}
        arrays["group_shapes"] = np.bincount(blocks.groups)
        arrays["n_relations"] = len(blocks.blocks) if self.rows.has_relations else 0
        if self.rows.has_relations:
            for number, block in enumerate(blocks.blocks):
                arrays |= _matrix(f"relation{number}", block.rows)
                arrays[f"ids{number}"] = block.ids.astype(np.int64)
        else:
            arrays |= _matrix("X", blocks.expanded())
        np.savez(file, **arrays)


OPTIONS = ("n_factors", "n_sweeps", "predicts", "burn_in", "seed")


def _matrix(name: str, X: Csr) -> dict[str, Any]:
    data = np.ones(X.nnz) if X.data is None else X.data.astype(np.float64)
    parts = {"data": data, "indices": X.indices, "indptr": X.indptr, "shape": np.array([X.n_rows, X.n_features])}
    return {f"{name}_{part}": value for part, value in parts.items()}


class MyFm:
    """myFM's sampler, to be used in a ``with`` statement.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / "job.npz"
        job.save(file)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": ""}
        self._process = subprocess.Popen(
            [str(python()), str(SCRIPT), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self._is_waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def sweep(self) -> dict[str, float]:
        """Let it sweep once; return the sweep's number, its CPU seconds, and its measures of predictions so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._is_waiting:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"myFM ended with status {self._process.wait()}")
        self._is_waiting = True
        result: dict[str, float] = json.loads(line)
        return result


def python() -> Path:
    """Return the Python of myFM's environment, made at the first call; FASTFM_EXT_MYFM_PYTHON names another one."""
    given = os.environ.get("FASTFM_EXT_MYFM_PYTHON")
    if given:
        return Path(given)
    (spec,) = (spec for spec in PEERS if spec.adapter == "myfm_fm")
    return python_of(spec, default_home())
