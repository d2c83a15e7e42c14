"""Web application of the demo: the page, and the questions that it asks."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import Int64
from fastfm_ext._common.extras import require
from fastfm_ext.demo.answers import Answers
from fastfm_ext.demo.guard import OwnPagesOnly

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_LIKES, MOST_ITEMS, LONGEST_SEARCH = 50, 50, 200
HIGHEST_POPULARITY = 2.0
_FILES = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
}


class QuestionError(ValueError):
    """A question that cannot be answered; the message says what is wrong with it."""


def make_app(answers: Answers, host: str = "127.0.0.1") -> Any:
    """Return the application as an ASGI callable.

    Every question is a GET request that holds all that the answer depends on, so that nothing is kept about anybody.

    Parameters
    ----------
    answers : Answers
    host : str
        The name or address that the server listens at.

    Raises
    ------
    ImportError
        If starlette is not installed.
    """
    application = require("starlette.applications", "demo").Starlette
    route = require("starlette.routing", "demo").Route
    middleware = require("starlette.middleware", "demo").Middleware
    http_error = require("starlette.exceptions", "demo").HTTPException
    compress = require("starlette.middleware.gzip", "demo").GZipMiddleware
    routes = [route(path, _page(*file)) for path, file in _FILES.items()]
    questions = {"about": _about, "items": _items, "search": _search, "recommend": _recommend, "similar": _similar}
    routes += [route(f"/api/{name}", _asked(answers, question)) for name, question in questions.items()]
    routes.append(route("/api/map", _asked(answers, lambda answers, words: answers.map())))
    return application(
        routes=routes,
        # The map of five thousand titles is half a megabyte.
        middleware=[middleware(OwnPagesOnly, host=host), middleware(compress, minimum_size=20_000)],
        exception_handlers={
            QuestionError: lambda request, error: _error(422, str(error)),
            http_error: lambda request, error: _error(error.status_code, error.detail),
        },
    )


def _page(name: str, media_type: str) -> Any:
    """Return the endpoint of a file of the package."""
    content = (files("fastfm_ext.demo") / "static" / name).read_bytes()
    response = require("starlette.responses", "demo").Response

    async def endpoint(request: Request) -> Response:
        return response(content, media_type=media_type)  # type: ignore[no-any-return]

    return endpoint


def _asked(answers: Answers, question: Any) -> Any:
    """Return the endpoint of a question."""
    response = require("starlette.responses", "demo").JSONResponse

    # Not async: it is called in a thread, and the kernels let other threads run meanwhile.
    def endpoint(request: Request) -> Response:
        words = dict(request.query_params.multi_items())
        tag = words.pop("model", answers.catalog.tag)
        if tag != answers.catalog.tag:
            return _error(409, "The server now serves another model. Load the page again.")
        return response(question(answers, words))  # type: ignore[no-any-return]

    return endpoint


def _error(status: int, message: str) -> Response:
    """Return an answer that says in plain words what is wrong."""
    json: Any = require("starlette.responses", "demo").JSONResponse
    return json({"error": message}, status_code=status)  # type: ignore[no-any-return]


def _about(answers: Answers, words: dict[str, str]) -> dict[str, Any]:
    limits = {"most_likes": MOST_LIKES, "most_items": MOST_ITEMS, "highest_popularity": HIGHEST_POPULARITY}
    return answers.about() | limits


def _items(answers: Answers, words: dict[str, str]) -> dict[str, Any]:
    return answers.items(_places(answers, words, "items"))


def _search(answers: Answers, words: dict[str, str]) -> dict[str, Any]:
    text = words.get("q", "")
    if len(text) > LONGEST_SEARCH:
        raise QuestionError(f"q: a search has at most {LONGEST_SEARCH} letters; this one has {len(text)}.")
    return answers.search(text, _count(words, 8))


def _recommend(answers: Answers, words: dict[str, str]) -> dict[str, Any]:
    likes, n = _places(answers, words, "likes"), _count(words, 10)
    text = words.get("popularity", "1")
    if not re.fullmatch(r"\d{1,2}(\.\d{1,6})?", text, re.ASCII) or not 0 <= float(text) <= HIGHEST_POPULARITY:
        raise QuestionError(f"popularity must be a number from 0 to {HIGHEST_POPULARITY:g}, not {_quoted(text)}.")
    try:
        return answers.recommend(likes, n, float(text))
    except ValueError as error:
        raise QuestionError(f"likes: {error}") from error


def _similar(answers: Answers, words: dict[str, str]) -> dict[str, Any]:
    places = _places(answers, words, "item")
    if len(places) != 1:
        raise QuestionError(f"item must be the number of one item, not {_quoted(words.get('item', ''))}.")
    try:
        return answers.similar(int(places[0]), _count(words, 10))
    except ValueError as error:
        raise QuestionError(f"item: {error}") from error


def _count(words: dict[str, str], default: int) -> int:
    text = words.get("n", str(default))
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII) or not 1 <= int(text) <= MOST_ITEMS:
        raise QuestionError(f"n must be a whole number from 1 to {MOST_ITEMS}, not {_quoted(text)}.")
    return int(text)


def _places(answers: Answers, words: dict[str, str], name: str) -> Int64:
    """Return the numbers of items, (n,), each once."""
    text = words.get(name, "")
    if text and not re.fullmatch(r"\d{1,9}(,\d{1,9})*", text, re.ASCII):
        raise QuestionError(f"{name} must be numbers of items with commas between them, not {_quoted(text)}.")
    found = list(dict.fromkeys(map(int, text.split(",")))) if text else []
    if len(found) > MOST_LIKES:
        raise QuestionError(f"{name}: at most {MOST_LIKES} items, not {len(found)}.")
    unknown = [place for place in found if not answers.catalog.has(place)]
    if unknown:
        raise QuestionError(f"{name}: there is no item number {unknown[0]}.")
    return np.array(found, dtype=np.int64)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
