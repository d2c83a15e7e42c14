"""One library's epochs of BPR, timed in its own environment: `ranking_one.py LIBRARY DATA THREADS FACTORS RESULT`.

DATA is an .npz file with the interactions as CSR, each with weight 1. RESULT becomes a JSON file with the seconds that
each of several epochs adds to a training that has begun.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp

ROUNDS = 5

Epoch = Callable[[], object]


def fastfm_ext(X: Any, threads: int, factors: int) -> list[float]:
    """Take the seconds that a fit notes for each epoch; the first is to warm up."""
    from fastfm_ext import FMRanker

    both = sp.eye_array(sum(X.shape), dtype=np.float32, format="csr")
    model = FMRanker(factors, loss="bpr", max_iter=1 + ROUNDS, tol=0, early_stopping=False, n_jobs=threads)
    # As many drawn items as the others take, and as simply drawn.
    model.set_params(n_iter_no_change=1 + ROUNDS, n_negatives=1, popularity=0.0)
    model.fit(both[: X.shape[0]], both[X.shape[0] :], X)
    return model.history_["seconds"][1:]


def lightfm(X: Any, threads: int, factors: int) -> list[float]:
    """Time one more epoch of a model that has begun."""
    from lightfm import LightFM

    model = LightFM(no_components=factors, loss="bpr", random_state=0)
    interactions = X.tocoo().astype(np.float32)
    model.fit_partial(interactions, epochs=1, num_threads=threads)
    return [timed(lambda: model.fit_partial(interactions, epochs=1, num_threads=threads)) for _ in range(ROUNDS)]


def implicit(X: Any, threads: int, factors: int) -> list[float]:
    """Subtract a fit of one epoch from one of four: a fit looks through its input first."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    def seconds_of(iterations: int) -> float:
        model = BayesianPersonalizedRanking(
            factors=factors, iterations=iterations, num_threads=threads, random_state=0, verify_negative_samples=True
        )
        return timed(lambda: model.fit(X, show_progress=False))

    seconds_of(1)
    return [(seconds_of(4) - seconds_of(1)) / 3 for _ in range(ROUNDS)]


def timed(run: Epoch) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


LIBRARIES = {"fastfm-ext": fastfm_ext, "LightFM": lightfm, "implicit": implicit}


def main() -> None:
    library, data, threads, factors, result = sys.argv[1:]
    with np.load(data) as arrays:
        values = np.ones(len(arrays["indices"]), dtype=np.float32)
        X = sp.csr_matrix((values, arrays["indices"], arrays["indptr"]), shape=tuple(arrays["shape"]))
    seconds = LIBRARIES[library](X, int(threads), int(factors))
    Path(result).write_text(json.dumps(seconds))


if __name__ == "__main__":
    main()
