"""Outputs of a graph: predictions of rows, or the vectors of users or of items."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext._learning.similarity import TINY_SQUARE
from fastfm_ext.encoding.sides import Side
from fastfm_ext.export.onnx.field_scores import FieldMachine, form_of_vectors
from fastfm_ext.export.onnx.graph import Graph
from fastfm_ext.export.onnx.links import raw_score, write_predictions
from fastfm_ext.export.onnx.scores import GraphEntries, Machine, PooledEntries

GraphKind = Literal["prediction", "user_vector", "item_vector"]


def sides_of(form: ScoringForm, what: GraphKind) -> list[Side | None]:
    """Return the side of each list of entries that the outputs are made of; None for whole rows."""
    if what == "prediction":
        return ["user", "item"] if form.link.kind == "similarity" else [None]
    return ["user" if what == "user_vector" else "item"]


def write_outputs(graph: Graph, form: ScoringForm, what: GraphKind, entries: list[GraphEntries]) -> None:
    """Add the outputs, from the entries of each of the sides.

    Raises
    ------
    ValueError
        For vectors that a model with fields has not.
    """
    if form.of_fields is not None:
        _write_outputs_of_fields(graph, form, what, entries[0])
        return
    machine = Machine(graph, form.w, form.V)
    if form.link.kind == "similarity":
        sides = zip(sides_of(form, what), entries, strict=True)
        vectors = [_compared(graph, form, machine, side, of_side) for side, of_side in sides]
        if what == "prediction":
            graph.output("score", graph.summed(graph.node("Mul", *vectors), 1), np.float32, "n")
        else:
            graph.output("vector", vectors[0], np.float32, "n", form.n_factors + 1)
        return
    rows = machine.pooled(entries[0], form.centers, with_pairs=True)
    if what == "prediction":
        write_predictions(graph, form, rows.own)
        return
    own, sums = rows.own, rows.sums
    if rows.of_zeros is not None:
        own = graph.node("Sub", own, graph.constant(rows.of_zeros[0], np.float64))
        sums = sums and graph.node("Sub", sums, graph.constant(rows.of_zeros[1], np.float64))
    first = graph.cast(own, np.float32) if what == "item_vector" else _ones(graph, own)
    vector = _vector(graph, first, sums and _of_first_score(graph, sums))
    graph.output("vector", vector, np.float32, "n", form.n_factors + 1)
    if what == "user_vector":
        bias, dtype = raw_score(graph, form, rows.own)
        graph.output("bias", bias, dtype, "n")


def _write_outputs_of_fields(graph: Graph, form: ScoringForm, what: GraphKind, entries: GraphEntries) -> None:
    """Add the outputs of a model with fields."""
    if what == "prediction":
        write_predictions(graph, form, FieldMachine(graph, form).pooled(entries, form.centers).own)
        return
    form, side = form_of_vectors(form), sides_of(form, what)[0]
    assert side is not None
    machine = FieldMachine(graph, form)
    rows = machine.pooled(entries, form.centers, side)
    first = graph.cast(rows.own, np.float32) if side == "item" else _ones(graph, rows.own)
    vector = _vector(graph, first, rows.sums and _of_first_score(graph, rows.sums))
    graph.output("vector", vector, np.float32, "n", machine.vector_length(side) + 1)
    if side == "user":
        bias, dtype = raw_score(graph, form, rows.own)
        graph.output("bias", bias, dtype, "n")


def _compared(graph: Graph, form: ScoringForm, machine: Machine, side: Side | None, entries: GraphEntries) -> str:
    """Return the vectors, (n, n_factors + 1), of a ranker's users or items."""
    temperature = form.link.temperature
    is_user = side == "user"
    centers = form.centers if is_user else form.item_centers
    if is_user and form.n_history_items:
        entries = _with_shares(graph, entries, form.n_features)
    rows: PooledEntries = machine.pooled(entries, centers, with_pairs=not is_user and temperature is None)
    first = _ones(graph, rows.own) if is_user else graph.cast(rows.own, np.float32)
    sums = rows.sums and _of_first_score(graph, rows.sums)
    if sums is not None and temperature is not None:
        sums = _of_unit_length(graph, sums)
        if is_user:
            sums = graph.node("Mul", sums, graph.constant(1.0 / temperature, np.float32))
    return _vector(graph, first, sums)


def _with_shares(graph: Graph, entries: GraphEntries, n_features: int) -> GraphEntries:
    """Return entries in which each of the items H behind the features has the value ``|H|^(-1/2)``."""
    zero = graph.constant(0.0, np.float32)
    is_item = graph.node("GreaterOrEqual", entries.ids, graph.constant(n_features, np.int64))
    is_there = graph.node("Not", graph.node("Equal", entries.values, zero))
    chosen = graph.cast(graph.node("And", is_item, is_there), np.float32)
    count = graph.node("Max", graph.summed(chosen, 1, keep=True), graph.constant(1.0, np.float32))
    shares = graph.node("Div", chosen, graph.node("Sqrt", count))
    return GraphEntries(entries.ids, graph.node("Where", is_item, shares, entries.values))


def _vector(graph: Graph, first: str, sums: str | None) -> str:
    return first if sums is None else graph.node("Concat", first, sums, axis=1)


def _ones(graph: Graph, own: str) -> str:
    return graph.node("Expand", graph.constant(1.0, np.float32), graph.node("Shape", own))


def _of_first_score(graph: Graph, sums: str) -> str:
    """Bring sums (n, 1, n_factors) to float32 of shape (n, n_factors)."""
    return graph.node("Squeeze", graph.cast(sums, np.float32), graph.constant([1], np.int64))


def _of_unit_length(graph: Graph, sums: str) -> str:
    """Return rows (n, n_factors) at length 1, as `Similarity` does."""
    largest = graph.node("ReduceMax", graph.node("Abs", sums), axes=[1], keepdims=1)
    rows = graph.node("Div", sums, graph.node("Max", largest, graph.constant(1.0, np.float32)))
    squares = graph.summed(graph.node("Mul", rows, rows), 1, keep=True)
    length = graph.node("Sqrt", graph.node("Add", squares, graph.constant(TINY_SQUARE, np.float32)))
    return graph.node("Div", rows, length)
