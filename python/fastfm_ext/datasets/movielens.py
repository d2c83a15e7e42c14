"""MovieLens data sets: where each archive comes from, and the tables that are made of it."""

from os import PathLike
from pathlib import Path
from typing import Literal

from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from fastfm_ext._common.extras import require
from fastfm_ext.datasets import movielens_archives as readers
from fastfm_ext.datasets.archives import Archive, Fetching, fetched
from fastfm_ext.datasets.csv_text import CsvFile
from fastfm_ext.datasets.download import Digest
from fastfm_ext.datasets.movielens_csv import Tables, read_csv_tables

Variant = Literal["100k", "1m", "latest-small"]

_BASE_URL = "https://files.grouplens.org/datasets/movielens/"


# The first archive of a variant is the official one. ml-latest-small changes over time, so it has no fixed checksum;
# the checksum that a zip file keeps of every member is verified on reading.
_ARCHIVES: dict[str, list[Archive[Tables]]] = {
    "100k": [
        Archive("ml-100k.zip", Digest("md5", "0e33842e24a9c977be4e0107933c0723"), readers.read_ml_100k),
        Archive(
            "recbole-1.2.1-py3-none-any.whl",
            Digest("sha256", "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"),
            readers.read_ml_100k_from_recbole,
            requirement="recbole==1.2.1",
        ),
    ],
    "1m": [Archive("ml-1m.zip", Digest("md5", "c4d9eecfca2ab87c1945afe126590906"), readers.read_ml_1m)],
    "latest-small": [Archive("ml-latest-small.zip", None, readers.read_ml_latest_small)],
}

_DESCRIPTION = """MovieLens {variant}: {n_ratings:,} ratings of {n_movies:,} films by {n_users:,} users.

Collected by the GroupLens research group at the University of Minnesota (https://grouplens.org/datasets/movielens/).
Read from: {origin}

Terms of use: the data may be used for research. Publications must cite it, nobody may suggest that the university or
the group endorses them, commercial use needs GroupLens's permission{redistribution}. There is no warranty.
The README in the official archive has the full terms.

To cite: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context.
ACM Transactions on Interactive Intelligent Systems 5, 4, Article 19. https://doi.org/10.1145/2827872
"""


