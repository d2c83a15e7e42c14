"""How much faster is FMEncoder than scikit-learn's encoders? MovieLens 1M joined with users and films.

    python benchmarks/encode.py            # about two minutes
    python benchmarks/encode.py --quick    # under half a minute: a tenth of the rows, 2 rounds

Five categorical columns, one with several values a cell, one of numbers. The peer is a ColumnTransformer of
OneHotEncoder, CountVectorizer and StandardScaler on the pandas frame. All take turns in one process; the ratio is the
peer's time divided by the encoder's in the same round, by CPU time of the thread. Needs pandas; has rows for polars and
pyarrow where they are installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastfm_ext import FMEncoder, multi, numeric
from in_turn import time_in_turn
from real_data import find, open_file
from tables import markdown_table, median_and_range, three_digits

CATEGORIES = ["user_id", "gender", "occupation", "zip", "movie_id"]
PEER = "ColumnTransformer, pandas"


def movielens_1m() -> pd.DataFrame | None:
    """Return all ratings with their users and films, in the order of the file; None without the data."""
    files = [find(f"ml-1m/{name}") for name in ("ratings.csv", "users.dat", "movies.dat")]
    found = [file for file in files if file is not None]
    if len(found) < len(files):
        return None
    ratings, *others = found
    columns = (["user_id", "gender", "age", "occupation", "zip"], ["movie_id", "title", "genres"])
    frames = []
    for file, names in zip(others, columns, strict=True):
        with open_file(file) as stream:
            rows = [line.decode("latin-1").rstrip("\r\n").split("::") for line in stream]
        frame = pd.DataFrame(rows, columns=names)
        numbers = [name for name in ("user_id", "age", "occupation", "movie_id") if name in names]
        frames.append(frame.astype(dict.fromkeys(numbers, "int64")))
    with open_file(ratings) as stream:
        frame = pd.read_csv(stream)
    return frame.merge(frames[0], on="user_id").merge(frames[1], on="movie_id")


def made_up(n_rows: int) -> pd.DataFrame:
    """Return rows in the shape of MovieLens 1M: as many users, films, zip codes and genres, users in runs."""
    rng = np.random.default_rng(0)
    user, film = np.sort(rng.integers(1, 6041, n_rows)), rng.zipf(1.3, n_rows) % 3706 + 1
    names = np.array([f"Genre-{j}" for j in range(18)])
    genres = np.array(["|".join(sorted(rng.choice(names, rng.integers(1, 4), replace=False))) for _ in range(300)])
    zips = np.array([f"{z:05d}" for z in rng.integers(0, 99999, 3439)])
    columns = {"user_id": user, "gender": np.where(user % 3, "M", "F"), "age": user % 7 * 10, "occupation": user % 21}
    columns |= {"zip": zips[user % 3439], "movie_id": film, "genres": genres[film % 300]}
    return pd.DataFrame(columns)


def split_genres(cell: str) -> list[str]:
    """Return what CountVectorizer takes for the words of a cell."""
    return cell.split("|")


def peer() -> ColumnTransformer:
    """Return scikit-learn's way to encode the table to float32; unknown values give nothing, as in FMEncoder."""
    words = CountVectorizer(tokenizer=split_genres, token_pattern=None, lowercase=False, dtype=np.float32)
    encoders = [
        ("categories", OneHotEncoder(handle_unknown="ignore", dtype=np.float32), CATEGORIES),
        ("genres", words, "genres"),
        ("age", StandardScaler(), ["age"]),
    ]
    return ColumnTransformer(encoders, sparse_threshold=1.0)


def encoder() -> FMEncoder:
    """Return the same with FMEncoder; ones for genres, as CountVectorizer has them."""
    *user, film = CATEGORIES
    return FMEncoder(user=[*user, numeric("age")], item=[film, multi("genres", norm=None)])


def tables(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the frame as other libraries and other types hold it, as far as they are installed."""
    texts = ["gender", "zip", "genres"]
    found = {
        "FMEncoder, pandas": frame,
        "FMEncoder, pandas with text as objects": frame.astype(dict.fromkeys(texts, object)),
        "FMEncoder, pandas with categories": frame.astype(dict.fromkeys([*CATEGORIES, "genres"], "category")),
    }
    for library, name, convert in (
        ("polars", "FMEncoder, polars", lambda pl: pl.DataFrame(frame.to_dict("list"))),
        ("pyarrow", "FMEncoder, Arrow", lambda pa: pa.Table.from_pandas(frame, preserve_index=False)),
    ):
        try:
            found[name] = convert(import_module(library))
        except ImportError:
            print(f"without {library}")
    return found


def contenders(frame: pd.DataFrame) -> dict[tuple[str, str], Callable[[], object]]:
    """Return what is timed: name and task to a call."""
    runs: dict[tuple[str, str], Callable[[], object]] = {}
    for name, table, make in [(PEER, frame, peer), *((n, t, encoder) for n, t in tables(frame).items())]:
        fitted = make().fit(table)
        runs[name, "fit_transform"] = lambda make=make, table=table: make().fit_transform(table)
        runs[name, "transform"] = lambda fitted=fitted, table=table: fitted.transform(table)
    return runs


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, 2 rounds")
    quick = parser.parse_args(arguments).quick
    frame, source = movielens_1m(), "MovieLens 1M"
    if frame is None:
        frame, source = made_up(1_000_209), "made up in the shape of MovieLens 1M"
    frame = frame[[*CATEGORIES, "age", "genres"]].head(100_000 if quick else None)
    times = time_in_turn(contenders(frame), rounds=2 if quick else 7)
    rows = []
    for (name, task), own in times.items():
        ratios = [theirs / ours for theirs, ours in zip(times[PEER, task].cpu, own.cpu, strict=True)]
        rows.append([task, name, three_digits(median(own.cpu) / len(frame) * 1e9), median_and_range(ratios)])
    rows.sort(key=lambda row: row[0])
    print(f"{len(frame):,} rows, {source}\n")
    print(markdown_table(["task", "encoder and table", "ns/row", "times as fast as the ColumnTransformer"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
