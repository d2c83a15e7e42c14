"""Encoder in a graph: raw columns as features and values, as `FMEncoder.transform` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Int32
from fastfm_ext._tables.vocabulary import join_values
from fastfm_ext.encoding.columns.base import FittedColumn
from fastfm_ext.encoding.columns.binned import FittedBinned
from fastfm_ext.encoding.columns.categorical import FittedCategorical
from fastfm_ext.encoding.columns.crossed import FittedCrossed
from fastfm_ext.encoding.columns.implicit import FittedImplicit
from fastfm_ext.encoding.columns.levels import Levels
from fastfm_ext.encoding.columns.multi import FittedMulti, weights_of_cells
from fastfm_ext.encoding.columns.numeric import FittedNumeric
from fastfm_ext.export.onnx.graph import NO_INTEGER, Graph
from fastfm_ext.export.onnx.inputs import NO_TEXT, ColumnInputs, InputKind, InputRequest, kind_of_categories
from fastfm_ext.export.onnx.scores import GraphEntries, KeptRows

# Of values without a feature, and of codes of missing ones.
NOTHING, MISSING = -1, -2
_SHIFT = 32


class FieldEntries(NamedTuple):
    """What a field gives each row.

    Attributes
    ----------
    features : str
        int64 of shape (n, n_entries); negative for none.
    weights : str or None
        float32 of the same shape; None for ones.
    kept : KeptRows or None
        Besides.
    """

    features: str
    weights: str | None = None
    kept: KeptRows | None = None


def encoded_columns(
    graph: Graph, layout: Any, group_lists: list[tuple[str, ...]]
) -> tuple[list[GraphEntries], dict[str, InputKind]]:
    """Add the inputs of an encoder's columns; return the entries of each list of groups, and what the inputs hold.

    Raises
    ------
    ValueError
        If a column is of a kind that ONNX cannot encode, or a list has no columns.
    """
    fields = list(zip(layout.groups, layout.fitted, layout.features, strict=True))
    wanted = {group for groups in group_lists for group in groups}
    requests = [request for group, column, _ in fields if group in wanted for request in _requests(column)]
    inputs = ColumnInputs(graph, requests, layout.n_features)
    found = []
    for groups in group_lists:
        own = [
            _FIELDS[type(column)](graph, inputs, column, features)
            for group, column, features in fields
            if group in groups
        ]
        if not own:
            raise ValueError(f"the encoder has no columns of {' or '.join(groups)} to take as inputs.")
        found.append(_joined(graph, own))
    return found, inputs.kinds


def _requests(column: FittedColumn) -> list[InputRequest]:
    """Return the inputs of a fitted column."""
    name = column.spec.name
    if isinstance(column, FittedNumeric | FittedBinned):
        return [InputRequest(name, "number")]
    if isinstance(column, FittedCategorical):
        return [InputRequest(name, _checked_kind(name, _all_values(column.levels)))]
    if isinstance(column, FittedMulti):
        kind = _checked_kind(name, _all_values(column.levels))
        if kind == "truth value":
            raise ValueError(_cannot(f"column {name!r}", "holds cells of truth values"))
        return [InputRequest(name, "texts" if kind == "text" else "integers")]
    if isinstance(column, FittedImplicit):
        return [InputRequest(column.spec.column, _checked_kind(column.spec.column, column.owners.values))]
    if isinstance(column, FittedCrossed):
        parts = zip(column.spec.columns, column.parts, strict=True)
        return [InputRequest(part, _checked_kind(part, vocabulary.values)) for part, vocabulary in parts]
    raise ValueError(_cannot(f"field {name!r}", f"is {column.spec!r}, of a kind that ONNX has no operators for"))


def _cannot(what: str, reason: str) -> str:
    return (
        f"{what} {reason}, so that the graph cannot begin at raw columns. Leave the encoder out, and give the graph "
        "what encoder.transform returns, as ids and values."
    )


def _checked_kind(name: str, values: AnyArray) -> InputKind:
    kind = kind_of_categories(values)
    if kind is None:
        raise ValueError(_cannot(f"column {name!r}", "has categories that are neither all text nor all int64"))
    return kind


def _all_values(levels: Levels) -> AnyArray:
    """Return the values with a feature of their own, then the rare ones, in one form."""
    parts = [part.values for part in (levels.vocabulary, levels.rare) if len(part)]
    return join_values(parts) if parts else levels.vocabulary.values


def _joined(graph: Graph, fields: list[FieldEntries]) -> GraphEntries:
    """Put the entries of fields side by side."""
    features = _side_by_side(graph, [field.features for field in fields])
    is_there = graph.node("GreaterOrEqual", features, graph.constant(0, np.int64))
    values = graph.cast(is_there, np.float32)
    if any(field.weights is not None for field in fields):
        one, nothing = graph.constant(1.0, np.float32), graph.constant(0.0, np.float32)
        weights = [field.weights or _filled(graph, field.features, one) for field in fields]
        values = graph.node("Where", is_there, _side_by_side(graph, weights), nothing)
    kept = tuple(field.kept for field in fields if field.kept is not None)
    return GraphEntries(graph.node("Max", features, graph.constant(0, np.int64)), values, kept)


def _side_by_side(graph: Graph, parts: list[str]) -> str:
    return graph.node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def _filled(graph: Graph, like: str, value: str) -> str:
    """Return a value in the shape of another tensor."""
    return graph.node("Expand", value, graph.node("Shape", like))


# --- fields ----------------------------------------------------------------------------------------------------------


def _feature(features: Int32, position: int) -> int:
    return int(features[position]) if position >= 0 else NOTHING


def _level_table(levels: Levels, features: Int32) -> dict[Any, int]:
    """Return the feature of each key that has another than the unknown ones."""
    values = _all_values(levels)
    own = features[levels.n_shared :].tolist()
    rare = _feature(features, levels.shared_position("rare"))
    of_values = [*own, *[rare] * len(levels.rare)]
    return dict(zip(_keys(values), of_values, strict=True))


def _keys(values: AnyArray) -> list[Any]:
    """Return values, (n,), as the Python objects that a table of ONNX has."""
    return [int(value) for value in values.tolist()] if values.dtype.kind in "ib" else values.tolist()


def _no_key(values: AnyArray) -> Any:
    return NO_TEXT if values.dtype.kind == "O" else NO_INTEGER


def _categorical(graph: Graph, inputs: ColumnInputs, column: FittedCategorical, features: Int32) -> FieldEntries:
    levels, name = column.levels, column.spec.name
    table = _level_table(levels, features)
    table.setdefault(_no_key(_all_values(levels)), _feature(features, levels.missing_position))
    found = graph.looked_up(inputs.keys(name), table, _feature(features, levels.unknown_position))
    return FieldEntries(graph.unsqueezed(found, 1))


def _multi(graph: Graph, inputs: ColumnInputs, column: FittedMulti, features: Int32) -> FieldEntries:
    levels, name = column.levels, column.spec.name
    table = _level_table(levels, features)
    table[_no_key(_all_values(levels))] = MISSING
    found = graph.looked_up(inputs.keys(name), table, _feature(features, levels.unknown_position))
    # A feature counts once: entries that repeat an earlier one are dropped.
    is_same = graph.node("Equal", graph.unsqueezed(found, 2), graph.unsqueezed(found, 1))
    earlier = graph.node("Trilu", graph.cast(is_same, np.float32), graph.constant(-1, np.int64), upper=0)
    zero, nothing = graph.constant(0.0, np.float32), graph.constant(NOTHING, np.int64)
    repeats = graph.node("Greater", graph.summed(earlier, 2), zero)
    kept = graph.node("Where", repeats, nothing, found)
    is_kept = graph.cast(graph.node("GreaterOrEqual", kept, graph.constant(0, np.int64)), np.float32)
    weights = None
    if column.spec.norm is not None:
        count = graph.node("Max", graph.summed(is_kept, 1, keep=True), graph.constant(1.0, np.float32))
        power = graph.constant(-0.5 if column.spec.norm == "l2" else -1.0, np.float32)
        weights = graph.node("Mul", is_kept, graph.node("Pow", count, power))
    if levels.missing_position < 0:
        return FieldEntries(kept, weights)
    is_token = graph.cast(graph.node("Equal", found, graph.constant(MISSING, np.int64)), np.float32)
    n_tokens = graph.summed(graph.node("Sub", graph.constant(1.0, np.float32), is_token), 1, keep=True)
    is_missing = graph.node("Equal", n_tokens, zero)
    missing = graph.constant(_feature(features, levels.missing_position), np.int64)
    one = graph.node("Where", is_missing, missing, nothing)
    if weights is not None:
        weights = graph.node("Concat", weights, graph.cast(is_missing, np.float32), axis=1)
    return FieldEntries(graph.node("Concat", kept, one, axis=1), weights)


def _crossed(graph: Graph, inputs: ColumnInputs, column: FittedCrossed, features: Int32) -> FieldEntries:
    codes = []
    for name, part in zip(column.spec.columns, column.parts, strict=True):
        table = {key: code for code, key in enumerate(_keys(part.values))}
        table.setdefault(_no_key(part.values), MISSING)
        codes.append(graph.looked_up(inputs.keys(name), table, NOTHING))
    shift, missing_code = graph.constant(1 << _SHIFT, np.int64), graph.constant(MISSING, np.int64)
    is_missing = graph.node("Equal", codes[0], missing_code)
    found, levels = codes[0], column.levels
    tables = [{int(key): code for code, key in enumerate(pair.values.tolist())} for pair in column.pairs]
    unknown = _feature(features, levels.unknown_position)
    for number, (code, table) in enumerate(zip(codes[1:], [*tables, _level_table(levels, features)], strict=True)):
        is_missing = graph.node("Or", is_missing, graph.node("Equal", code, missing_code))
        # Negative codes make keys that no table has.
        key = graph.node("Add", graph.node("Mul", found, shift), code)
        is_last = number == len(codes) - 2
        found = graph.looked_up(key, table or {NO_INTEGER: NOTHING}, unknown if is_last else NOTHING)
    missing = graph.constant(_feature(features, levels.missing_position), np.int64)
    return FieldEntries(graph.unsqueezed(graph.node("Where", is_missing, missing, found), 1))


def _numeric(graph: Graph, inputs: ColumnInputs, column: FittedNumeric, features: Int32) -> FieldEntries:
    x = inputs.numbers(column.spec.name)
    if column.spec.log:
        one = graph.constant(1.0, np.float64)
        magnitude = graph.node("Log", graph.node("Add", graph.node("Abs", x), one))
        x = graph.node("Mul", graph.node("Sign", x), magnitude)
    centered = graph.node("Sub", x, graph.constant(column.mean, np.float64))
    scaled = graph.cast(graph.node("Div", centered, graph.constant(column.scale, np.float64)), np.float32)
    is_missing = graph.node("IsNaN", scaled)
    of_missing = _feature(features, 1) if column.spec.missing == "feature" else NOTHING
    ids = [graph.constant(feature, np.int64) for feature in (of_missing, _feature(features, 0))]
    weight = graph.node("Where", is_missing, graph.constant(1.0, np.float32), scaled)
    found = graph.node("Where", is_missing, *ids)
    return FieldEntries(graph.unsqueezed(found, 1), graph.unsqueezed(weight, 1))


def _binned(graph: Graph, inputs: ColumnInputs, column: FittedBinned, features: Int32) -> FieldEntries:
    x = inputs.numbers(column.spec.name)
    n_bins = len(column.edges) + 1
    missing = graph.constant(_feature(features, n_bins) if column.spec.missing == "feature" else NOTHING, np.int64)
    found = graph.constant(features[0], np.int64)
    if n_bins > 1:
        is_above = graph.node("GreaterOrEqual", graph.unsqueezed(x, 1), graph.constant(column.edges, np.float64))
        bins = graph.summed(graph.cast(is_above, np.int64), 1)
        found = graph.node("Gather", graph.constant(features[:n_bins], np.int64), bins)
    return FieldEntries(graph.unsqueezed(graph.node("Where", graph.node("IsNaN", x), missing, found), 1))


def _implicit(graph: Graph, inputs: ColumnInputs, column: FittedImplicit, features: Int32) -> FieldEntries:
    codes = {key: code for code, key in enumerate(_keys(column.owners.values))}
    nobody = len(codes)  # whose set is empty
    owner = graph.looked_up(inputs.keys(column.spec.column), codes or {NO_INTEGER: nobody}, nobody)
    indptr = np.append(column.indptr, column.indptr[-1])
    weights = weights_of_cells(np.diff(indptr), column.spec.norm)
    data = np.ones(len(column.positions), dtype=np.float32) if weights is None else weights
    matrix = sparse.csr_array((data, features[column.positions], indptr), shape=(nobody + 1, inputs.n_features))
    nothing = _filled(graph, graph.unsqueezed(owner, 1), graph.constant(NOTHING, np.int64))
    return FieldEntries(nothing, kept=KeptRows(owner, matrix))


_FIELDS: dict[type[FittedColumn], Callable[..., FieldEntries]] = {
    FittedCategorical: _categorical,
    FittedMulti: _multi,
    FittedCrossed: _crossed,
    FittedNumeric: _numeric,
    FittedBinned: _binned,
    FittedImplicit: _implicit,
}
