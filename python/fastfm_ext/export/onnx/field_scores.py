"""Scores of models with fields in a graph: the sums of each field, and what fields do to each other.

With S_F = sum of v_i x_i over a row's features of field F, and T_G what all fields do to features of G (`ModelSpec`),

    p = w0 + sum_i w_i x_i + 1/2 [ sum_G <S_G, T_G> - sum_i c_ii x_i^2 ],

where c_ii is what a feature would add with itself. T is S times a matrix, or S in another order without an R. It is
all in double precision, as for a factorization machine (`scores`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Int64
from fastfm_ext._engine.centers import NO_CENTERS, Centers
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext.encoding.sides import Side
from fastfm_ext.export.onnx.graph import Graph
from fastfm_ext.export.onnx.scores import (
    GraphEntries,
    KeptRows,
    PooledEntries,
    SummedTable,
    centered_entries,
    of_scores,
    summed_rows,
    summed_squares,
)


def form_of_vectors(form: ScoringForm) -> ScoringForm:
    """Return the form of rows of users or items alone, which lack the columns of the other side, for x itself.

    Raises
    ------
    ValueError
        If rows are scaled to unit length, or nobody said which fields are those of items.
    """
    of_fields = form.of_fields
    assert of_fields is not None
    if of_fields.is_normalized:
        raise ValueError("vectors of a model with normalize=True do not add up to its scores; export its predictions.")
    if of_fields.item_fields is None:
        raise ValueError("vectors need to know which fields are those of items; set item_fields of the model.")
    w0 = of_fields.w0_of_x - form.target_center
    return replace(form, w0=w0, w=of_fields.w_of_x, centers=NO_CENTERS)


class FieldMachine:
    """The tables of a model with fields, of several scores, as constants of a graph."""

    def __init__(self, graph: Graph, form: ScoringForm) -> None:
        assert form.of_fields is not None
        self.graph, self.form, self.of_fields = graph, form, form.of_fields
        self.n_fields, self.n_scores = form.of_fields.fields.n, form.n_scores
        self._flat = (self.n_fields, *form.V.shape[2:])  # S of a row
        self._length = int(np.prod(self._flat))
        V = form.V.reshape(form.n_scores, form.n_features, -1)
        self._vectors = V.transpose(1, 0, 2).reshape(form.n_features, -1)

    def pooled(self, entries: GraphEntries, centers: Centers, side: Side | None = None) -> PooledEntries:
        """Return the linear and pair terms of rows, and as sums the vectors of a side, (n, 1, length)."""
        graph = self.graph
        ids, values, kept = centered_entries(graph, entries, centers)
        own = of_scores(graph, summed_rows(graph, SummedTable(graph, self.form.w.T), ids, values, kept))
        scale = self._scale(values, kept) if self.of_fields.is_normalized else None
        own = own if scale is None else graph.node("Mul", own, scale)
        if not self._length:
            return PooledEntries(own, None)
        sums = self._sums(ids, values, kept)
        pulled = self._pulled(sums)
        products = graph.node("Transpose", graph.summed(graph.node("Mul", sums, pulled), 2), perm=[1, 0])
        of_themselves = summed_squares(graph, self.of_fields.with_themselves.T, ids, values, kept)
        pairs = graph.node("Mul", graph.node("Sub", products, of_themselves), graph.constant(0.5, np.float64))
        for _ in range(2 * (scale is not None)):
            pairs = graph.node("Mul", pairs, str(scale))
        own = graph.node("Add", own, pairs)
        if side is None:
            return PooledEntries(own, None)
        numbers = graph.constant(self._places_of_vectors(side))
        of_side = graph.node("Gather", pulled if side == "user" else sums, numbers, axis=2)
        return PooledEntries(own, graph.node("Transpose", of_side, perm=[1, 0, 2]))

    def vector_length(self, side: Side) -> int:
        """Return how many numbers meet in the inner product of vectors."""
        return len(self._places_of_vectors(side))

    def _sums(self, ids: str, values: str, kept: tuple[KeptRows, ...]) -> str:
        """Return S of each row, flat: (n_scores, n, length)."""
        graph, of_feature = self.graph, self.of_fields.fields.of_feature
        assert of_feature is not None
        is_of = graph.constant(of_feature[:, None] == np.arange(self.n_fields))
        of_field = graph.cast(graph.node("Gather", is_of, ids), np.float64)
        weights = graph.node("Mul", of_field, graph.unsqueezed(values, 2))
        vectors = graph.cast(graph.node("Gather", graph.constant(self._vectors), ids), np.float64)
        sums = graph.node("MatMul", graph.node("Transpose", weights, perm=[0, 2, 1]), vectors)
        for which, matrix in kept:
            each = (matrix.astype(np.float64).multiply(of_feature == field) for field in range(self.n_fields))
            by_field = [part @ self._vectors for part in each]
            sums = graph.node("Add", sums, graph.node("Gather", graph.constant(np.stack(by_field, axis=1)), which))
        width = self._length // self.n_fields
        apart = graph.node("Reshape", sums, graph.constant([-1, self.n_fields, self.n_scores, width], np.int64))
        by_score = graph.node("Transpose", apart, perm=[2, 0, 1, 3])
        return graph.node("Reshape", by_score, graph.constant([self.n_scores, -1, self._length], np.int64))

    def _pulled(self, sums: str) -> str:
        """Return T of each row, flat: (n_scores, n, length)."""
        graph, pull, R = self.graph, self.of_fields.pull, self.of_fields.R
        if R is None:
            order = pull(np.arange(self._length).reshape(1, *self._flat), None).ravel()
            return graph.node("Gather", sums, graph.constant(order, np.int64), axis=2)
        each = np.eye(self._length).reshape(self._length, *self._flat)
        matrices = [pull(each, of_score).reshape(self._length, self._length) for of_score in R]
        return graph.node("MatMul", sums, graph.constant(np.stack(matrices), np.float64))

    def _scale(self, values: str, kept: tuple[KeptRows, ...]) -> str:
        """Return what brings each row to unit length, (n, 1); 1 for rows without values."""
        graph = self.graph
        squares = graph.summed(graph.node("Mul", values, values), 1, keep=True)
        for which, matrix in kept:
            of_kept = graph.constant(matrix.astype(np.float64).power(2).sum(axis=1)[:, None])
            squares = graph.node("Add", squares, graph.node("Gather", of_kept, which))
        one, zero = graph.constant(1.0, np.float64), graph.constant(0.0, np.float64)
        is_empty = graph.node("Equal", squares, zero)
        return graph.node("Reciprocal", graph.node("Sqrt", graph.node("Where", is_empty, one, squares)))

    def _places_of_vectors(self, side: Side) -> Int64:
        """Return the places in T of users, or in S of items, flat, that meet those of the other side."""
        items: NDArray[np.integer] = np.asarray(self.of_fields.item_fields)
        users = np.setdiff1d(np.arange(self.n_fields), items)
        places = np.arange(self._length, dtype=np.int64).reshape(self._flat)[items]
        of_both: Int64 = places[:, users] if places.ndim == 3 else places
        return of_both.ravel()
