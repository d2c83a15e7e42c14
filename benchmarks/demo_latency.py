"""Latency of the demo: how long the server takes to answer a click, over HTTP on one machine.

    python benchmarks/demo_latency.py                        # MovieLens 100K and 1M
    python benchmarks/demo_latency.py --only ml-100k

`fastfm-ext demo` runs in a process of its own; this one asks one question at a time over one connection, as the page
does. Likes are mostly films that many users chose. The recommender is that of the command, and beside it
one to which guests are folded in by steps, as is the default of FMRanker. Processor time is that
of the server, and tells more than the clock where other programs run. The data is in the folder of FASTFM_EXT_DATA.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from fastfm_ext import FMRanker, FMRecommender, multi
from fastfm_ext.datasets import load_movielens_csv
from real_data import open_data
from tables import markdown_table

QUESTIONS = 400
WORDS = ("the", "star", "love story", "e", "matrix", "zzz", "")
N_LIKES = (1, 10, 50)


def write_csv(name: str, folder: Path) -> list[str]:
    """Write ratings and films in the form that `fastfm-ext demo` reads; return its words."""
    ratings, films = folder / f"{name}-ratings.csv", folder / f"{name}-movies.csv"
    with ratings.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["userId", "movieId", "rating"])
        writer.writerows(ratings_of(name))
    with films.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["movieId", "title", "genres"])
        writer.writerows(films_of(name))
    return ["--ratings", str(ratings), "--movies", str(films)]


def ratings_of(name: str) -> Iterator[list[str]]:
    path, mark, is_header = {
        "ml-100k": ("ml-100k/u.data", "\t", False),
        "ml-1m": ("ml-1m/ratings.csv", ",", True),
    }[name]
    with open_data(path) as stream:
        for at, line in enumerate(stream):
            if at or not is_header:
                yield line.decode().split(mark)[:3]


def films_of(name: str) -> Iterator[list[str]]:
    if name == "ml-1m":
        with open_data("ml-1m/movies.dat") as stream:
            yield from (line.decode("latin-1").strip().split("::") for line in stream)
        return
    with open_data("ml-100k/u.genre") as stream:
        genres = [line.decode().split("|")[0] for line in stream if b"|" in line]
    with open_data("ml-100k/u.item") as stream:
        for line in stream:
            cells = line.decode("latin-1").strip().split("|")
            flagged = [genre for genre, flag in zip(genres, cells[5:], strict=True) if flag == "1"]
            yield [cells[0], cells[1], "|".join(flagged)]


def save_folded(words: list[str], path: Path) -> list[str]:
    """Train a recommender of users with ids, to which guests are folded in by steps; return the words to serve it."""
    data = load_movielens_csv(words[1], words[3])
    liked = data.ratings.loc[data.ratings["rating"] >= 4, ["user_id", "movie_id"]]
    ranker = FMRanker(32, temperature=0.4, max_iter=5, early_stopping=False, random_state=0)
    item = ["movie_id", multi("genres", sep="|")]
    FMRecommender(ranker).fit(liked, user="user_id", item=item, items=data.movies).save(path)
    return [str(path)]


@contextmanager
def serving(words: list[str]) -> Iterator[tuple[int, int]]:
    """Run the command; give its port and the number of its process."""
    command = [sys.executable, "-m", "fastfm_ext", "demo", *words, "--no-browser", "--port", "0", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
        assert found, "the server has not begun"
        try:
            yield int(found[1]), process.pid
        finally:
            process.send_signal(signal.SIGINT)


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has had; NaN where the system does not say."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(connection: http.client.HTTPConnection, question: str, **words: object) -> tuple[float, Any]:
    """Return the milliseconds that an answer took, and the answer."""
    began = time.perf_counter()
    connection.request("GET", f"/api/{question}?{urlencode(words)}")
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - began
    assert response.status == 200, content
    return 1000 * seconds, json.loads(content)


def questions(items: list[int]) -> dict[str, list[tuple[str, dict[str, object]]]]:
    """Return questions by kind, of items of which most users chose the first ones."""
    rng = np.random.default_rng(0)
    chances = 1.0 / np.arange(10, 10 + len(items))
    chances /= chances.sum()
    found: dict[str, list[tuple[str, dict[str, object]]]] = {}
    for n in N_LIKES:
        drawn = [rng.choice(items, n, replace=False, p=chances) for _ in range(QUESTIONS)]
        found[f"{n} like{'s' if n > 1 else ''}, 10 films with reasons"] = [
            ("recommend", {"likes": ",".join(map(str, likes)), "n": 10}) for likes in drawn
        ]
    found["10 similar films"] = [("similar", {"item": item}) for item in rng.choice(items, QUESTIONS)]
    found["a search"] = [("search", {"q": WORDS[at % len(WORDS)]}) for at in range(QUESTIONS)]
    found["the map"] = [("map", {})] * 100
    return found


def measure(port: int, process: int) -> Iterator[list[str]]:
    """Yield the kind of question, its median and 99th percentile, and the mean processor time of an answer."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        items = timed(connection, "map")[1]["items"]  # what most users chose comes first
        for kind, asked in questions(items).items():
            before = processor_seconds(process)
            taken = [timed(connection, question, **words)[0] for question, words in asked]
            processor = 1000 * (processor_seconds(process) - before) / len(asked)
            half, last = np.percentile(taken, [50, 99])
            yield [kind, f"{half:.1f}", f"{last:.1f}", f"{processor:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("ml-100k", "ml-1m"))
    only = parser.parse_args().only
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in [only] if only else ["ml-100k", "ml-1m"]:
            films = write_csv(name, Path(scratch))
            for kind in ("histories", "folded in"):
                words = films if kind == "histories" else save_folded(films, Path(scratch) / "folded.fastfm")
                with serving(words) as (port, process):
                    for measured in measure(port, process):
                        rows.append([name, kind, *measured])
                        print(*rows[-1], flush=True)
    headings = ["data", "users by", "question", "median ms", "99th percentile ms", "processor ms"]
    print(markdown_table(headings, rows))


if __name__ == "__main__":
    main()
