"""Declarations of columns, as users write them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fastfm_ext.encoding.columns.base import ColumnSpec, Missing, Unknown
from fastfm_ext.encoding.columns.binned import Binned, Strategy
from fastfm_ext.encoding.columns.categorical import Categorical
from fastfm_ext.encoding.columns.crossed import Crossed
from fastfm_ext.encoding.columns.hashed import Hashed
from fastfm_ext.encoding.columns.implicit import Implicit
from fastfm_ext.encoding.columns.multi import Multi, Norm
from fastfm_ext.encoding.columns.numeric import Numeric

SPEC_KINDS: dict[str, type[ColumnSpec]] = {
    "categorical": Categorical,
    "multi": Multi,
    "numeric": Numeric,
    "binned": Binned,
    "hashed": Hashed,
    "crossed": Crossed,
    "implicit": Implicit,
}


def categorical(
    column: str, *, min_count: int = 1, missing: Missing = "ignore", unknown: Unknown = "ignore"
) -> Categorical:
    """Declare a column of categories: one feature for each value. A plain string means the same with the defaults.

    Parameters
    ----------
    column : str
        Name of the column. Values may be text, numbers, booleans, dates, or of a category type.
    min_count : int, default=1
        Values that stand in fewer rows share one feature. `partial_fit` goes on counting, and gives a value a feature
        of its own as soon as it is frequent enough.
    missing : {"ignore", "feature"}, default="ignore"
        What a missing value gives: no entry, or a feature of its own.
    unknown : {"ignore", "feature", "rare"}, default="ignore"
        What a value gives that was not seen: no entry, a feature for all such values (which a model learns only from
        rows that are encoded before `partial_fit` has seen them), or the feature of the rare values.

    Returns
    -------
    Categorical
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.
    ValueError
        If an option is none of the above, or ``unknown="rare"`` comes without `min_count`.

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, categorical
    >>> encoder = FMEncoder(
    ...     user=[categorical("city", min_count=2, missing="feature", unknown="rare")]
    ... )
    >>> X = encoder.fit_transform({"city": ["Rome", "Rome", "Oslo", None]})
    >>> encoder.get_feature_names_out().tolist()
    ['city=<rare>', 'city=<missing>', 'city=Rome']
    >>> X.toarray().tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    return Categorical(column, min_count, missing, unknown)


def numeric(column: str, *, log: bool = False, missing: Missing = "ignore") -> Numeric:
    """Declare a column of numbers: one feature, ``(value - mean) / standard deviation`` of the fitted rows.

    A missing value gives no entry, which equals the mean. A column with a single distinct value has no scale: its
    numbers are only centered.

    Parameters
    ----------
    column : str
        Name of the column. Numbers and booleans, times and durations (in seconds, times since 1970 in UTC); text is an
        error even where it looks like a number.
    log : bool, default=False
        Take ``sign(x) log(1 + |x|)`` of the numbers first: for amounts and counts over several powers of ten.
    missing : {"ignore", "feature"}, default="ignore"
        Give a missing value no entry, or a feature of its own.

    Returns
    -------
    Numeric
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.
    ValueError
        If an option is none of the above.

    Examples
    --------
    >>> from fastfm_ext.encoding import numeric
    >>> numeric("age")
    numeric('age')
    """
    return Numeric(column, log, missing)


def binned(
    column: str,
    n_bins: int = 10,
    *,
    strategy: Strategy = "quantile",
    edges: Sequence[float] | None = None,
    missing: Missing = "ignore",
) -> Binned:
    """Declare a column of numbers with a feature for each bin, which assumes no shape of their effect.

    Parameters
    ----------
    column : str
        Name of the column. Numbers, booleans, times and durations (in seconds).
    n_bins : int, default=10
        Largest number of bins, at least 2.
    strategy : {"quantile", "uniform"}, default="quantile"
        Bins with equally many of the fitted rows, or of equal width. A number that fills more than a bin with its rows
        has one of its own, and the other bins are quantiles of the rest: so the zeros of a column that is mostly zero
        stay apart.
    edges : sequence of float, default=None
        Where one bin ends and the next begins, in rising order; in place of the two options above. The first bin holds
        all numbers below ``edges[0]``, the last all from ``edges[-1]`` on.
    missing : {"ignore", "feature"}, default="ignore"
        Give a missing value no entry, or a feature of its own.

    Returns
    -------
    Binned
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.
    ValueError
        If an option is none of the above.

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, binned
    >>> encoder = FMEncoder(user=[binned("age", edges=[18, 65])]).fit({"age": [20, 70]})
    >>> encoder.get_feature_names_out().tolist()
    ['age=[-inf, 18)', 'age=[18, 65)', 'age=[65, inf)']
    """
    given = tuple(float(edge) for edge in edges) if edges is not None else None
    return Binned(column, n_bins, strategy, given, missing)


