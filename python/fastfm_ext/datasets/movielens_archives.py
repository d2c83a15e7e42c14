"""Readers of the MovieLens archives, each into the same three tables.

Only members named here are read, in memory: nothing is unpacked to the disk, so no member's path matters.
"""

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING
from zipfile import ZipFile

from fastfm_ext._common.extras import require
from fastfm_ext.datasets.csv_text import CsvFile
from fastfm_ext.datasets.movielens_csv import Tables, movies_table, read_csv_tables

if TYPE_CHECKING:
    import pandas as pd

RATING_COLUMNS = ["user_id", "movie_id", "rating", "timestamp"]
RATING_DTYPES = {"user_id": "int64", "movie_id": "int64", "rating": "float64", "timestamp": "int64"}
USER_COLUMNS = ["user_id", "age", "gender", "occupation", "zip_code"]
USER_DTYPES = {"user_id": "int64", "age": "int64", "gender": str, "occupation": str, "zip_code": str}
# Occupations by their number in users.dat of ml-1m, in the words of ml-100k where both have one.
OCCUPATIONS_1M = (
    "other",
    "educator",
    "artist",
    "clerical",
    "college student",
    "customer service",
    "doctor",
    "executive",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "salesman",
    "scientist",
    "self-employed",
    "technician",
    "craftsman",
    "unemployed",
    "writer",
)


def read_ml_100k(archive: ZipFile) -> Tables:
    """Read GroupLens's ml-100k.zip."""
    ratings = _read(archive, "ml-100k/u.data", "\t", RATING_COLUMNS, RATING_DTYPES)
    users = _read(archive, "ml-100k/u.user", "|", USER_COLUMNS, USER_DTYPES)
    genres = [line.split("|")[0] for line in archive.read("ml-100k/u.genre").decode().splitlines() if line]
    columns = ["movie_id", "title", "release", "video_release", "url", *genres]
    dtypes = {"movie_id": "int64", "title": str} | dict.fromkeys(genres, "int64")
    films = _read(archive, "ml-100k/u.item", "|", columns, dtypes)
    films["genres"] = [
        "|".join(genre for genre, flag in zip(genres, flags, strict=True) if flag) for flags in films[genres].to_numpy()
    ]
    return Tables(ratings, users, movies_table(films["movie_id"], films["title"], films["genres"]))


def read_ml_100k_from_recbole(archive: ZipFile) -> Tables:
    """Read the copy of ml-100k in RecBole's wheel: the same rows, but the year is a column apart from the title."""
    folder = "recbole/dataset_example/ml-100k/ml-100k"
    ratings = _read(archive, f"{folder}.inter", "\t", RATING_COLUMNS, RATING_DTYPES, "utf-8", header=0)
    users = _read(archive, f"{folder}.user", "\t", USER_COLUMNS, USER_DTYPES, "utf-8", header=0)
    columns = ["movie_id", "title", "year", "genres"]
    dtypes = {"movie_id": "int64"} | dict.fromkeys(columns[1:], str)
    films = _read(archive, f"{folder}.item", "\t", columns, dtypes, "utf-8", header=0)
    # One film has no title and no year: "unknown" in the original, and misspelt in this copy.
    nameless = films["year"] == "unkonwn"
    title = (films["title"] + " (" + films["year"] + ")").where(~nameless, "unknown")
    return Tables(ratings, users, movies_table(films["movie_id"], title, films["genres"].str.replace(" ", "|")))


def read_ml_1m(archive: ZipFile) -> Tables:
    """Read GroupLens's ml-1m.zip."""
    ratings = _read(archive, "ml-1m/ratings.dat", "::", RATING_COLUMNS, RATING_DTYPES)
    columns = ["user_id", "gender", "age", "occupation", "zip_code"]
    users = _read(archive, "ml-1m/users.dat", "::", columns, USER_DTYPES | {"occupation": "int64"})[USER_COLUMNS]
    users["occupation"] = users["occupation"].map(dict(enumerate(OCCUPATIONS_1M)))
    dtypes = {"movie_id": "int64", "title": str, "genres": str}
    films = _read(archive, "ml-1m/movies.dat", "::", list(dtypes), dtypes)
    return Tables(ratings, users, movies_table(films["movie_id"], films["title"], films["genres"]))


def read_ml_latest_small(archive: ZipFile) -> Tables:
    """Read GroupLens's ml-latest-small.zip."""
    names = ("ml-latest-small/ratings.csv", "ml-latest-small/movies.csv")
    ratings, movies = (CsvFile(io.BytesIO(archive.read(name)), name) for name in names)
    return read_csv_tables(ratings, movies)


def _read(
    archive: ZipFile,
    member: str,
    sep: str,
    columns: list[str],
    dtypes: Mapping[str, object],
    encoding: str = "latin-1",
    header: int | None = None,
) -> "pd.DataFrame":
    pd = require("pandas", "pandas")
    text = archive.read(member).decode(encoding)
    if len(sep) > 1:
        # pandas splits at a longer separator in Python only, ten times slower.
        text, sep = text.replace(sep, "\t"), "\t"
    return pd.read_csv(
        io.StringIO(text),
        sep=sep,
        header=header,
        names=columns,
        dtype=dtypes,
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
    )
