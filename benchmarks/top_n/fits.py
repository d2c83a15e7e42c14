"""Training of one contender: ours in this process, another library in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastfm_ext import FMRanker
from peers.environments import python_of
from peers.registry import COMMON, SCIKIT_LEARN, PeerSpec

from .data import ones_at
from .protocols import Protocol

SCRIPT = Path(__file__).resolve().parent / "one_fit.py"
IMPLICIT = PeerSpec("implicit", "", ("implicit==0.7.3", *COMMON))
LIGHTFM = PeerSpec("LightFM", "", ("rectools-lightfm==1.17.3", *COMMON, SCIKIT_LEARN))
PACKAGES = {
    "implicit's ALS": IMPLICIT,
    "implicit's BPR": IMPLICIT,
    "LightFM's BPR": LIGHTFM,
    "LightFM's WARP": LIGHTFM,
    "EASE": IMPLICIT,  # NumPy and SciPy alone
}
OURS = "fastfm-ext"


@dataclass(frozen=True)
class Outcome:
    """Both measures of a trained model, CPU seconds of its training, and what training found by itself."""

    values: tuple[float, float]
    seconds: float
    note: str = ""


def with_features(library: str) -> bool:
    """Return whether a library learns features; others know users and items by their ids."""
    return library == OURS or library.startswith("LightFM")


def fit_ours(protocol: Protocol, settings: dict[str, Any], seed: int, n_jobs: int, masked: bool = True) -> Outcome:
    """Train `FMRanker` and measure it."""
    started = time.process_time()
    model = FMRanker(**settings, n_jobs=n_jobs, random_state=seed)
    by_history = model.user_history
    X_user, X_item, train = protocol.sides
    model.fit(None if by_history else X_user, X_item, train)
    seconds = time.process_time() - started
    users = model.with_history(train) if by_history else X_user
    vectors = model.user_vector(users), model.item_vector(protocol.ranked)
    found = [] if model.temperature_ is None else [f"temperature {model.temperature_}"]
    return Outcome(protocol.measure(*vectors, masked), seconds, ", ".join([*found, f"{_epochs_of(model)} epochs"]))


def _epochs_of(model: FMRanker) -> int:
    return int(getattr(model, "best_epoch_", model.n_iter_))


def fit_peer(
    protocol: Protocol, library: str, settings: dict[str, Any], seed: int, home: Path, masked: bool = True
) -> Iterator[tuple[int, Outcome]]:
    """Train another library with one thread, and measure it after each of the `epochs` of its settings."""
    python = python_of(PACKAGES[library], home)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        owners = protocol.owners
        for file, matrix in {
            "chosen": protocol.train,
            "train": protocol.train if owners is None else of_owners(protocol.train, owners),
            "X_user": protocol.X_user,
            "X_item": protocol.X_item,
            "ranked": protocol.ranked,
        }.items():
            sp.save_npz(folder / f"{file}.npz", sp.csr_matrix(matrix), compressed=False)
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [str(python), str(SCRIPT), name, library, json.dumps(settings), str(seed)]
        environment = os.environ | limits
        environment.pop("PYTHONPATH", None)
        subprocess.run(command, check=True, env=environment)
        for epochs in settings["epochs"]:
            with np.load(folder / f"{epochs}.npz") as arrays:
                users, items, seconds = arrays["users"], arrays["items"], float(arrays["seconds"])
            if owners is not None and not with_features(library):
                users = users[owners]
            yield epochs, Outcome(protocol.measure(users, items, masked), seconds, f"{epochs} epochs")


def of_owners(chosen: sp.csr_array, owners: np.ndarray) -> sp.csr_array:
    """Return what users chose in any context."""
    rows, columns = chosen.nonzero()
    return ones_at(owners[rows], columns, (int(owners.max()) + 1, chosen.shape[1]))
