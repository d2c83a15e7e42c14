"""The web service of the documentation answers right while its model file is replaced."""

import argparse
import configparser
import http.client
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, save_model
from repository import ROOT

pytest.importorskip("fastapi", reason="needs fastapi")
pytest.importorskip("uvicorn", reason="needs uvicorn")
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")

FOLDER = ROOT / "docs" / "serving"
ROWS = {"user_id": list(range(20)), "film_id": [7, 8, 9, 10] * 5}


def model_of(seed):
    """A pipeline whose predictions differ from those of another seed in every row."""
    y = np.random.default_rng(seed).normal(10 * seed, 1, 20)
    return make_pipeline(FMEncoder(), FMRegressor(n_factors=4, max_iter=5, random_state=seed)).fit(ROWS, y)


@contextmanager
def serving(path, *words):
    """Run the service as its page says; give its port, and its process, which has its `log` afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *(word.replace("PORT", str(port)) for word in words)]
    environment = os.environ | {"FASTFM_EXT_MODEL": str(path), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=FOLDER, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: process.poll() is not None or answers(port))
            assert process.poll() is None, process.stderr.read()
            yield port, process
        finally:
            process.send_signal(signal.SIGTERM)
            process.log = process.communicate(timeout=30)[1]


def wait_until(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def connected(port):
    return closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60))


def answers(port):
    try:
        with connected(port) as connection:
            return ask(connection, "GET", "/health")
    except OSError:
        return None


def ask(connection, method, path, body=None):
    """The status and the content of an answer."""
    connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


WAYS = {
    "forked": ("app.py", "--workers", "2", "--port", "PORT"),
    "uvicorn": ("-m", "uvicorn", "app:app", "--port", "PORT", "--log-level", "warning"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_answer_is_of_one_model_while_the_file_is_replaced(tmp_path, way):
    path = tmp_path / "ratings.fastfm"
    expected, found, errors = {}, [], []

    def put(seed):
        model = model_of(seed)
        save_model(tmp_path / "next", model)
        expected[os.stat(tmp_path / "next").st_mtime_ns] = model.predict(ROWS)
        os.replace(tmp_path / "next", path)

    def load(port, stop):
        try:
            with connected(port) as connection:
                while not stop.is_set():
                    found.append(ask(connection, "POST", "/predict", ROWS))
        except Exception as error:
            errors.append(error)

    put(1)
    with serving(path, *WAYS[way]) as (port, _):
        stop = threading.Event()
        clients = [threading.Thread(target=load, args=(port, stop)) for _ in range(4)]
        for client in clients:
            client.start()
        for seed in (2, 3):
            put(seed)
            newest = max(expected)
            wait_until(lambda newest=newest: sum(answer["model"] == newest for _, answer in found[-8:]) == 8)
        stop.set()
        for client in clients:
            client.join()
    assert errors == []
    assert {status for status, _ in found} == {200}
    assert {answer["model"] for _, answer in found} == set(expected)
    for _, answer in found:
        assert answer["predictions"] == expected[answer["model"]].tolist()


def test_a_bad_file_and_bad_rows_leave_the_model_in_service(tmp_path):
    path = tmp_path / "ratings.fastfm"
    clicks = make_pipeline(FMEncoder(), FMClassifier(n_factors=2, max_iter=2)).fit(ROWS, [0, 1] * 10)
    save_model(path, clicks)
    with serving(path, *WAYS["forked"]) as (port, process), connected(port) as connection:
        status, answer = ask(connection, "POST", "/predict", ROWS)
        assert status == 200
        np.testing.assert_allclose(answer["predictions"], clicks.predict_proba(ROWS))
        (tmp_path / "next").write_bytes(b"no model")
        os.replace(tmp_path / "next", path)
        time.sleep(1.5)  # three looks at the file
        assert ask(connection, "POST", "/predict", ROWS) == (status, answer)
        save_model(path, clicks[-1])  # without its encoder
        time.sleep(1.5)
        assert ask(connection, "POST", "/predict", ROWS) == (status, answer)
        status, error = ask(connection, "POST", "/predict", {"user_id": [1]})
        assert status == 422
        assert "film_id" in error["detail"]
        save_model(path, clicks)
        wait_until(lambda: ask(connection, "GET", "/health")[1]["model"] == os.stat(path).st_mtime_ns)
    assert f"still serving the model of {answer['model']}" in process.log
    assert "holds a FMClassifier, not a Pipeline" in process.log
    assert process.returncode == 0  # as it was told to end


def test_all_processes_end_together(tmp_path):
    path = tmp_path / "ratings.fastfm"
    save_model(path, model_of(1))
    with serving(path, *WAYS["forked"]) as (port, process):
        workers = set()

        def both_answered():
            workers.add(answers(port)[1]["process"])
            return len(workers) == 2

        wait_until(both_answered)
        assert process.pid not in workers
        os.kill(workers.pop(), signal.SIGTERM)
        assert process.wait(timeout=30) > 0  # for systemd to start it again
    assert answers(port) is None


@pytest.fixture
def app(monkeypatch, tmp_path):
    """The module of the service, in this process."""
    save_model(tmp_path / "m.fastfm", model_of(1))
    monkeypatch.setenv("FASTFM_EXT_MODEL", str(tmp_path / "m.fastfm"))
    spec = importlib.util.spec_from_file_location("serving_app", FOLDER / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_answer_names_the_model_that_made_it_when_another_comes_meanwhile(app):
    old, new = app.served, app.served._replace(stamp=app.served.stamp._replace(mtime_ns=7))

    class Slow:
        def predict(self, columns):
            app.served = new
            return old.model.predict(columns)

    app.served = old._replace(model=Slow())
    answer = app.predict(ROWS)
    assert app.served is new
    assert answer == {"model": old.stamp.mtime_ns, "predictions": old.model.predict(ROWS).tolist()}


def test_the_socket_is_one_of_tcp_by_name(app):
    # Else asyncio leaves Nagle's algorithm on.
    with app.listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_unit_of_systemd_starts_the_service_with_words_that_it_knows(app):
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```ini\n(.+?)^```", page, re.M | re.S)
    unit = configparser.ConfigParser(strict=True)
    unit.optionxform = str
    unit.read_string(text)
    assert set(unit) == {"DEFAULT", "Unit", "Service", "Install"}
    python, script, *words = shlex.split(unit["Service"]["ExecStart"])
    assert python.endswith("/bin/python")
    assert script.endswith("/app.py")
    assert isinstance(app.parser().parse_args(words), argparse.Namespace)
    assert dict(setting.split("=") for setting in unit["Service"]["Environment"].split()).keys() >= {"FASTFM_EXT_MODEL"}
