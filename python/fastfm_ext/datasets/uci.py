"""Tables of the UCI Machine Learning Repository: Adult, Bank marketing and Bike sharing."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from fastfm_ext._common.extras import require
from fastfm_ext.datasets import uci_tables as tables
from fastfm_ext.datasets.archives import Archive, Fetching, fetched

if TYPE_CHECKING:
    import pandas as pd

_BASE_URL = "https://archive.ics.uci.edu/static/public/"


class _DataSet(NamedTuple):
    """An archive that holds the variants of a table, their layouts, and what DESCR says of all."""

    title: str
    archive: Archive[dict[str, "pd.DataFrame"]]
    layouts: dict[str, tables.FileColumns]
    about: str


_LICENSE = """

License: Creative Commons Attribution 4.0 International (CC BY 4.0, https://creativecommons.org/licenses/by/4.0/),
as the UCI Machine Learning Repository states it.
Read from: {origin}
"""

_ADULT = _DataSet(
    "UCI Adult",
    Archive("adult.zip", None, tables.read_adult, place="2/adult.zip"),
    dict.fromkeys(("train", "test", "all"), tables.ADULT),
    """UCI Adult ("Census Income"), {n_rows:,} rows: does a person earn more than 50,000 dollars a year?

From the census of the United States of 1994. `fnlwgt` is the number of people that a row stands for, in the census's
own estimate, and not a property of the person. Of workclass, occupation and native_country some values are missing.

To cite: Barry Becker and Ronny Kohavi. 1996. Adult. UCI Machine Learning Repository.
https://doi.org/10.24432/C5XW20""",
)
_BANK = _DataSet(
    "UCI Bank marketing",
    Archive("bank_marketing.zip", None, tables.read_bank, place="222/bank+marketing.zip"),
    dict.fromkeys(("full", "small"), tables.BANK),
    """UCI Bank marketing, {n_rows:,} rows: does a client whom a bank has called subscribe to a term deposit?

Calls of a Portuguese bank from May 2008 to November 2010, in the order of time. `duration` is known only when the call
is over, and so is nearly an answer: leave it out of a model that is to say whom to call. `pdays` is -1 for clients who
had not been called before, and "unknown" is a value of its own.

To cite: Sérgio Moro, Paulo Cortez and Paulo Rita. 2014. A data-driven approach to predict the success of bank
telemarketing. Decision Support Systems 62, 22-31. https://doi.org/10.1016/j.dss.2014.03.001
Data: https://doi.org/10.24432/C5K306""",
)
_BIKES = _DataSet(
    "UCI Bike sharing",
    Archive("bike_sharing.zip", None, tables.read_bikes, place="275/bike+sharing+dataset.zip"),
    {"hour": tables.BIKE_HOUR, "day": tables.BIKE_DAY},
    """UCI Bike sharing, {n_rows:,} rows: how many bikes are rented in an hour, or on a day?

Capital Bikeshare, Washington D.C., 2011 and 2012. temp, atemp, hum and windspeed are scaled to between 0 and 1.
`casual` and `registered` add up to the target `cnt`. They and the row number `instant` are in `frame`, not in `data`.

To cite: Hadi Fanaee-T and João Gama. 2014. Event labeling combining ensemble detectors and background knowledge.
Progress in Artificial Intelligence 2, 113-127. https://doi.org/10.1007/s13748-013-0040-3
Data: https://doi.org/10.24432/C5W894""",
)


