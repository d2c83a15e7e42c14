"""A streamed fit holds a few buffers, and not the stream."""

import json
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="needs the limits of a Unix")

# Made and measured in a process of its own. A batch takes as much as a buffer, and the stream as much as 60 of them.
SCRIPT = """
import json, resource, sys
import numpy as np, scipy.sparse as sp
from fastfm_ext import FMRegressor

N_ROWS, NNZ = 8192, 40

def stream(n_batches):
    def begin():
        rng = np.random.default_rng(0)
        for _ in range(n_batches):
            X = sp.csr_array(
                (
                    np.full(N_ROWS * NNZ, 0.5, np.float32),
                    (rng.integers(0, 25, (N_ROWS, NNZ)) + 25 * np.arange(NNZ)).ravel().astype(np.int32),
                    NNZ * np.arange(N_ROWS + 1),
                ),
                shape=(N_ROWS, 25 * NNZ),
            )
            yield X, rng.normal(size=N_ROWS)
    return begin

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

def fit(n_batches):
    FMRegressor(n_factors=4, random_state=0).fit_stream(stream(n_batches), 2, cache=sys.argv[1], buffer_rows=N_ROWS)

fit(6)
before = peak()
fit(60)
print(json.dumps({"grown": peak() - before, "stream": 60 * N_ROWS * NNZ * 8}))
"""


def test_memory_does_not_grow_with_the_stream(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT, tmp_path], stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["grown"] < result["stream"] / 10