def multi(
    column: str,
    sep: str | None = "|",
    *,
    norm: Norm | None = "l2",
    min_count: int = 1,
    missing: Missing = "ignore",
    unknown: Unknown = "ignore",
) -> Multi:
    """Declare a column with several values a cell, such as ``"Action|Comedy"``: one feature for each value.

    Parameters
    ----------
    column : str
        Name of the column. A cell is a string, split at `sep`, or a list, tuple, set or array, or an Arrow or polars
        list. White space around split values is removed. Repeated values of a cell count once; empty strings not at
        all.
    sep : str or None, default="|"
        What separates the values of a string; None: a string is a single value.
    norm : {"l2", "l1"} or None, default="l2"
        Weight of each of the m known values of a cell: ``"l2"`` 1/sqrt(m), so that rows have equal length;
        ``"l1"`` 1/m, the average of the values; None 1, their sum.
    min_count, missing, unknown
        As for `categorical`, for single values of a cell. A cell without values is missing.

    Returns
    -------
    Multi
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.
    ValueError
        If an option is none of the above.

    Examples
    --------
    >>> from fastfm_ext.encoding import multi
    >>> multi("genres", sep=",")
    multi('genres', sep=',', norm='l2')
    """
    return Multi(column, min_count, missing, unknown, sep, norm)


def hashed(
    column: str,
    n_features: int = 2**18,
    *,
    signed: bool = False,
    sep: str | None = None,
    missing: Missing = "ignore",
) -> Hashed:
    """Declare a column whose values are features by their hash: a fixed width, no vocabulary, no unknown values.

    The hash of a value's text is MurmurHash3 of 32 bits, and the feature is the one that scikit-learn's `FeatureHasher`
    gives the text. Numbers and other values are hashed as the text `str` makes of them. Several values may share a
    feature: `FMEncoder.collisions_` counts them, and fitting warns where many do.

    Parameters
    ----------
    column : str
        Name of the column.
    n_features : int, default=2**18
        Number of features, from 1 to 2^31 - 2.
    signed : bool, default=False
        Give every other value the entry -1 in place of 1, by its hash, so that values with one feature cancel out on
        average rather than add up.
    sep : str or None, default=None
        What separates the values of a cell that may hold several; cells may then also be lists. Entries of values with
        one feature are added. None: a cell is one value.
    missing : {"ignore", "feature"}, default="ignore"
        Give a missing value no entry, or a feature of its own behind the others.

    Returns
    -------
    Hashed
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If `column` is not a string.
    ValueError
        If an option is none of the above.

    References
    ----------
    Weinberger, Dasgupta, Langford, Smola, Attenberg, "Feature Hashing for Large Scale Multitask Learning" (2009).

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, hashed
    >>> encoder = FMEncoder(item=[hashed("url", 2**10)]).fit({"url": ["a.org"]})
    >>> encoder.transform({"url": ["a.org/never/seen"]}).nnz
    1
    """
    return Hashed(column, n_features, signed, sep, missing)


def crossed(*columns: str, min_count: int = 1, missing: Missing = "ignore", unknown: Unknown = "ignore") -> Crossed:
    """Declare a feature for each combination of several columns' values, such as of a country and a device.

    A factorization machine learns what two features do together from their factors; a cross gives single combinations
    a weight and factors of their own, which pays where they are frequent.

    Parameters
    ----------
    *columns : str
        Names of two or more columns of categories, which all belong to the side that the cross is declared for. They
        may be encoded on their own, too. The field is named after them: ``"a*b"``.
    min_count, missing, unknown
        As for `categorical`, for combinations. A combination in which one value is missing is missing.

    Returns
    -------
    Crossed
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If a column is not a string.
    ValueError
        If there are fewer than two columns, or an option is none of the above.

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, crossed
    >>> encoder = FMEncoder(context=[crossed("country", "device")])
    >>> X = encoder.fit_transform({"country": ["it", "no"], "device": ["phone", "phone"]})
    >>> encoder.get_feature_names_out().tolist()
    ['country=it*device=phone', 'country=no*device=phone']
    """
    return Crossed(columns, min_count, missing, unknown)


