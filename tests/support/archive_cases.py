"""Small archives of data sets, a data home to put them into, and a site that serves them."""

import hashlib
import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import pytest

from fastfm_ext import datasets
from fastfm_ext.datasets import download as _download
from fastfm_ext.datasets import movielens

RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,3.5,101\n2,10,1.0,102\n"
MOVIES = 'movieId,title,genres\n10,Heat (1995),Action|Crime\n20,"American President, The (1995) ",(no genres listed)\n'


TINY_100K = {
    "ml-100k/u.data": "2\t1\t3\t881250949\n1\t3\t5\t891717742\n",
    "ml-100k/u.user": "1|24|M|technician|85711\n2|53|F|other|00043\n",
    "ml-100k/u.genre": "unknown|0\nAction|1\nDrama|2\n\n",
    "ml-100k/u.item": "1|Heat (1995)|x||u|0|1|1\n2|Two Friends (1986) |||u|0|0|1\n3|unknown||||1|0|0\n"
    "4|Caf\u00e9 (1995) (V)|||u|0|0|0\n",
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


TINY_1M = {
    "ml-1m/ratings.dat": "1::1193::5::978300760\n2::661::3::978302109\n",
    "ml-1m/users.dat": "1::F::1::10::48067\n2::M::56::0::70072-12\n",
    "ml-1m/movies.dat": "661::James and the Giant Peach (1996)::Animation|Children's\n"
    "1193::Caf\u00e9: One (1975)::Drama\n",
}


class Site(NamedTuple):
    """A folder that is served, where, and how many requests came; the first `fail_first` are answered by error 503."""

    folder: object
    url: str
    state: dict


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Serve a folder on the loopback."""
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
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield Site(folder, f"http://127.0.0.1:{server.server_port}/", state)
    server.shutdown()
    thread.join()
    server.server_close()
