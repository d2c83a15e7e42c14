"""Reader of CSV files in MovieLens form: ratings and films as tidy tables."""

import warnings
from typing import TYPE_CHECKING, NamedTuple

from fastfm_ext._common.extras import require
from fastfm_ext.datasets.csv_text import CsvFile, read_text

if TYPE_CHECKING:
    import pandas as pd

NO_GENRES = "(no genres listed)"
# The year ends the title. A series has a range of years, and the first counts.
YEAR = r".*\((\d{4})(?:\s*[-\u2013]\s*\d{0,4})?\)"
# Without leading zeros and plus signs, which int would lose.
WHOLE_NUMBER = r"0|-?[1-9]\d{0,17}"


class Tables(NamedTuple):
    """The three tables of a MovieLens data set, as `fastfm_ext.datasets` documents them."""

    ratings: "pd.DataFrame"
    users: "pd.DataFrame"
    movies: "pd.DataFrame"


def read_csv_tables(ratings_source: CsvFile, movies_source: CsvFile) -> Tables:
    """Read and check both files; see `fastfm_ext.datasets.load_movielens_csv`."""
    pd = require("pandas", "pandas")
    raw_ratings = _read(ratings_source, ["userId", "movieId", "rating"])
    raw_movies = _read(movies_source, ["movieId", "title", "genres"])
    user_id = _ids(raw_ratings["userId"])
    movie_id = _ids(pd.concat([raw_ratings["movieId"], raw_movies["movieId"]]))

    ratings = pd.DataFrame({"user_id": user_id, "movie_id": movie_id[: len(raw_ratings)]})
    ratings["rating"] = _numbers(raw_ratings["rating"], ratings_source.name)
    if "timestamp" in raw_ratings:
        ratings["timestamp"] = _timestamps(raw_ratings["timestamp"])
    ratings = _without_repeats(ratings, ratings_source.name)

    movies = movies_table(movie_id[len(raw_ratings) :], raw_movies["title"], raw_movies["genres"])
    repeated = movies["movie_id"].duplicated()
    if repeated.any():
        raise ValueError(f"{movies_source.name}: movieId {movies['movie_id'][repeated].iloc[0]} stands there twice")
    movies = _with_unlisted(movies, ratings, movies_source.name)
    return Tables(ratings, users_of(ratings), movies)


def movies_table(movie_id: "pd.Series", title: "pd.Series", genres: "pd.Series") -> "pd.DataFrame":
    """Tidy the columns of a film table and add the year that ends the title."""
    pd = require("pandas", "pandas")
    movies = pd.DataFrame({"movie_id": movie_id.reset_index(drop=True)})
    movies["title"] = title.reset_index(drop=True).str.strip()
    movies["title"] = movies["title"].where(movies["title"] != "", "film " + movies["movie_id"].astype(str))
    movies["year"] = pd.to_numeric(movies["title"].str.extract(YEAR, expand=False)).astype("Int64")
    movies["genres"] = genres.reset_index(drop=True).str.strip().replace(NO_GENRES, "")
    return movies


def users_of(ratings: "pd.DataFrame") -> "pd.DataFrame":
    """Return the users of a data set that has only their ids, in ascending order."""
    return ratings[["user_id"]].drop_duplicates().sort_values("user_id", ignore_index=True)


def _read(source: CsvFile, required: list[str]) -> "pd.DataFrame":
    """Read a CSV file as text, its known columns renamed to the names of MovieLens, and check what must be there."""
    table = read_text(source)
    known = {_simplified(name): name for name in [*required, "timestamp"]}
    table = table.rename(columns={name: known.get(_simplified(name), name) for name in table.columns})
    for name in required:
        found = (table.columns == name).sum()
        if found != 1:
            what = "no column" if found == 0 else "more than one column"
            raise ValueError(f"{source.name}: {what} {_spellings(name)}; it has {', '.join(map(repr, table.columns))}")
    if table.empty:
        raise ValueError(f"{source.name}: there are no rows below the header")
    for name in required:
        if name in ("userId", "movieId"):
            _reject(table[name].str.strip() == "", table[name], source.name, "is empty")
    return table


def _simplified(name: str) -> str:
    return name.strip().lower().replace("_", "")


def _spellings(name: str) -> str:
    return f"{name!r} (or '{name[:-2]}_id')" if name.endswith("Id") else repr(name)


def _reject(bad: "pd.Series", column: "pd.Series", name: str, what: str) -> None:
    """Raise an error for the first row marked as bad."""
    if bad.any():
        row = int(bad.to_numpy().argmax())
        where = f"column {_spellings(str(column.name))}, data row {row + 1}"
        raise ValueError(f"{name}: {where}: {column.iloc[row]!r} {what}")


def _ids(column: "pd.Series") -> "pd.Series":
    """Make ids int64 when every one is a whole number, else keep them all as text."""
    column = column.str.strip().reset_index(drop=True)
    return column.astype("int64") if column.str.fullmatch(WHOLE_NUMBER).all() else column


def _numbers(column: "pd.Series", name: str) -> "pd.Series":
    pd = require("pandas", "pandas")
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    _reject(numbers.isna() | numbers.abs().eq(float("inf")), column, name, "is not a finite number")
    return numbers


def _timestamps(column: "pd.Series") -> "pd.Series":
    """Make timestamps integers if all are whole numbers; else keep the text, on which nothing here depends."""
    pd = require("pandas", "pandas")
    try:
        return pd.to_numeric(column).astype("Int64" if column.eq("").any() else "int64")
    except (ValueError, TypeError):
        return column


def _without_repeats(ratings: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """Keep the last rating where a user has rated a film several times: a copy could be in training and test rows."""
    repeated = ratings.duplicated(["user_id", "movie_id"], keep="last")
    if not repeated.any():
        return ratings
    warnings.warn(f"{name}: {repeated.sum()} repeated ratings; the last of a user and film counts", stacklevel=4)
    return ratings[~repeated].reset_index(drop=True)


def _with_unlisted(movies: "pd.DataFrame", ratings: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """Add the films that only ratings name, with a number for a title: a model learns from them, too."""
    pd = require("pandas", "pandas")
    unlisted = ratings.loc[~ratings["movie_id"].isin(movies["movie_id"]), "movie_id"].drop_duplicates()
    if unlisted.empty:
        return movies
    warnings.warn(
        f"{name}: {len(unlisted)} rated films are not listed, such as movieId {unlisted.iloc[0]}; "
        "they are kept without a title and genres",
        stacklevel=4,
    )
    blank = pd.Series("", index=unlisted.index).astype(movies["title"].dtype)
    return pd.concat([movies, movies_table(unlisted, blank, blank)], ignore_index=True)