def fetch_adult(
    subset: Literal["train", "test", "all"] = "train",
    *,
    data_home: str | PathLike[str] | None = None,
    path: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    return_X_y: bool = False,
) -> Bunch | tuple["pd.DataFrame", "pd.Series"]:
    """Load UCI Adult: 14 columns of numbers and categories, some values missing, and two classes of income.

    The archive comes from the UCI Machine Learning Repository on the first call; later calls need no network. The
    checksums of the files in it are verified.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        ``"train"``: the 32,561 rows of ``adult.data``. ``"test"``: the 16,281 rows of ``adult.test``. ``"all"``: both.
    data_home : str or path-like, default=None
        Folder for downloaded data, scikit-learn's by default (see :func:`sklearn.datasets.get_data_home`). The archive
        is kept in its subfolder ``uci``.
    path : str or path-like, default=None
        Read this file instead of the archive: one in the form of ``adult.data``, comma-separated and without a header.
        Files ending in .gz, .xz, .bz2 or .zip are decompressed. `subset` must be ``"train"`` then.
    download_if_missing : bool, default=True
        If False, raise an error when the archive is not on this machine, instead of downloading it.
    n_retries : int, default=3
        How often to try again after a server error or a broken transfer.
    delay : float, default=1.0
        Seconds between two tries.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : DataFrame of shape (n_rows, 14), text as categories, missing values as NaN. ``target`` : Series of
        ``"<=50K"`` and ``">50K"``, as categories. ``frame`` : DataFrame with both. ``feature_names`` : list.
        ``DESCR`` : str, with license and citation. ``origin`` : str, where the data came from.

        With `return_X_y`, a tuple of ``data`` and ``target``.

    Raises
    ------
    ValueError
        If `subset` is unknown, or `path` is not in that form.
    OSError
        If the archive is not on this machine and cannot be downloaded, or is damaged; or `path` cannot be opened.
    ImportError
        If pandas is not installed.

    References
    ----------
    Barry Becker and Ronny Kohavi (1996). Adult. UCI Machine Learning Repository. https://doi.org/10.24432/C5XW20

    Examples
    --------
    >>> from fastfm_ext.datasets import fetch_adult
    >>> X, y = fetch_adult(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (32561, 14)
    """
    fetching = Fetching(download_if_missing, n_retries, delay)
    if path is not None and subset != "train":
        raise ValueError(f"subset must be 'train' where a path is given, got {subset!r}")
    return _fetch(_ADULT, "subset", subset, data_home, path, fetching, return_X_y)


def fetch_bank_marketing(
    variant: Literal["full", "small"] = "full",
    *,
    data_home: str | PathLike[str] | None = None,
    path: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    return_X_y: bool = False,
) -> Bunch | tuple["pd.DataFrame", "pd.Series"]:
    """Load UCI Bank marketing: 16 columns about clients and calls, and whether they subscribed to a deposit.

    The archive comes from the UCI Machine Learning Repository on the first call; later calls need no network. The
    checksums of the files in it are verified. Mind that ``duration`` is known only after the call.

    Parameters
    ----------
    variant : {"full", "small"}, default="full"
        ``"full"``: 45,211 rows. ``"small"``: a tenth of them, 4,521 rows.
    data_home : str or path-like, default=None
        Folder for downloaded data, scikit-learn's by default (see :func:`sklearn.datasets.get_data_home`). The archive
        is kept in its subfolder ``uci``.
    path : str or path-like, default=None
        Read this file instead of the archive: one with these columns, separated by semicolons or commas, in any order.
        Other columns are ignored. Files ending in .gz, .xz, .bz2 or .zip are decompressed.
    download_if_missing : bool, default=True
        If False, raise an error when the archive is not on this machine, instead of downloading it.
    n_retries : int, default=3
        How often to try again after a server error or a broken transfer.
    delay : float, default=1.0
        Seconds between two tries.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : DataFrame of shape (n_rows, 16), text as categories. ``target`` : Series of ``"no"`` and ``"yes"``,
        as categories. ``frame`` : DataFrame with both. ``feature_names`` : list. ``DESCR`` : str, with license and
        citation. ``origin`` : str, where the data came from.

        With `return_X_y`, a tuple of ``data`` and ``target``.

    Raises
    ------
    ValueError
        If `variant` is unknown, or `path` is not in that form.
    OSError
        If the archive is not on this machine and cannot be downloaded, or is damaged; or `path` cannot be opened.
    ImportError
        If pandas is not installed.

    References
    ----------
    Sérgio Moro, Paulo Cortez and Paulo Rita (2014). A data-driven approach to predict the success of bank
    telemarketing. Decision Support Systems 62, 22-31. https://doi.org/10.1016/j.dss.2014.03.001

    Examples
    --------
    >>> from fastfm_ext.datasets import fetch_bank_marketing
    >>> X, y = fetch_bank_marketing(return_X_y=True)  # doctest: +SKIP
    >>> X = X.drop(columns="duration")  # doctest: +SKIP
    """
    fetching = Fetching(download_if_missing, n_retries, delay)
    return _fetch(_BANK, "variant", variant, data_home, path, fetching, return_X_y)


