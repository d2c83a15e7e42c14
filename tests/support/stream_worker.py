"""A streamed fit that a test can run in a process of its own, to kill it: python stream_worker.py FOLDER.

Prints "ready" before it trains. Writes the model to FOLDER/model.fastfm in the end.
"""

import sys
import time
from pathlib import Path

from fastfm_ext import save_model
from stream_cases import BUFFER_ROWS, batches, make, rows


def train(folder, progress=None):
    X, y = rows()
    return make().fit_stream(
        batches(X, y > 0, 90),
        4,
        validation=(X[:300], y[:300] > 0),
        buffer_rows=BUFFER_ROWS,
        cache=folder / "cache",
        checkpoint=folder / "fit.fastfm",
        checkpoint_every=0.0,
        progress=progress,
    )


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print("ready", flush=True)
    # The pauses are there so that a kill finds it at work.
    save_model(folder.with_suffix(".fastfm"), train(folder, lambda _: time.sleep(0.01)))
