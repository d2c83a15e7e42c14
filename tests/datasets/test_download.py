import hashlib
import io
import lzma
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fastfm_ext import datasets
from fastfm_ext.datasets import download as _download
from fastfm_ext.datasets import movielens

pd = pytest.importorskip("pandas")

CLOSED_PORT = "http://127.0.0.1:9/"
RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,3.5,101\n2,10,1.0,102\n"
MOVIES = 'movieId,title,genres\n10,Heat (1995),Action|Crime\n20,"American President, The (1995) ",(no genres listed)\n'
TINY_100K = {
    "ml-100k/u.data": "2\t1\t3\t881250949\n1\t3\t5\t891717742\n",
    "ml-100k/u.user": "1|24|M|technician|85711\n2|53|F|other|00043\n",
    "ml-100k/u.genre": "unknown|0\nAction|1\nDrama|2\n\n",
    "ml-100k/u.item": "1|Heat (1995)|x||u|0|1|1\n2|Two Friends (1986) |||u|0|0|1\n3|unknown||||1|0|0\n"
    "4|Caf\u00e9 (1995) (V)|||u|0|0|0\n",
}
TINY_1M = {
    "ml-1m/ratings.dat": "1::1193::5::978300760\n2::661::3::978302109\n",
    "ml-1m/users.dat": "1::F::1::10::48067\n2::M::56::0::70072-12\n",
    "ml-1m/movies.dat": "661::James and the Giant Peach (1996)::Animation|Children's\n"
    "1193::Caf\u00e9: One (1975)::Drama\n",
}
TINY_LATEST = {"ml-latest-small/ratings.csv": RATINGS, "ml-latest-small/movies.csv": MOVIES}


def zip_bytes(members, encoding="latin-1"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else content.encode(encoding))
    return buffer.getvalue()


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Put an archive into the data home, as the official one of its variant."""

    def put_archive(variant, content):
        archive = movielens._ARCHIVES[variant][0]
        digest = _download.Digest("sha256", hashlib.sha256(content).hexdigest())
        monkeypatch.setitem(movielens._ARCHIVES, variant, [archive._replace(digest=digest)])
        folder = tmp_path / "movielens"
        folder.mkdir(exist_ok=True)
        (folder / archive.file_name).write_bytes(content)
        return partial(datasets.fetch_movielens, variant, data_home=tmp_path, download_if_missing=False)

    return put_archive


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Serve a folder as the official site; `fail_first` requests are answered by error 503."""
    folder = tmp_path / "site"
    folder.mkdir()
    state = {"requests": 0, "fail_first": 0}

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            state["requests"] += 1
            if state["requests"] <= state["fail_first"]:
                self.send_error(503)
            else:
                super().do_GET()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setattr(movielens, "_BASE_URL", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield folder, state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr(movielens, "_BASE_URL", CLOSED_PORT)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


# --- reading the archives ---------------------------------------------------------------------------------------------


def test_ml_100k_is_read_into_tidy_tables(put):
    bunch = put("100k", zip_bytes(TINY_100K))()
    assert bunch.ratings.to_dict("list") == {
        "user_id": [2, 1],
        "movie_id": [1, 3],
        "rating": [3.0, 5.0],
        "timestamp": [881250949, 891717742],
    }
    assert list(bunch.users.columns) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert bunch.users["zip_code"].tolist() == ["85711", "00043"]
    assert bunch.movies["title"].tolist() == ["Heat (1995)", "Two Friends (1986)", "unknown", "Caf\u00e9 (1995) (V)"]
    assert bunch.movies["year"].tolist() == [1995, 1986, pd.NA, 1995]
    assert bunch.movies["genres"].tolist() == ["Action|Drama", "Drama", "unknown", ""]
    assert "2 ratings of 4 films by 2 users" in bunch.DESCR
    assert "commercial use needs GroupLens's permission" in bunch.DESCR


def test_ml_1m_is_read_into_the_same_columns(put):
    bunch = put("1m", zip_bytes(TINY_1M))()
    assert bunch.users.to_dict("list") == {
        "user_id": [1, 2],
        "age": [1, 56],
        "gender": ["F", "M"],
        "occupation": ["K-12 student", "other"],
        "zip_code": ["48067", "70072-12"],
    }
    assert bunch.movies["title"].tolist() == ["James and the Giant Peach (1996)", "Caf\u00e9: One (1975)"]
    assert bunch.ratings["rating"].tolist() == [5.0, 3.0]


def test_ml_latest_small_has_users_with_an_id_only(put):
    bunch = put("latest-small", zip_bytes(TINY_LATEST, "utf-8"))()
    assert bunch.users.to_dict("list") == {"user_id": [1, 2]}
    assert bunch.movies["genres"].tolist() == ["Action|Crime", ""]
    assert bunch.movies["title"].tolist()[1] == "American President, The (1995)"


def test_original_files_and_the_copy_in_the_wheel_give_equal_tables(put, data_dir, tmp_path):
    copy = _fetch_from_wheel(tmp_path / "wheel")
    original = put("100k", _original_100k(data_dir))()
    for name in ("ratings", "users", "movies"):
        pd.testing.assert_frame_equal(original[name], copy[name])
    assert original.ratings.shape == (100_000, 4)
    assert original.users.shape == (943, 5)
    assert original.movies.shape == (1682, 4)
    assert original.movies["year"].isna().sum() == 1


def test_ml_1m_films_and_users_of_the_real_files(put, data_dir):
    members = {f"ml-1m/{name}": lzma.decompress((data_dir / f"ml-1m/{name}.xz").read_bytes()) for name in
               ("movies.dat", "users.dat")}  # fmt: skip
    bunch = put("1m", zip_bytes({**members, "ml-1m/ratings.dat": TINY_1M["ml-1m/ratings.dat"]}))()
    assert len(bunch.movies) == 3883
    assert len(bunch.users) == 6040
    assert bunch.movies["year"].notna().all()
    assert bunch.users["occupation"].nunique() == 21


def _original_100k(data_dir):
    source = data_dir / "ml-100k"
    members = {f"ml-100k/{name}": lzma.decompress((source / f"{name}.xz").read_bytes()) for name in
               ("u.data", "u.user", "u.item")}  # fmt: skip
    return zip_bytes({**members, "ml-100k/u.genre": (source / "u.genre").read_bytes()})


def _fetch_from_wheel(folder):
    """Run the second source for real, or skip the test where pip cannot download."""
    folder.mkdir()
    official = movielens._ARCHIVES["100k"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(movielens._ARCHIVES, "100k", official[1:])
        try:
            return datasets.fetch_movielens("100k", data_home=folder)
        except OSError as error:
            if "checksum" in str(error):
                raise
            pytest.skip(f"pip cannot download here: {error}")


# --- getting the archives ---------------------------------------------------------------------------------------------


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
