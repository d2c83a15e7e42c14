"""Encoder fitted by statistics of columns that were found out elsewhere, such as on many machines."""

from __future__ import annotations

from collections.abc import Sequence

from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.statistics import Statistics
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.encoding.layout import Layout


def fitted_by_statistics(
    encoder: FMEncoder,
    specs: Sequence[tuple[str, ColumnSpec]],
    statistics: Sequence[Statistics],
    *,
    is_inferred: bool,
) -> FMEncoder:
    """Fit an encoder without its rows.

    Parameters
    ----------
    encoder : FMEncoder
        Fitted in place.
    specs : sequence of (str, ColumnSpec)
        The group of each spec, and the spec: those of the encoder's lists, or inferred.
    statistics : sequence of Statistics
        What ``spec.statistics(columns)`` of each spec is for all rows.
    is_inferred : bool
        Whether the encoder has no lists.

    Returns
    -------
    FMEncoder
        The same.

    Raises
    ------
    ValueError
        If no column has a value, or a numeric column has none.
    """
    encoder._is_inferred = is_inferred
    encoder._keep(Layout.decided(list(specs), list(statistics)))
    encoder._warn_of_collisions()
    return encoder