def fetch_bike_sharing(
    variant: Literal["hour", "day"] = "hour",
    *,
    data_home: str | PathLike[str] | None = None,
    path: str | PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    return_X_y: bool = False,
) -> Bunch | tuple["pd.DataFrame", "pd.Series"]:
    """Load UCI Bike sharing: time and weather, and how many bikes were rented.

    The archive comes from the UCI Machine Learning Repository on the first call; later calls need no network. The
    checksums of the files in it are verified. The rows are in the order of time: hold out the last ones to see how well
    a model foretells.

    Parameters
    ----------
    variant : {"hour", "day"}, default="hour"
        ``"hour"``: 17,379 rows. ``"day"``: 731 rows.
    data_home : str or path-like, default=None
        Folder for downloaded data, scikit-learn's by default (see :func:`sklearn.datasets.get_data_home`). The archive
        is kept in its subfolder ``uci``.
    path : str or path-like, default=None
        Read this file instead of the archive: one with the columns of ``hour.csv`` or ``day.csv``, as `variant` says,
        separated by commas or semicolons, in any order. Other columns are ignored. Files ending in .gz, .xz, .bz2 or
        .zip are decompressed.
    download_if_missing : bool, default=True
        If False, raise an error when the archive is not on this machine, instead of downloading it.
    n_retries : int, default=3
        How often to try again after a server error or a broken transfer.
    delay : float, default=1.0
        Seconds between two tries.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.

    Returns
    -------
    Bunch
        ``data`` : DataFrame of shape (n_rows, 13), by days (n_rows, 12); ``dteday`` is a date. ``target`` : Series of
        counts. ``frame`` : DataFrame with both, and with ``instant``, ``casual`` and ``registered``.
        ``feature_names`` : list. ``DESCR`` : str, with license and citation. ``origin`` : str, where the data came
        from.

        With `return_X_y`, a tuple of ``data`` and ``target``.

    Raises
    ------
    ValueError
        If `variant` is unknown, or `path` is not in that form.
    OSError
        If the archive is not on this machine and cannot be downloaded, or is damaged; or `path` cannot be opened.
    ImportError
        If pandas is not installed.

    References
    ----------
    Hadi Fanaee-T and João Gama (2014). Event labeling combining ensemble detectors and background knowledge. Progress
    in Artificial Intelligence 2, 113-127. https://doi.org/10.1007/s13748-013-0040-3

    Examples
    --------
    >>> from fastfm_ext.datasets import fetch_bike_sharing
    >>> bikes = fetch_bike_sharing()  # doctest: +SKIP
    >>> bikes.target.name  # doctest: +SKIP
    'cnt'
    """
    fetching = Fetching(download_if_missing, n_retries, delay)
    return _fetch(_BIKES, "variant", variant, data_home, path, fetching, return_X_y)


def _fetch(
    data_set: _DataSet,
    argument: str,
    variant: str,
    data_home: str | PathLike[str] | None,
    path: str | PathLike[str] | None,
    fetching: Fetching,
    return_X_y: bool,
) -> Any:
    require("pandas", "pandas")
    if variant not in data_set.layouts:
        raise ValueError(f"{argument} must be one of {', '.join(map(repr, data_set.layouts))}, got {variant!r}")
    layout = data_set.layouts[variant]
    if path is not None:
        frame, origin = tables.read_path(path, layout), str(path)
    else:
        folder = Path(get_data_home(data_home)) / "uci"
        variants, origin = fetched(data_set.title, [data_set.archive], folder, _BASE_URL, fetching)
        frame = variants[variant]
    target = frame[layout.target]
    data = frame.drop(columns=[layout.target, *layout.left_out])
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=list(data.columns),
        DESCR=(data_set.about + _LICENSE).format(n_rows=len(frame), origin=origin),
        origin=origin,
    )
