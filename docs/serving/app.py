"""Web service of a model file, with FastAPI: it answers while a better model takes the file's place.

    FASTFM_EXT_MODEL=ratings.fastfm python app.py --workers 4 --port 8000     processes that share one loaded model
    FASTFM_EXT_MODEL=ratings.fastfm uvicorn app:app --port 8000               one process

The file holds a Pipeline of FMEncoder and a model. POST /predict takes columns, {"user_id": [1, 2], "film_id": [7, 7]},
and gives a prediction for each row, with the version of the model that made all of them.
"""

import argparse
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import uvicorn
from fastapi import FastAPI, HTTPException

from fastfm_ext import ModelFileError, load_model

PATH = os.environ["FASTFM_EXT_MODEL"]
SECONDS_BETWEEN_LOOKS = 0.5
log = logging.getLogger("uvicorn.error")


class Stamp(NamedTuple):
    """What differs between two files at one path."""

    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def now(cls) -> "Stamp":
        """Look at the file that is there."""
        status = os.stat(PATH)
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)


class Served(NamedTuple):
    """A model and the stamp of its file. It is never changed: a request takes it once, and answers with it alone."""

    model: Any
    stamp: Stamp

    @classmethod
    def load(cls) -> "Served":
        """Load the file that is there."""
        while True:
            stamp = Stamp.now()
            # Mapped: processes share the memory, and loading takes milliseconds.
            model = load_model(PATH, mmap=True).model
            if not hasattr(model, "named_steps"):
                raise ModelFileError(f"{PATH} holds a {type(model).__name__}, not a Pipeline of FMEncoder and a model")
            if Stamp.now() == stamp:  # else the file was replaced in between
                return cls(model, stamp)


served = Served.load()  # when the module is imported: before the processes fork, and before the first request


def keep_looking(stop: threading.Event) -> None:
    """Serve the new model where the file has been replaced; a file without such a model changes nothing."""
    global served
    refused = None
    while not stop.wait(SECONDS_BETWEEN_LOOKS):
        try:
            stamp = Stamp.now()
            if stamp not in (served.stamp, refused):
                refused = stamp
                served = Served.load()
                log.info("serving the model of %d", served.stamp.mtime_ns)
        except (ModelFileError, OSError) as error:
            log.error("still serving the model of %d: %s", served.stamp.mtime_ns, error)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Look for new models as long as the process serves."""
    # A thread of each process: threads do not survive a fork.
    stop = threading.Event()
    thread = threading.Thread(target=keep_looking, args=(stop,), daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join()


app = FastAPI(lifespan=lifespan)


# Not async: FastAPI calls it in a thread, and the kernels let other threads run meanwhile.
@app.post("/predict")
def predict(columns: dict[str, list[bool | int | float | str | None]]) -> dict[str, Any]:
    """Predict every row."""
    model, stamp = served
    try:
        found = model.predict_proba(columns) if hasattr(model, "predict_proba") else model.predict(columns)
    except (TypeError, ValueError) as error:  # what the encoder says of a column
        raise HTTPException(422, str(error)) from error
    return {"model": stamp.mtime_ns, "predictions": found.tolist()}


@app.get("/health")
def health() -> dict[str, int]:
    """Say which model is served."""
    return {"model": served.stamp.mtime_ns, "process": os.getpid()}


def parser() -> argparse.ArgumentParser:
    """Return the options of the command line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8000)
    options.add_argument("--workers", type=int, default=1, help="processes")
    return options


def listen(host: str, port: int) -> socket.socket:
    """Return the socket that all processes take their connections from."""
    # Of TCP by its number: else asyncio leaves Nagle's algorithm on, and the second part of each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def main() -> None:
    """Fork processes that share one socket and one loaded model; end all when one ends."""
    options = parser().parse_args()
    config = uvicorn.Config(app, log_level="warning")
    listener = listen(options.host, options.port)
    children = []
    for _ in range(options.workers):
        child = os.fork()
        if child == 0:
            uvicorn.Server(config).run(sockets=[listener])
            sys.exit(0)
        children.append(child)

    is_told = False

    def end(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGTERM)

    def end_as_told(*_: object) -> None:
        nonlocal is_told
        is_told = True
        end()

    signal.signal(signal.SIGTERM, end_as_told)
    signal.signal(signal.SIGINT, end_as_told)
    ended, status = os.wait()
    children.remove(ended)
    end()
    for child in children:
        os.waitpid(child, 0)
    sys.exit(0 if is_told else abs(os.waitstatus_to_exitcode(status)) or 1)


if __name__ == "__main__":
    main()
