"""The goodbooks-10k data set: ratings of books, what readers mean to read, and the tags of the books."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from fastfm_ext._common.extras import require
from fastfm_ext.datasets.archives import Archive, Fetching, fetched

if TYPE_CHECKING:
    import pandas as pd

_BASE_URL = "https://github.com/zygmuntz/goodbooks-10k/releases/download/v1.0/"

_DESCRIPTION = """goodbooks-10k: {n_ratings:,} ratings of {n_books:,} books by {n_users:,} readers.

Collected from goodreads.com by Zygmunt Zając (https://github.com/zygmuntz/goodbooks-10k). The ratings are in the order
of time, without the times themselves.
Read from: {origin}

License: Creative Commons Attribution-ShareAlike 4.0 International (CC BY-SA 4.0,
https://creativecommons.org/licenses/by-sa/4.0/). What is made of the data and passed on must have the same license.

To cite: Zygmunt Zając. 2017. Goodbooks-10k: a new dataset for book recommendations. FastML.
http://fastml.com/goodbooks-10k
"""

_RATINGS = {"user_id": "int64", "book_id": "int64", "rating": "int64"}
_TO_READ = {"user_id": "int64", "book_id": "int64"}
_BOOK_TAGS = {"goodreads_book_id": "int64", "tag_id": "int64", "count": "int64"}
_TAGS = {"tag_id": "int64", "tag_name": str}
_BOOKS = {
    "book_id": "int64",
    "goodreads_book_id": "int64",
    "best_book_id": "int64",
    "work_id": "int64",
    "isbn": str,
    "authors": str,
    "original_publication_year": "float64",
    "original_title": str,
    "title": str,
    "language_code": str,
    "average_rating": "float64",
    "ratings_count": "int64",
}


class _BookTables(NamedTuple):
    ratings: "pd.DataFrame"
    books: "pd.DataFrame"
    to_read: "pd.DataFrame"
    book_tags: "pd.DataFrame"


def fetch_goodbooks(
    *,
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load goodbooks-10k: some six million ratings of ten thousand books, downloading it on the first call.

    The archive is the one of release 1.0 on GitHub; later calls read it from `data_home` without any network. The
    columns, types and ids of the tables are checked, and the zip file's own checksum of every table. Mind the license
    in ``DESCR``: it asks for attribution, and for the same license of what is made of the data.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder for downloaded data, scikit-learn's by default (see :func:`sklearn.datasets.get_data_home`). The archive
        is kept in its subfolder ``goodbooks``.
    download_if_missing : bool, default=True
        If False, raise an error when the archive is not on this machine, instead of downloading it.
    n_retries : int, default=3
        How often to try again after a server error or a broken transfer.
    delay : float, default=1.0
        Seconds between two tries.

    Returns
    -------
    Bunch
        ``ratings`` : DataFrame with ``user_id``, ``book_id``, ``rating`` (1 to 5), in the order of time.

        ``books`` : DataFrame with ``book_id``, ``goodreads_book_id``, ``best_book_id``, ``work_id``, ``isbn``,
        ``authors`` (joined by ``", "``), ``original_publication_year`` (nullable integer, negative before our era),
        ``original_title``, ``title``, ``language_code``, ``average_rating``, ``ratings_count``; empty text where the
        file has none. What is left out of the file are counts by rating and the addresses of pictures.

        ``to_read`` : DataFrame with ``user_id``, ``book_id`` of the books that readers mean to read.

        ``book_tags`` : DataFrame with ``book_id``, ``tag_name``, ``count``: how often readers gave a book a tag.

        ``DESCR`` : str, with license and citation. ``origin`` : str, where the data came from.

    Raises
    ------
    OSError
        If the archive is not on this machine and cannot be downloaded, or is damaged.
    ImportError
        If pandas is not installed.

    References
    ----------
    Zygmunt Zając (2017). Goodbooks-10k: a new dataset for book recommendations. http://fastml.com/goodbooks-10k

    Examples
    --------
    >>> from fastfm_ext.datasets import fetch_goodbooks
    >>> goodbooks = fetch_goodbooks()  # doctest: +SKIP
    >>> len(goodbooks.books)  # doctest: +SKIP
    10000
    """
    require("pandas", "pandas")
    folder = Path(get_data_home(data_home)) / "goodbooks"
    archive = Archive("goodbooks-10k.zip", None, _read)
    fetching = Fetching(download_if_missing, n_retries, delay)
    tables, origin = fetched("goodbooks-10k", [archive], folder, _BASE_URL, fetching)
    description = _DESCRIPTION.format(
        n_ratings=len(tables.ratings),
        n_books=len(tables.books),
        n_users=tables.ratings["user_id"].nunique(),
        origin=origin,
    )
    return Bunch(**tables._asdict(), DESCR=description, origin=origin)


def _read(archive: ZipFile) -> _BookTables:
    # By their last name: an archive that was packed by hand may have them in a folder.
    members = {name.rpartition("/")[2]: name for name in archive.namelist()}
    ratings = _table(archive, members, "ratings.csv", _RATINGS)
    books = _table(archive, members, "books.csv", _BOOKS)
    to_read = _table(archive, members, "to_read.csv", _TO_READ)
    book_tags = _table(archive, members, "book_tags.csv", _BOOK_TAGS)
    tags = _table(archive, members, "tags.csv", _TAGS)

    books["original_publication_year"] = books["original_publication_year"].astype("Int64")
    if not ratings["rating"].between(1, 5).all():
        raise ValueError("ratings.csv: a rating is not from 1 to 5")
    for name, table in (("ratings.csv", ratings), ("to_read.csv", to_read)):
        unlisted = table.loc[~table["book_id"].isin(books["book_id"]), "book_id"]
        if len(unlisted):
            raise ValueError(f"{name}: books.csv has no book_id {unlisted.iloc[0]}")
    ids = books[["book_id", "goodreads_book_id"]]
    book_tags = book_tags.merge(ids, on="goodreads_book_id").merge(tags, on="tag_id")
    return _BookTables(ratings, books, to_read, book_tags[["book_id", "tag_name", "count"]])


def _table(archive: ZipFile, members: dict[str, str], name: str, dtypes: Mapping[str, object]) -> "pd.DataFrame":
    pd = require("pandas", "pandas")
    if name not in members:
        raise KeyError(f"there is no {name} in the archive")
    texts = [column for column, dtype in dtypes.items() if dtype is str]
    with archive.open(members[name]) as file:
        # pandas says which columns the file lacks.
        table = pd.read_csv(file, usecols=list(dtypes), dtype=dtypes, na_values="", keep_default_na=False)
    return table[list(dtypes)].fillna(dict.fromkeys(texts, ""))
