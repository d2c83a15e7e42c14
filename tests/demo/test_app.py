"""The server answers its own page in plain words, refuses everybody else, and keeps nothing."""

import contextlib
import html.parser
import json
import re
import signal
from importlib.resources import files

import pytest

from demo_cases import TITLES, ask, recommender_of_films, request, serving
from fastfm_ext.demo.guard import HEADERS
from recommender_cases import N_FILMS

pytest.importorskip("starlette", reason="needs starlette")
pytest.importorskip("uvicorn", reason="needs uvicorn")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("demo") / "films.fastfm"
    recommender_of_films().save(path)
    return path


@pytest.fixture(scope="module")
def port(path):
    with serving(path) as (port, _):
        yield port


def error_of(answer):
    status, headers, text = answer
    assert headers["content-type"] == "application/json"
    return status, json.loads(text)["error"]


def test_questions_are_answered(port):
    about = ask(port, "about")
    assert about["items"] == N_FILMS
    (film,) = ask(port, "search", q="amelie", n=3)["items"]
    found = ask(port, "recommend", likes=film["item"], n=4, popularity="0.5", model=about["model"])
    assert [item["title"] for item in found["likes"]] == ["Amélie & Co."]
    assert len(found["items"]) == 4
    assert found["items"][0]["because"][0]["title"] == "Amélie & Co."
    assert len(ask(port, "similar", item=3, n=5)["items"]) == 5
    assert [item["item"] for item in ask(port, "items", items="5,3,5")["items"]] == [5, 3]
    assert len(ask(port, "map")["items"]) == N_FILMS


