"""Server of the demo: a socket, a line that says where, a browser, and an end by Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import threading
import webbrowser
from typing import Any

from fastfm_ext._common.extras import require

SECONDS_TO_END = 2


def listen(host: str, port: int | None, default: int) -> socket.socket:
    """Return a socket that listens.

    Parameters
    ----------
    host : str
    port : int or None
        0 for any that is free; None for `default`, or if that is taken for any that is free.
    default : int

    Raises
    ------
    OSError
        If the port is taken, or the machine has no such address.
    """
    try:
        return _bound(host, default if port is None else port)
    except OSError as error:
        if port is None and error.errno is not None and not isinstance(error, socket.gaierror):
            return _bound(host, 0)
        what = f"{host}:{port}: {error.strerror or error}"
        raise OSError(f"{what}. Name another port with --port, or 0 for any that is free") from error


def _bound(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Of TCP by its number: else asyncio leaves Nagle's algorithm on, and the second part of each answer waits 40 ms.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket, host: str) -> str:
    """Return the address of the page."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"


def has_desktop() -> bool:
    """Return whether a browser would have a window: elsewhere Python opens one of text in the terminal."""
    return (
        os.name == "nt"
        or sys.platform == "darwin"
        or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    )


def serve(app: Any, listener: socket.socket, url: str | None) -> None:
    """Serve until Ctrl-C.

    Parameters
    ----------
    app : ASGI callable
    listener : socket
        As `listen` returns it.
    url : str or None
        The page to open in a browser; None for no browser.

    Raises
    ------
    ImportError
        If uvicorn is not installed.
    """
    uvicorn = require("uvicorn", "demo")
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        # Whatever else is installed: it bounds the size of a request's head.
        http="h11",
        ws="none",
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    if url is not None:
        # The socket listens already: what a browser asks too early waits there.
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # as it was told to end
    finally:
        listener.close()
