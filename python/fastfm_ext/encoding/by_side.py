"""Encoding of users, items and context whose columns stand in tables of their own."""

from collections.abc import Callable
from typing import Any

from scipy import sparse

from fastfm_ext._tables.read import as_table, read_columns
from fastfm_ext.encoding.columns.base import ColumnsByName, ColumnSpec
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.encoding.field_names import field_names
from fastfm_ext.encoding.layout import Layout
from fastfm_ext.encoding.sides import GROUPS, given_specs


def fitted_by_side(encoder: FMEncoder, columns_of: Callable[[str, ColumnSpec], ColumnsByName]) -> FMEncoder:
    """Fit an encoder with lists of specs, each spec on rows of its own.

    Parameters
    ----------
    encoder : FMEncoder
        Its lists name columns.
    columns_of : callable
        From a group ("user", "item" or "context") and a spec to the columns that the spec learns from. `FMEncoder.fit`
        gives each the rows of one table; here those of users may be the users, and those of items the items.

    Returns
    -------
    FMEncoder
        The same.

    Raises
    ------
    TypeError, ValueError
        As for `FMEncoder.fit`.
    """
    specs = given_specs({group: getattr(encoder, group) for group in GROUPS})
    assert specs is not None
    field_names([spec for _, spec in specs])  # raises an error before anything is learned
    fitted = [spec.fit(columns_of(group, spec)) for group, spec in specs]
    encoder._keep(Layout.side_by_side([group for group, _ in specs], fitted))
    return encoder


def encoded_groups(encoder: FMEncoder, X: Any, groups: tuple[str, ...]) -> sparse.csr_array:
    """Encode the columns of some groups alone, such as the user's without the context: (n_rows, n_features_out_).

    Raises
    ------
    TypeError, ValueError
        As for `FMEncoder.transform`.
    """
    columns, n_rows = read_columns(as_table(X), encoder._layout.columns_of(groups))
    return encoder._layout.encode(columns, n_rows, groups)
