"""Latency of the web service of the documentation, docs/serving/app.py: a request on one machine, clients and all.

    python benchmarks/serving_latency.py                     # 1 process
    python benchmarks/serving_latency.py --workers 2

A Pipeline of FMEncoder and FMRegressor (16 factors, 10,000 users, 2,000 films, made up) answers requests of 1 row and
of 100. Clients are threads of this process with a connection each, so that they take CPU time from the service.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

from fastfm_ext import FMEncoder, FMRegressor, save_model
from tables import markdown_table

APP = Path(__file__).parents[1] / "docs" / "serving" / "app.py"
N_USERS, N_FILMS, N_RATINGS = 10_000, 2_000, 200_000


def save_pipeline(path: Path) -> None:
    rng = np.random.default_rng(0)
    ratings = {"user_id": rng.integers(0, N_USERS, N_RATINGS), "film_id": rng.integers(0, N_FILMS, N_RATINGS)}
    model = FMRegressor(n_factors=16, max_iter=2, early_stopping=False, random_state=0)
    pipeline = make_pipeline(FMEncoder(user=["user_id"], item=["film_id"]), model)
    save_model(path, pipeline.fit(ratings, rng.normal(3.5, 1.0, N_RATINGS)))


def seconds_of_requests(port: int, n_clients: int, n_rows: int, seconds: float) -> list[float]:
    """Ask from so many clients at once for a while; return how long each answer took."""
    rng = np.random.default_rng(1)
    columns = {"user_id": rng.integers(0, N_USERS, n_rows), "film_id": rng.integers(0, N_FILMS, n_rows)}
    body = json.dumps({name: values.tolist() for name, values in columns.items()})
    found: list[float] = []

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        end = time.perf_counter() + seconds
        while (began := time.perf_counter()) < end:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            assert response.status == 200, content
            found.append(time.perf_counter() - began)
        connection.close()

    clients = [threading.Thread(target=ask) for _ in range(n_clients)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return found


def wait_for(port: int) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            seconds_of_requests(port, 1, 1, 0.5)
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the service has not begun within a minute")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.fastfm"
        save_pipeline(path)
        command = [sys.executable, str(APP), "--workers", str(options.workers), "--port", str(port)]
        environment = os.environ | {"FASTFM_EXT_MODEL": str(path), "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(command, env=environment) as process:
            try:
                wait_for(port)
                for n_clients, n_rows in ((1, 1), (1, 100), (8, 1), (8, 100)):
                    ms = 1e3 * np.array(seconds_of_requests(port, n_clients, n_rows, options.seconds))
                    times = [f"{value:.2f}" for value in np.percentile(ms, [50, 99])]
                    lines.append([str(n_clients), str(n_rows), *times, f"{len(ms) / options.seconds:,.0f}"])
            finally:
                process.send_signal(signal.SIGTERM)
    print(f"{options.workers} processes, {os.cpu_count()} cores")
    print(markdown_table(["clients", "rows", "median, ms", "99 %, ms", "answers a second"], lines))


if __name__ == "__main__":
    main()
