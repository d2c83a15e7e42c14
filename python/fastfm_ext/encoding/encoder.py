"""Encoder of data frames as sparse matrices, for factorization machines."""

from collections.abc import Sequence
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._tables.column import Column
from fastfm_ext._tables.read import as_table, read_columns
from fastfm_ext.blocks.matrix import BlockMatrix
from fastfm_ext.encoding.blocks import blocks_of_rows
from fastfm_ext.encoding.columns.base import ColumnSpec, State
from fastfm_ext.encoding.columns.collisions import HashCollisions, warn_of
from fastfm_ext.encoding.columns.hashed import FittedHashed
from fastfm_ext.encoding.field_names import field_names
from fastfm_ext.encoding.infer import infer_specs, inferable_names
from fastfm_ext.encoding.layout import Layout
from fastfm_ext.encoding.lookup import FeatureLookup
from fastfm_ext.encoding.sides import GROUPS, GROUPS_OF_SIDE, Side, given_specs, lists_of

_OUTPUTS = ("default", "blocks")


class FMEncoder(TransformerMixin, FeatureLookup, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Encode the columns of a data frame as features of users, items and their context.

    Every column becomes features side by side, and is one field: first the user's columns, then the item's, then the
    context's, in the order given. The features of a column are sorted by value, so the order of the rows plays no part.
    What `partial_fit` learns later comes behind all that is there.

    Without any list, all columns are encoded by what they hold: numbers with a fraction and times as numeric, lists as
    multi, all else as categories. In tables of 20 rows or more, whole numbers with fewer than two rows a value
    are numeric, too, and other such values share a feature where they are seen once. `columns_` shows the choice.

    A value that was not seen, and a missing value (None, NaN, NaT, pandas' NA, null; in a multi-valued column also an
    empty collection or string), gives no entry unless its spec says otherwise. So an unknown user scores like a user
    about whom nothing is known, and a missing number counts as the mean.

    Parameters
    ----------
    columns : list of column specs, default=None
        Columns of a table without users and items. A string is a categorical column; for others see below.
    user, item, context : list of column specs, default=None
        In place of `columns`: those that describe the user, the item, and the situation (hour, device).

    Attributes
    ----------
    n_features_out_ : int
        Width of the encoded matrix.
    fields_ : int32 ndarray of shape (`n_features_out_`,)
        Field of every feature; the field of a column is its place in `field_names_`.
    field_names_ : list of str
        Name of every field: the column's, or those of crossed columns as ``"a*b"``. Of a column that is encoded in
        several ways, all but the first have the kind in their names: ``"binned(age)"``.
    columns_ : list of column specs
        How every field is encoded; its repr can be copied, to be given as a list.
    collisions_ : dict of str to HashCollisions
        Of every hashed column: how many values it has had, and how many of them share features.
    slices_ : dict of str to slice
        Features of every field. Absent once `partial_fit` has added features, which lie elsewhere: see `fields_`.
    n_features_in_ : int
        Number of columns used.
    feature_names_in_ : ndarray of str objects of shape (`n_features_in_`,)
        Columns used; a frame may have others, which are ignored.

    See Also
    --------
    categorical : A column of categories, of which the rare, the missing and the unknown may have features.
    multi : A column with several values a cell.
    numeric : A column of numbers.
    binned : A column of numbers, a feature for each bin.
    hashed : A column whose values are features by their hash.
    crossed : A feature for each combination of columns.
    implicit : The set of items that each user has, or of users that each item has.

    Notes
    -----
    Values are compared by what they are, not by how a library stores them: all tables give the same matrix, and time
    zones are converted to UTC. Whole numbers are integers, also as floats (ids turn into floats when one is missing)
    and as Decimals. An integer is the same as its plain decimal text, so 7 as ``"7"``, but neither as ``"007"`` nor as
    ``"7.0"``; beside texts in one column, integers become texts. Other kinds never meet, such as dates and integers:
    `transform` refuses such a column. A table that offers Arrow's ``__arrow_c_stream__``, such as one of pyarrow, is
    read where it lies. Category and dictionary columns are used as they are: only their distinct values are looked at.

    Examples
    --------
    >>> from fastfm_ext.encoding import FMEncoder, multi, numeric
    >>> ratings = {
    ...     "user_id": [1, 1, 2],
    ...     "age": [20, 20, 40],
    ...     "genres": ["Action", "Comedy|Drama", "Action|Drama"],
    ... }
    >>> encoder = FMEncoder(user=["user_id", numeric("age")], item=[multi("genres", sep="|")])
    >>> X = encoder.fit_transform(ratings)
    >>> X.shape
    (3, 6)
    >>> encoder.get_feature_names_out().tolist()
    ['user_id=1', 'user_id=2', 'age', 'genres=Action', 'genres=Comedy', 'genres=Drama']
    >>> encoder.transform({"genres": ["Drama", "Western"]}, side="item").toarray().tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    >>> FMEncoder().fit({"city": ["Rome", "Oslo"], "heat": [20.5, 3.0]}).columns_
    [categorical('city'), numeric('heat')]
    """

    n_features_in_: int
    columns_: list[ColumnSpec]
    _is_inferred = False
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        columns: Sequence[str | ColumnSpec] | None = None,
        *,
        user: Sequence[str | ColumnSpec] | None = None,
        item: Sequence[str | ColumnSpec] | None = None,
        context: Sequence[str | ColumnSpec] | None = None,
    ) -> None:
        self.columns = columns
        self.user = user
        self.item = item
        self.context = context

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the features of every column.

        Parameters
        ----------
        X : pandas or polars DataFrame, Arrow table, or mapping of column name to array, with n_rows rows
            Needs every column of the specs.
        y : ignored
            Present because pipelines pass it.

        Returns
        -------
        FMEncoder
            This encoder.

        Raises
        ------
        TypeError
            If `X` or a spec is of another type, or a column holds lists or other values that can't be categories.
        ValueError
            If the lists are empty, `columns` stands beside others, a column is missing or given twice in the same way,
            `X` has no rows, a numeric column holds text or infinite values, or no column has a value.
        """
        self._fit(X)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Learn the values that are new; what was learned before keeps its features.

        New features come behind all others, so that a trained model need only grow. Mean and scale of numbers and the
        edges of bins stay as they are, for the model has learned in their units. The first call is `fit`.

        Parameters
        ----------
        X : pandas or polars DataFrame, Arrow table, or mapping of column name to array, with n_rows rows
            As for `fit`.
        y : ignored
            Present because pipelines pass it.

        Returns
        -------
        FMEncoder
            This encoder.

        Raises
        ------
        TypeError, ValueError

        Examples
        --------
        >>> encoder = FMEncoder(user=["user_id"], item=["film"]).fit(
        ...     {"user_id": [7, 9], "film": ["a", "b"]}
        ... )
        >>> encoder.partial_fit(
        ...     {"user_id": [8, 9], "film": ["a", "c"]}
        ... ).get_feature_names_out().tolist()
        ['user_id=7', 'user_id=9', 'film=a', 'film=b', 'user_id=8', 'film=c']
        """
        if not hasattr(self, "fields_"):
            return self.fit(X)
        columns, _ = read_columns(as_table(X), self._layout.columns_to_fit)
        self._keep(self._layout.grown(columns))
        self._warn_of_collisions()
        return self

    def fit_transform(self, X: Any, y: Any = None) -> sparse.csr_array | BlockMatrix:
        """Fit, then encode the same rows; reads the columns only once.

        Parameters
        ----------
        X : pandas or polars DataFrame, Arrow table, or mapping of column name to array, with n_rows rows
            As for `fit`.
        y : ignored
            Present because pipelines pass it.

        Returns
        -------
        float32 csr_array or BlockMatrix of shape (n_rows, `n_features_out_`)
            As from `transform`.

        Raises
        ------
        TypeError, ValueError
            As for `fit`.
        """
        columns, n_rows = self._fit(X)
        return self._in_blocks(columns, n_rows) if self._gives_blocks else self._encoded(columns, n_rows, GROUPS)

    def transform(self, X: Any, side: Side | None = None) -> sparse.csr_array | BlockMatrix:
        """Encode rows.

        Parameters
        ----------
        X : pandas or polars DataFrame, Arrow table, or mapping of column name to array, with n_rows rows
            Needs the columns of the side that is encoded; others are ignored.
        side : {"user", "item"} or None, default=None
            ``"user"`` encodes the user's and the context's columns, ``"item"`` the item's, None all. The rows are
            of full width, the features of the other side empty: the two sides add up to the whole.

        Returns
        -------
        float32 csr_array of shape (n_rows, `n_features_out_`)
            Sorted indices, no duplicates, no stored zeros. The indices are int32, as long as the number of stored
            values allows. Its attribute `fields` is `fields_`, for field-aware models. After
            ``set_output(transform="blocks")`` the BlockMatrix of `transform_blocks`, if both sides are encoded.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        TypeError
            If `X` is of another type, or a column holds lists or other values that can't be categories.
        ValueError
            If `side` is unknown, a column is missing, `X` has no rows, a numeric column holds text or infinite values,
            a column holds another kind of values than in `fit`, such as dates and not integers, or the rows have
            implicit sets of more than 2^28 entries together: see `transform_blocks`.

        Warns
        -----
        UserWarning
            If a column held integers in `fit` and holds texts now, or the other way round, none of which can match.
        """
        check_is_fitted(self, "fields_")
        if side not in GROUPS_OF_SIDE:
            raise ValueError(f"side must be {', '.join(map(repr, get_args(Side)))} or None, got {side!r}")
        if side is None and self._gives_blocks:
            return self.transform_blocks(X)
        groups = GROUPS_OF_SIDE[side]
        columns, n_rows = read_columns(as_table(X), self._layout.columns_of(groups))
        return self._encoded(columns, n_rows, groups)

    def transform_blocks(self, X: Any) -> BlockMatrix:
        """Encode rows in blocks: each distinct row of the user's columns once, and of the item's.

        Parameters
        ----------
        X : pandas or polars DataFrame, Arrow table, or mapping of column name to array, with n_rows rows
            As for `transform`.

        Returns
        -------
        BlockMatrix of shape (n_rows, `n_features_out_`)
            Written out, it is what `transform` returns. The columns of a side are one block if they have at most a
            quarter of the n_rows as distinct rows, else blocks of their own, as the columns of the context always are.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the encoder is not fitted.
        TypeError, ValueError
            As for `transform`.

        Warns
        -----
        UserWarning
            As for `transform`.

        Examples
        --------
        >>> from fastfm_ext.encoding import implicit
        >>> ratings = {
        ...     "user": [1, 1, 1, 1, 2, 2, 2, 2],
        ...     "film": ["a", "b", "c", "d", "b", "c", "d", "e"],
        ... }
        >>> encoder = FMEncoder(user=["user", implicit("user", of="film")], item=["film"]).fit(
        ...     ratings
        ... )
        >>> encoder.transform_blocks(ratings)
        <BlockMatrix of shape (8, 12) in 2 blocks (2 x 7, 5 x 5), 48 nonzeros>
        """
        check_is_fitted(self, "fields_")
        return self._in_blocks(*read_columns(as_table(X), self._layout.columns_of(GROUPS)))

    def set_output(self, *, transform: str | None = None) -> Self:
        """Choose what `transform` and `fit_transform` return, as for a `Pipeline`.

        Parameters
        ----------
        transform : {"default", "blocks"} or None, default=None
            A sparse matrix, or the `BlockMatrix` of `transform_blocks`; None changes nothing.

        Returns
        -------
        FMEncoder
            This encoder.

        Raises
        ------
        ValueError
            If another output is asked for.
        """
        if transform not in (None, *_OUTPUTS):
            raise ValueError(
                f"FMEncoder can't give {transform} output: it is a wide sparse matrix, which no data frame holds well; "
                f"transform must be {' or '.join(map(repr, _OUTPUTS))}"
            )
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}  # the name under which scikit-learn's clone keeps it
        return self

    @property
    def _gives_blocks(self) -> bool:
        return getattr(self, "_sklearn_output_config", {}).get("transform") == "blocks"

    def _encoded(self, columns: dict[str, Column], n_rows: int, groups: tuple[str, ...]) -> sparse.csr_array:
        X = self._layout.encode(columns, n_rows, groups)
        X.fields = self.fields_
        X.item_fields = np.flatnonzero(np.array(self._layout.groups) == "item")
        return X

    def _in_blocks(self, columns: dict[str, Column], n_rows: int) -> BlockMatrix:
        return BlockMatrix.from_blocks(blocks_of_rows(self._layout, columns, n_rows), self.field_names_)

    def _fit(self, X: Any) -> tuple[dict[str, Column], int]:
        table = as_table(X)
        specs = given_specs({group: getattr(self, group) for group in GROUPS})
        self._is_inferred = specs is None
        names = inferable_names(table) if specs is None else [name for _, spec in specs for name in spec.columns_to_fit]
        columns, n_rows = read_columns(table, names)
        if specs is None:
            specs = [("columns", spec) for spec in infer_specs(columns.values())]
        field_names([spec for _, spec in specs])  # raises an error before anything is learned
        self._keep(Layout.learn(specs, columns))
        self._warn_of_collisions()
        return columns, n_rows

    def _warn_of_collisions(self) -> None:
        for column in self._layout.fitted:
            if isinstance(column, FittedHashed) and column.collisions is not None:
                warn_of(column.collisions, column.spec.column)

    def _keep(self, layout: Layout) -> None:
        self._layout = layout
        self.columns_ = [column.spec for column in layout.fitted]
        self.field_names_ = layout.names
        self.fields_ = layout.fields
        self.n_features_out_ = layout.n_features
        self.feature_names_in_ = np.array(layout.columns_of(GROUPS), dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)

    @property
    def collisions_(self) -> dict[str, HashCollisions]:
        """How the values of each hashed column share its features, by the name of the field."""
        found = {
            name: column.collisions
            for name, column in zip(self.field_names_, self._layout.fitted, strict=True)
            if isinstance(column, FittedHashed)
        }
        return {name: collisions for name, collisions in found.items() if collisions is not None}

    def _to_state(self) -> State:
        """Return all that is needed to restore the fitted encoder: JSON values, and arrays by name."""
        check_is_fitted(self, "fields_")
        meta, arrays = self._layout.state()
        return meta | {"inferred": self._is_inferred, "gives_blocks": self._gives_blocks}, arrays

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Self:
        """Undo `_to_state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a state that `_to_state` did not make.
        """
        layout = Layout.restore(meta, arrays)
        lists = lists_of(layout.groups, [column.spec for column in layout.fitted])
        given_specs(dict.fromkeys(GROUPS) | lists)
        is_inferred = bool(meta.get("inferred", False))
        encoder = cls() if is_inferred else cls(**lists)
        encoder._is_inferred = is_inferred
        encoder._keep(layout)
        return encoder.set_output(transform="blocks") if meta.get("gives_blocks", False) else encoder
