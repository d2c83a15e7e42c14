"""Inputs of a graph that reads raw columns: a tensor for each, of the type that its fields read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext.export.onnx.graph import NO_INTEGER, Graph

# What a field reads in a column: its categories, or numbers.
InputKind = Literal["text", "integer", "truth value", "number", "texts", "integers"]
TYPES: dict[InputKind, type] = {
    "text": object,
    "integer": np.int64,
    "truth value": np.bool_,
    "number": np.float64,
    "texts": object,
    "integers": np.int64,
}
# What stands for a missing text.
NO_TEXT = ""
# A number that is no integer is no category either.
NOT_WHOLE = NO_INTEGER + 1


class InputRequest(NamedTuple):
    """A column and what a field reads in it."""

    column: str
    kind: InputKind


class ColumnInputs:
    """Tensors of the columns: (n,), or (n, n_values) where a cell has several values.

    Parameters
    ----------
    graph : Graph
    requests : iterable of InputRequest
        Of all fields. A column of integers and of numbers is one of numbers.
    n_features : int
        Of the encoder.

    Raises
    ------
    ValueError
        If fields read one column as two types, or a column has no name.
    """

    def __init__(self, graph: Graph, requests: Iterable[InputRequest], n_features: int) -> None:
        self.graph = graph
        self.n_features = n_features
        self.kinds: dict[str, InputKind] = {}
        for column, kind in requests:
            if not column:
                raise ValueError(
                    "an input of ONNX must have a name, and there is a column without one (''): give the encoder a "
                    "copy of the column under a name."
                )
            before = self.kinds.setdefault(column, kind)
            if {before, kind} == {"integer", "number"}:
                self.kinds[column] = "number"
            elif before != kind:
                raise ValueError(
                    f"column {column!r} is read as {before} and as {kind}, and an input of ONNX has one type: give the "
                    "encoder a copy of the column under another name."
                )
        for column, kind in self.kinds.items():
            graph.input(column, TYPES[kind], *(("n", f"n_{column}") if kind in ("texts", "integers") else ("n",)))

    def numbers(self, column: str) -> str:
        """Return a column as float64, NaN where it is missing."""
        return column

    def keys(self, column: str) -> str:
        """Return a column of categories as texts, or as int64."""
        graph = self.graph
        if self.kinds[column] == "truth value":
            return graph.cast(column, np.int64)
        if self.kinds[column] != "number":
            return column
        zero = graph.constant(0.0, np.float64)
        is_missing = graph.node("IsNaN", column)
        present = graph.node("Where", is_missing, zero, column)
        whole = graph.cast(present, np.int64)
        is_whole = graph.node("Equal", graph.cast(whole, np.float64), present)
        keys = graph.node("Where", is_whole, whole, graph.constant(NOT_WHOLE, np.int64))
        return graph.node("Where", is_missing, graph.constant(NO_INTEGER, np.int64), keys)


def kind_of_categories(values: AnyArray) -> InputKind | None:
    """Return what a tensor of these canonical values, (n,), would hold; None if ONNX cannot look them up."""
    kinds: dict[str, InputKind] = {"i": "integer", "b": "truth value"}
    if values.dtype.kind == "O":
        return "text" if all(isinstance(value, str) for value in values.tolist()) else None
    return kinds.get(values.dtype.kind)
