"""A streamed fit in a process of its own, to be killed: python stream_worker.py FOLDER {cached,plain}.

Prints "ready" before it trains. Writes the model to FOLDER/model.fastfm in the end.
"""

import sys
import time
from pathlib import Path

from fastfm_ext import save_model
from stream_cases import BUFFER_ROWS, batches, make, rows

if __name__ == "__main__":
    folder, cached = Path(sys.argv[1]), sys.argv[2] == "cached"
    X, y = rows()
    print("ready", flush=True)
    model = make().fit_stream(
        batches(X, y > 0, 90),
        4,
        validation=(X[:300], y[:300] > 0),
        buffer_rows=BUFFER_ROWS,
        cache=folder / "cache" if cached else None,
        checkpoint=folder / "fit.fastfm",
        checkpoint_every=0.0,
        progress=lambda _: time.sleep(0.01),  # so that a kill finds it at work
    )
    save_model(folder / "model.fastfm", model)
