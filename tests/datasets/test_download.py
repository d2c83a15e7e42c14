import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import archive_cases
from archive_cases import TINY_100K, TINY_LATEST, zip_bytes
from fastfm_ext import datasets
from fastfm_ext.datasets import movielens

put = archive_cases.put
site = archive_cases.site

pd = pytest.importorskip("pandas")

CLOSED_PORT = "http://127.0.0.1:9/"


@pytest.fixture
def serve(site, monkeypatch):
    """Serve a folder as the official site."""
    monkeypatch.setattr(movielens, "_BASE_URL", site.url)
    return site.folder, site.state


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(movielens, "_BASE_URL", CLOSED_PORT)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_fetch_downloads_once_and_then_needs_no_network(serve, put, tmp_path):
    folder, state = serve
    content = zip_bytes(TINY_LATEST)
    (folder / "ml-latest-small.zip").write_bytes(content)
    first = datasets.fetch_movielens("latest-small", data_home=tmp_path / "home")
    second = datasets.fetch_movielens("latest-small", data_home=tmp_path / "home")
    assert state["requests"] == 1
    pd.testing.assert_frame_equal(first.ratings, second.ratings)
    assert [path.name for path in (tmp_path / "home/movielens").iterdir()] == ["ml-latest-small.zip"]
    assert first.origin.startswith("http://127.0.0.1")


def test_fetch_tries_again_after_a_server_error(serve, tmp_path):
    folder, state = serve
    state["fail_first"] = 1
    (folder / "ml-latest-small.zip").write_bytes(zip_bytes(TINY_LATEST))
    with pytest.warns(UserWarning, match="HTTP error 503"):
        datasets.fetch_movielens("latest-small", data_home=tmp_path, n_retries=1, delay=0.0)
    assert state["requests"] == 2


def test_fetch_gives_up_after_n_retries(serve, tmp_path):
    _, state = serve
    state["fail_first"] = 10
    with pytest.raises(OSError, match="HTTP error 503"):
        datasets.fetch_movielens("1m", data_home=tmp_path, n_retries=0)
    assert state["requests"] == 1


def test_a_missing_file_on_the_server_is_not_tried_again(serve, tmp_path):
    _, state = serve
    with pytest.raises(OSError, match="HTTP error 404"):
        datasets.fetch_movielens("1m", data_home=tmp_path, n_retries=5, delay=0.0)
    assert state["requests"] == 1


@pytest.mark.parametrize(("variant", "problem"), [("1m", "md5 checksum is"), ("latest-small", "not a zip file")])
def test_a_wrong_download_is_refused_and_leaves_nothing(serve, tmp_path, variant, problem):
    folder, _ = serve
    (folder / f"ml-{variant}.zip").write_bytes(b"<html>please log in</html>")
    with pytest.raises(OSError, match=problem):
        datasets.fetch_movielens(variant, data_home=tmp_path / "home")
    assert list((tmp_path / "home/movielens").iterdir()) == []


def test_a_broken_connection_is_tried_again_then_reported(monkeypatch, tmp_path):
    class HangUp(BaseHTTPRequestHandler):
        def do_GET(self):
            self.close_connection = True

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), HangUp)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(movielens, "_BASE_URL", f"http://127.0.0.1:{server.server_port}/")
    try:
        with pytest.warns(UserWarning, match="trying again"), pytest.raises(OSError, match="closed connection"):
            datasets.fetch_movielens("1m", data_home=tmp_path, n_retries=1, delay=0.0)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_offline_error_says_what_was_tried_and_where_to_put_the_file(offline, monkeypatch, tmp_path):
    failure = subprocess.CompletedProcess([], 1, stdout="", stderr="WARNING: x\nERROR: No matching distribution\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: failure)
    with pytest.raises(OSError, match="MovieLens 100k could not be downloaded") as caught:
        datasets.fetch_movielens("100k", data_home=tmp_path)
    message = str(caught.value)
    assert f"{CLOSED_PORT}ml-100k.zip: no connection" in message
    assert "pip download recbole==1.2.1: ERROR: No matching distribution" in message
    assert f"save it as {tmp_path / 'movielens' / 'ml-100k.zip'}" in message


def test_only_100k_has_a_second_source(offline, tmp_path):
    with pytest.raises(OSError, match=r"ml-1m\.zip: no connection") as caught:
        datasets.fetch_movielens("1m", data_home=tmp_path)
    assert "pip" not in str(caught.value)


@pytest.mark.parametrize("outcome", ["wrong file", "no file", "too slow"])
def test_a_wheel_that_cannot_be_had_or_trusted_is_an_error(offline, monkeypatch, tmp_path, outcome):
    def run(command, **kwargs):
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        assert {"--no-deps", "--only-binary=:all:"} <= set(command)
        if outcome == "too slow":
            raise subprocess.TimeoutExpired(command, kwargs["timeout"])
        if outcome == "wrong file":
            folder = Path(command[command.index("--dest") + 1])
            (folder / "recbole-1.2.1-py3-none-any.whl").write_bytes(zip_bytes({"a": "b"}))
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    expected = {"wrong file": "sha256 checksum is", "no file": "pip did not deliver", "too slow": "no result within"}
    with pytest.raises(OSError, match=expected[outcome]):
        datasets.fetch_movielens("100k", data_home=tmp_path)
    assert list((tmp_path / "movielens").iterdir()) == []


def test_fetch_does_not_download_when_told_not_to(tmp_path):
    with pytest.raises(OSError, match="download_if_missing is False"):
        datasets.fetch_movielens("100k", data_home=tmp_path, download_if_missing=False)


def test_an_archive_that_was_changed_on_disk_is_not_used(put, tmp_path):
    fetch = put("100k", zip_bytes(TINY_100K))
    (tmp_path / "movielens/ml-100k.zip").write_bytes(b"garbage")
    with (
        pytest.warns(UserWarning, match="is not used: its sha256"),
        pytest.raises(OSError, match="not on this machine"),
    ):
        fetch()


def test_an_archive_without_the_expected_members_is_damaged(put):
    with pytest.raises(OSError, match=r"ml-100k\.zip is damaged.*u\.data"):
        put("100k", zip_bytes({"../evil": "x"}))()


def test_members_that_name_paths_outside_are_not_written(put, tmp_path):
    evil = {"../../escaped.txt": "x", f"{tmp_path}/absolute.txt": "x", "ml-100k/../../../escaped.txt": "x"}
    assert len(put("100k", zip_bytes(TINY_100K | evil))().ratings) == 2
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["ml-100k.zip"]
    assert not list(tmp_path.parent.glob("*.txt"))


def test_unknown_variant_is_refused():
    with pytest.raises(ValueError, match="variant must be one of '100k', '1m', 'latest-small', got '20m'"):
        datasets.fetch_movielens("20m")