def implicit(column: str, *, of: str, norm: Norm | None = "l2") -> Implicit:
    """Declare implicit feedback: for each user the set of items that the user has in the fitted table.

    The features are the items, once more: what a user has rated says something about the user, whatever the ratings
    are. In the items' list, ``implicit("item_id", of="user_id")`` describes each item by its users. SVD++ is a
    factorization machine of user, item and this set.

    A row has the whole set of its user: written out, a million ratings can make a billion entries. So these columns are
    for `FMEncoder.transform_blocks`, which encodes each user once.

    Parameters
    ----------
    column : str
        Column whose values have the sets, such as the user's id. A value that was not seen in `fit` has none, and gives
        no entry.
    of : str
        Column whose values make the sets, such as the item's id. Only `fit` and `partial_fit` read it; the latter adds
        to the sets that are there.
    norm : {"l2", "l1"} or None, default="l2"
        Weight of each of the m members of a set: ``"l2"`` 1/sqrt(m), ``"l1"`` 1/m, None 1.

    Returns
    -------
    Implicit
        A spec for `FMEncoder`.

    Raises
    ------
    TypeError
        If a column is not a string.
    ValueError
        If both are the same, or `norm` is none of the above.

    Notes
    -----
    Fit the encoder on the rows of training alone. The sets of other rows would tell the model what it is to predict.

    References
    ----------
    Koren, "Factorization Meets the Neighborhood: a Multifaceted Collaborative Filtering Model", KDD (2008), eq. 15.
    Rendle, "Factorization Machines with libFM", ACM TIST (2012).

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, implicit
    >>> encoder = FMEncoder(user=[implicit("user", of="film")], item=["film"])
    >>> ratings = {"user": ["ann", "ann", "bob"], "film": ["Alien", "Brazil", "Alien"]}
    >>> encoder.fit(ratings).get_feature_names_out()[:2].tolist()
    ['user has film=Alien', 'user has film=Brazil']
    >>> encoder.transform({"user": ["bob", "ann", "eve"]}, side="user")[:, :2].toarray().round(2)
    array([[1.  , 0.  ],
           [0.71, 0.71],
           [0.  , 0.  ]], dtype=float32)
    """
    return Implicit(column, of=of, norm=norm)


def spec_to_meta(spec: ColumnSpec) -> dict[str, Any]:
    """Describe a spec in JSON-able form."""
    kind = next(kind for kind, cls in SPEC_KINDS.items() if type(spec) is cls)
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(spec).items()}
    return {"kind": kind, **options}


def spec_from_meta(meta: dict[str, Any]) -> ColumnSpec:
    """Undo `spec_to_meta`."""
    options = {key: value for key, value in meta.items() if key != "kind"}
    if meta["kind"] not in SPEC_KINDS:
        raise ValueError(f"unknown column spec {meta['kind']!r}; this version knows {', '.join(SPEC_KINDS)}")
    return SPEC_KINDS[meta["kind"]](**options)


def checked_specs(group: str, specs: Any) -> list[ColumnSpec]:
    """Return the specs of a side, plain strings as categorical columns.

    Raises
    ------
    TypeError
        If they are no list of such.
    """
    if specs is None:
        return []
    if isinstance(specs, str | ColumnSpec):
        raise TypeError(f"{group} must be a list of column specs; did you mean {group}=[{specs!r}]?")
    if not isinstance(specs, list | tuple):
        raise TypeError(f"{group} must be a list of column specs, got {type(specs).__name__}")
    for spec in specs:
        if not isinstance(spec, str | ColumnSpec):
            raise TypeError(f"{group} must hold column names, or numeric(...), multi(...) and the like, got {spec!r}")
    return [Categorical(spec) if isinstance(spec, str) else spec for spec in specs]