BAD = {
    "n=0": ("recommend", {"n": 0}, "n must be a whole number from 1 to 50, not '0'."),
    "n=51": ("recommend", {"n": 51}, "n must be a whole number from 1 to 50, not '51'."),
    "n=1e9": ("search", {"n": "1e9"}, "n must be a whole number"),
    "n of other digits": ("search", {"n": "٣"}, "n must be a whole number"),
    "popularity=3": ("recommend", {"popularity": 3}, "popularity must be a number from 0 to 2, not '3'."),
    "popularity=-1": ("recommend", {"popularity": -1}, "popularity must be a number"),
    "popularity=nan": ("recommend", {"popularity": "nan"}, "popularity must be a number"),
    "popularity=inf": ("recommend", {"popularity": "inf"}, "popularity must be a number"),
    "likes=x": ("recommend", {"likes": "x"}, "likes must be numbers of items with commas between them, not 'x'."),
    "likes=1,,2": ("recommend", {"likes": "1,,2"}, "likes must be numbers of items"),
    "likes=-1": ("recommend", {"likes": "-1"}, "likes must be numbers of items"),
    "unknown like": ("recommend", {"likes": "3,24"}, "likes: there is no item number 24."),
    "huge like": ("recommend", {"likes": "9" * 200}, "not '999999999999999999999999999999999999999…'."),
    "too many likes": ("recommend", {"likes": ",".join(map(str, range(51)))}, "likes: at most 50 items, not 51."),
    "no item": ("similar", {}, "item must be the number of one item, not ''."),
    "two items": ("similar", {"item": "1,2"}, "item must be the number of one item, not '1,2'."),
    "long search": ("search", {"q": "a" * 201}, "q: a search has at most 200 letters; this one has 201."),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_question_is_told_what_is_wrong_with_it(port, name):
    question, words, message = BAD[name]
    status, error = error_of(request(port, f"/api/{question}", **words))
    assert status == 422
    assert message in error


def test_another_model_s_numbers_are_refused(port):
    status, error = error_of(request(port, "/api/recommend", likes=1, model="0123456789ab"))
    assert (status, error) == (409, "The server now serves another model. Load the page again.")


def test_there_is_nothing_else_to_get_or_to_change(port):
    assert error_of(request(port, "/api/nothing")) == (404, "Not Found")
    assert error_of(request(port, "/../../etc/passwd")) == (404, "Not Found")
    assert error_of(request(port, "/static/app.js")) == (404, "Not Found")
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert error_of(request(port, "/api/recommend", method)) == (405, "Method Not Allowed")


def test_a_request_without_an_end_is_cut_off(port):
    # The server may have closed the connection before all was sent, or read.
    with contextlib.suppress(ConnectionError):
        assert request(port, "/api/recommend?likes=" + "1" * 200_000)[0] == 400
    assert ask(port, "about")


FOREIGN_HOSTS = [
    "example.com",
    "example.com:PORT",
    "127.0.0.1.example.com",
    "localhost.example.com",
    "127.0.0.1@example.com",
    "example.com@127.0.0.1",
    "192.168.0.1",
    "[::ffff:192.168.0.1]",
    "0x7f000001",
    "127.0.0.1:x",
    "127.0.0.1 example.com",
    "",
    ["127.0.0.1", "example.com"],
]


@pytest.mark.parametrize("host", FOREIGN_HOSTS, ids=str)
def test_a_foreign_name_of_this_machine_is_refused(port, host):
    hosts = [name.replace("PORT", str(port)) for name in ([host] if isinstance(host, str) else host)]
    for path in ("/", "/api/about"):
        status, headers, text = request(port, path, headers={"Host": hosts})
        assert status in (400, 403)
        assert "items" not in text
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("host", ["localhost", "localhost:PORT", "LOCALHOST", "127.0.0.1", "127.0.0.2", "[::1]:PORT"])
def test_names_of_this_machine_are_its_own(port, host):
    assert request(port, "/api/about", headers={"Host": host.replace("PORT", str(port))})[0] == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("origin", ["http://example.com", "null", "http://127.0.0.1:1", "https://127.0.0.1:PORT", ""])
def test_a_page_from_elsewhere_is_refused(port, method, origin):
    headers = {"Origin": origin.replace("PORT", str(port))}
    status, sent, text = request(port, "/api/about", method, headers=headers)
    assert (status, text) == (403, "This server answers only to its own page.")
    assert not [name for name in sent if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_another_page_may_link_here_but_not_ask(port, site, mode, status):
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert request(port, "/api/about", headers=headers)[0] == status


def test_the_own_page_is_answered(port):
    headers = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    assert request(port, "/api/about", headers=headers)[0] == 200


@pytest.mark.parametrize("target", ["/", "/app.js", "/style.css", "/api/about", "/nothing"])
def test_every_answer_has_the_headers_of_a_strict_page(port, target):
    _, headers, _ = request(port, target)
    assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert not [source for source in policy.values() if "unsafe" in source or "*" in source or "http" in source]


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.handlers = [], []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


def test_the_page_needs_nothing_from_elsewhere(port):
    status, headers, text = request(port, "/")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    links = Links()
    links.feed(text)
    assert links.handlers == []
    own = [link for link in links.found if not link.startswith(("#", "data:"))]
    assert sorted(own) == ["app.js", "style.css"]
    for name in own:
        assert request(port, f"/{name}")[0] == 200
    for name in ("index.html", "style.css", "app.js"):
        content = (files("fastfm_ext.demo") / "static" / name).read_text(encoding="utf-8")
        assert not re.search(
            r"https?://(?!www\.w3\.org/2000/svg)|\bimport\b|@import|\burl\(|innerHTML|\beval\b", content
        )


def test_hostile_titles_come_as_data(port):
    found = {item["title"] for item in ask(port, "search", n=24)["items"]}
    assert {TITLES[0], TITLES[6]} <= found
    _, headers, _ = request(port, "/api/search", q="script")
    assert headers["content-type"] == "application/json"


def test_a_server_that_was_killed_goes_on_where_it_was(path):
    question = {"likes": "3,1,9", "n": 8, "popularity": "1.3"}
    with serving(path) as (port, process):
        before, about = ask(port, "recommend", **question), ask(port, "about")
        process.kill()
        process.wait(timeout=30)
    with serving(path, port=port) as (again, _):
        assert again == port  # at once, on the same port
        assert ask(port, "about") == about
        assert ask(port, "recommend", model=about["model"], **question) == before


def test_the_server_ends_well_when_it_is_told_to(path):
    with serving(path) as (port, process):
        assert ask(port, "about")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert process.log == ("", "")
