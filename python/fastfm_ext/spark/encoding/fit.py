"""Fit of the encoder on a Spark DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastfm_ext.encoding.by_statistics import fitted_by_statistics
from fastfm_ext.encoding.columns.base import ColumnSpec
from fastfm_ext.encoding.columns.categorical import Categorical
from fastfm_ext.encoding.columns.multi import Multi
from fastfm_ext.encoding.columns.numeric import Numeric
from fastfm_ext.encoding.columns.statistics import Counts, Statistics
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.encoding.field_names import field_names
from fastfm_ext.encoding.infer import inferred_by_values
from fastfm_ext.encoding.sides import GROUPS, given_specs
from fastfm_ext.spark.encoding.statistics import statistics_of
from fastfm_ext.spark.encoding.types import check_readable, columns_named, has_fractions, is_list, is_time
from fastfm_ext.spark.reading import check_is_frame

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def fit_encoder(frame: DataFrame, encoder: FMEncoder) -> FMEncoder:
    """Fit an encoder on a Spark DataFrame: Spark counts the values, the driver chooses the features.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
        Needs every column that the encoder's specs name.
    encoder : fastfm_ext.FMEncoder
        As for one machine.

    Returns
    -------
    fastfm_ext.FMEncoder
        The same, fitted as by ``encoder.fit(frame.toPandas())``. Mean and scale of a numeric column may differ in the
        last bits, for the numbers are added in another order.

    Raises
    ------
    TypeError
        If a column is of a type that its spec cannot read.
    ValueError
        If a column is missing, the frame has no rows, or a numeric or no column has a value.
    pyspark.errors.PythonException
        For an infinite number in a numeric column; the message names the row.

    Notes
    -----
    The driver collects the distinct values of each column with their counts, as the encoder keeps them. Of a numeric
    column only sums travel. A binned column sends its distinct numbers; where those are many, give it ``edges``, such
    as from ``frame.approxQuantile``.
    """
    specs = given_specs({group: getattr(encoder, group) for group in GROUPS})
    if specs is None:
        inferred, statistics = _inferred(frame)
        return fitted_by_statistics(encoder, [("columns", spec) for spec in inferred], statistics, is_inferred=True)
    field_names([spec for _, spec in specs])  # raises an error before anything is counted
    statistics = _counted(frame, [spec for _, spec in specs])
    return fitted_by_statistics(encoder, specs, statistics, is_inferred=False)


def _counted(frame: DataFrame, specs: Sequence[ColumnSpec]) -> list[Statistics]:
    names = list(dict.fromkeys(name for spec in specs for name in spec.columns_to_fit))
    selected = columns_named(frame, names)
    for spec in specs:
        check_readable(frame, spec, spec.columns_to_fit)
    statistics, n_rows = statistics_of(selected, specs)
    _check_has_rows(n_rows)
    return statistics


def _inferred(frame: DataFrame) -> tuple[list[ColumnSpec], list[Statistics]]:
    """Return a spec for every column, by the rules of one machine, and their statistics."""
    check_is_frame(frame)
    if not frame.columns:
        raise ValueError("FMEncoder has no columns to encode: the DataFrame has none")
    fractions = has_fractions(frame)
    by_type = {field.name: _spec_of_type(field, fractions) for field in frame.schema.fields}
    # Under which all values are counted, and those decide.
    to_count = [Categorical(name, min_count=2) for name, spec in by_type.items() if spec is None]
    counted: dict[str, tuple[ColumnSpec, Statistics]] = {}
    if to_count:
        for spec in to_count:
            check_readable(frame, spec, spec.columns_to_fit)
        statistics, n_rows = statistics_of(columns_named(frame, [spec.name for spec in to_count]), to_count)
        _check_has_rows(n_rows)
        for spec, own in zip(to_count, statistics, strict=True):
            assert isinstance(own, Counts)
            chosen = inferred_by_values(spec.name, own.values, n_rows, int(own.counts.sum()))
            counted[spec.name] = (chosen, own)
    specs = [spec or counted[name][0] for name, spec in by_type.items()]
    known = {name: own for name, (spec, own) in counted.items() if isinstance(spec, Categorical)}
    others = [spec for spec in specs if spec.name not in known]
    if others:
        known |= dict(zip((spec.name for spec in others), _counted(frame, others), strict=True))
    return specs, [known[spec.name] for spec in specs]


def _spec_of_type(field: Any, fractions: dict[str, bool]) -> ColumnSpec | None:
    """Return the spec that follows from a column's type; None where its values decide."""
    if is_list(field.dataType):
        return Multi(field.name, sep=None)
    return Numeric(field.name) if is_time(field.dataType) or fractions.get(field.name) else None


def _check_has_rows(n_rows: int) -> None:
    if not n_rows:
        raise ValueError("the DataFrame is empty: it has no rows to fit the encoder on")