def fetch_movielens(
    variant: Variant = "100k",
    *,
    data_home: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load a MovieLens data set, downloading it on the first call.

    The archive comes from GroupLens. When that cannot be had and `variant` is ``"100k"``, it comes from a second
    source: the copy inside the wheel ``recbole==1.2.1``, downloaded by pip and neither installed nor imported. Both
    give exactly the same tables. Checksums are verified, and later calls read the archive from `data_home` without
    any network. Mind the terms of use in ``DESCR``.

    Parameters
    ----------
    variant : {"100k", "1m", "latest-small"}, default="100k"
        ``"100k"``: 100,000 ratings, users with age, gender and occupation. ``"1m"``: 1,000,209 ratings, with the same
        user columns. ``"latest-small"``: about 100,000 newer ratings with half stars, and no user columns; GroupLens
        renews it from time to time, so results with it cannot be compared.
    data_home : str or path-like, default=None
        Folder for downloaded data, scikit-learn's by default (see :func:`sklearn.datasets.get_data_home`). The
        archive is kept in its subfolder ``movielens``.
    download_if_missing : bool, default=True
        If False, raise an error when the archive is not on this machine, instead of downloading it.
    n_retries : int, default=3
        How often to try again after a server error or a broken transfer. A host that cannot be reached is not tried
        again.
    delay : float, default=1.0
        Seconds between two tries.

    Returns
    -------
    Bunch
        ``ratings`` : DataFrame with ``user_id``, ``movie_id``, ``rating`` (1 to 5; from 0.5 in ``"latest-small"``),
        ``timestamp`` (seconds since 1970), in the order of the official file.

        ``users`` : DataFrame with ``user_id`` and, but for ``"latest-small"``, ``age`` (years; in ``"1m"`` the
        youngest age of a bracket, 1 for under 18), ``gender`` ("F", "M"), ``occupation``, ``zip_code``.

        ``movies`` : DataFrame with ``movie_id``, ``title``, ``year`` (nullable integer, from the title), ``genres``
        (joined by ``|``; an empty string if there are none).

        ``DESCR`` : str, with the terms of use. ``origin`` : str, where the data came from.

    Raises
    ------
    ValueError
        If `variant` is unknown.
    OSError
        If the archive is not on this machine and cannot be downloaded, or is damaged.
    ImportError
        If pandas is not installed.

    References
    ----------
    F. Maxwell Harper and Joseph A. Konstan (2015). The MovieLens Datasets: History and Context. ACM TiiS 5(4), 19.

    Examples
    --------
    >>> from fastfm_ext.datasets import fetch_movielens
    >>> movielens = fetch_movielens("100k")  # doctest: +SKIP
    >>> movielens.ratings.shape  # doctest: +SKIP
    (100000, 4)
    """
    require("pandas", "pandas")
    if variant not in _ARCHIVES:
        raise ValueError(f"variant must be one of {', '.join(map(repr, _ARCHIVES))}, got {variant!r}")
    folder = Path(get_data_home(data_home)) / "movielens"
    fetching = Fetching(download_if_missing, n_retries, delay)
    tables, origin = fetched(f"MovieLens {variant}", _ARCHIVES[variant], folder, _BASE_URL, fetching)
    return _bunch(tables, _describe(variant, tables, origin), origin)


def load_movielens_csv(ratings_path: str | PathLike[str], movies_path: str | PathLike[str]) -> Bunch:
    r"""Load ratings and films from your own CSV files in MovieLens form.

    A column may be written ``userId`` or ``user_id``, ``movieId`` or ``movie_id``; other columns are ignored. Files
    ending in .gz, .xz, .bz2 or .zip are decompressed. Ids that are all whole numbers become integers, else all stay
    text. When a user has rated a film several times, the last row counts (with a warning). Rated films that
    `movies_path` does not list are added with a title such as "film 17" and no genres (with a warning).

    Parameters
    ----------
    ratings_path : str or path-like
        CSV file with the columns ``userId,movieId,rating`` and perhaps ``timestamp``.
    movies_path : str or path-like
        CSV file with the columns ``movieId,title,genres``, genres joined by ``|``. A year in brackets at the end of
        the title is read.

    Returns
    -------
    Bunch
        ``ratings``, ``users`` (with ``user_id`` only), ``movies``, ``DESCR`` and ``origin``, as
        :func:`fetch_movielens` has them; ``timestamp`` is there if the file has it.

    Raises
    ------
    OSError
        If a file cannot be opened.
    ValueError
        If a file is not a CSV file or empty, lacks a column, or has an empty id, a rating that is not a finite
        number, or a film twice; the message names the file, the column and the row.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from fastfm_ext.datasets import load_movielens_csv
    >>> with TemporaryDirectory() as folder:
    ...     ratings, movies = Path(folder, "ratings.csv"), Path(folder, "movies.csv")
    ...     _ = ratings.write_text("userId,movieId,rating\n1,31,2.5\n")
    ...     _ = movies.write_text("movieId,title,genres\n31,Dangerous Minds (1995),Drama\n")
    ...     data = load_movielens_csv(ratings, movies)
    >>> data.movies[["movie_id", "year", "genres"]].values.tolist()
    [[31, 1995, 'Drama']]
    """
    tables = read_csv_tables(*(CsvFile(Path(path), str(path)) for path in (ratings_path, movies_path)))
    origin = f"{ratings_path}, {movies_path}"
    return _bunch(tables, f"Ratings and films from {origin}", origin)


def _describe(variant: str, tables: Tables, origin: str) -> str:
    return _DESCRIPTION.format(
        variant=variant,
        n_ratings=len(tables.ratings),
        n_users=len(tables.users),
        n_movies=len(tables.movies),
        origin=origin,
        redistribution="" if variant == "latest-small" else ", and so does passing the data on",
    )


def _bunch(tables: Tables, description: str, origin: str) -> Bunch:
    return Bunch(**tables._asdict(), DESCR=description, origin=origin)
