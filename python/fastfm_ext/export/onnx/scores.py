"""Scores in a graph: the factorization machine over the features of rows, and the sums that vectors are made of.

A row is a list of features i with values x_i, so that the sums of

    p = w0 + sum_i w_i x_i + 1/2 sum_f [ (sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2 ]        (Rendle 2010, lemma 3.1)

are a product of the values with the gathered rows of the table [V | w], and one of their squares with q_i = |v_i|^2.
All are taken in double precision, since the squares nearly cancel; the tables of w and V are float32.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from fastfm_ext._common.arrays import AnyArray, Float32, Float64
from fastfm_ext._engine.centers import Centers
from fastfm_ext.export.onnx.graph import Graph


class KeptRows(NamedTuple):
    """Rows of features that the graph holds, of which each of its rows has one.

    Attributes
    ----------
    which : str
        The kept row of each row, int64 of shape (n,).
    matrix : csr_array of shape (n_kept, n_features)
    """

    which: str
    matrix: sparse.csr_array


class GraphEntries(NamedTuple):
    """Features of rows in a graph.

    Attributes
    ----------
    ids : str
        int64 of shape (n, n_entries).
    values : str
        float32 of the same shape; 0 for no feature.
    kept : tuple of KeptRows
        Besides; none of their features is among the ids.
    """

    ids: str
    values: str
    kept: tuple[KeptRows, ...] = ()


class PooledEntries(NamedTuple):
    """Terms of rows in a graph, float64.

    Attributes
    ----------
    own : str
        Linear and pair terms without w0, of shape (n, n_scores).
    sums : str or None
        The sums S_f of shape (n, n_scores, n_factors); None without factors.
    of_zeros : tuple of ndarray, or None
        `own` (n_scores,) and `sums` (n_scores, n_factors) of a row of nothing but zeros; None without centers.
    """

    own: str
    sums: str | None
    of_zeros: tuple[Float64, Float64] | None = None


class Machine:
    """The tables of a factorization machine of several scores as constants of a graph.

    Parameters
    ----------
    graph : Graph
    w : ndarray of shape (n_scores, n_features)
    V : ndarray of shape (n_scores, n_features, n_factors)
    """

    def __init__(self, graph: Graph, w: Float32, V: Float32) -> None:
        self.graph, self.w, self.V = graph, w, V
        self.n_scores, _, self.n_factors = V.shape
        self._table = SummedTable(graph, self._side_by_side())

    def pooled(self, entries: GraphEntries, centers: Centers, *, with_pairs: bool) -> PooledEntries:
        """Return the terms of rows; `own` is the linear part alone unless it is to have the pairs of their features."""
        rows = self._pooled(*centered_entries(self.graph, entries, centers), with_pairs=with_pairs)
        if not len(centers):
            return rows
        c, columns = centers.values, centers.columns
        V = self.V[:, columns].astype(np.float64) * c[:, None]
        sums_of_zeros = -V.sum(axis=1)
        own_of_zeros = -(self.w[:, columns] * c).sum(axis=1)
        if with_pairs:
            own_of_zeros = own_of_zeros + 0.5 * ((sums_of_zeros**2).sum(axis=1) - (V**2).sum(axis=(1, 2)))
        return rows._replace(of_zeros=(own_of_zeros, sums_of_zeros))

    def _pooled(self, ids: str, values: str, kept: tuple[KeptRows, ...], *, with_pairs: bool) -> PooledEntries:
        graph, k = self.graph, self.n_factors
        products = summed_rows(graph, self._table, ids, values, kept)
        if not k:
            return PooledEntries(of_scores(graph, products), None)
        widths = graph.constant([k * self.n_scores, self.n_scores], np.int64)
        sums, linear = graph.nodes("Split", products, widths, n_outputs=2, axis=2)
        by_score = graph.constant([-1, self.n_scores, k], np.int64)
        own, sums = of_scores(graph, linear), graph.node("Reshape", sums, by_score)
        if with_pairs:
            squares_of_factors = np.einsum("sif,sif->is", self.V, self.V, dtype=np.float64)
            of_squares = summed_squares(graph, squares_of_factors, ids, values, kept)
            of_sums = graph.node("ReduceSumSquare", sums, axes=[2], keepdims=0)
            twice = graph.node("Sub", of_sums, of_squares)
            own = graph.node("Add", own, graph.node("Mul", twice, graph.constant(0.5, np.float64)))
        return PooledEntries(own, sums)

    def _side_by_side(self) -> Float32:
        """Return [V | w] of all scores, (n_features, n_scores n_factors + n_scores)."""
        return np.concatenate([self.V.transpose(1, 0, 2).reshape(self.V.shape[1], -1), self.w.T], axis=1)


class SummedTable:
    """A table of features, (n_features, width), of which the graph sums rows."""

    def __init__(self, graph: Graph, table: AnyArray) -> None:
        self.values, self.name = table, graph.constant(table)


def summed_rows(graph: Graph, table: SummedTable, ids: str, values: str, kept: tuple[KeptRows, ...]) -> str:
    """Return the sums of the table's rows times the values of each row, in double precision: (n, 1, width)."""
    rows = graph.cast(graph.node("Gather", table.name, ids), np.float64)
    products = graph.node("MatMul", graph.unsqueezed(values, 1), rows)
    for which, matrix in kept:
        own_products = graph.constant(matrix.astype(np.float64) @ table.values)
        products = graph.node("Add", products, graph.unsqueezed(graph.node("Gather", own_products, which), 1))
    return products


def summed_squares(graph: Graph, table: Float64, ids: str, values: str, kept: tuple[KeptRows, ...]) -> str:
    """Return the sums of the table's rows, (n_features, n_scores), times the squares of the values: (n, n_scores)."""
    squares = [KeptRows(rows.which, rows.matrix.astype(np.float64).power(2)) for rows in kept]
    squared = graph.node("Mul", values, values)
    return of_scores(graph, summed_rows(graph, SummedTable(graph, table), ids, squared, tuple(squares)))


def of_scores(graph: Graph, products: str) -> str:
    """Bring (n, 1, n_scores) to (n, n_scores)."""
    return graph.node("Squeeze", products, graph.constant([1], np.int64))


def centered_entries(graph: Graph, entries: GraphEntries, centers: Centers) -> tuple[str, str, tuple[KeptRows, ...]]:
    """Return ids, values in double precision, and kept rows of z = x - c."""
    values = graph.cast(entries.values, np.float64)
    if not len(centers):
        return entries.ids, values, entries.kept
    ids, values, kept = _without_kept(graph, entries, values, centers)
    return (*_centered(graph, ids, values, centers), kept)


def _without_kept(
    graph: Graph, entries: GraphEntries, values: str, centers: Centers
) -> tuple[str, str, tuple[KeptRows, ...]]:
    """Return ids, values and kept rows that have no centered columns: those of kept rows are among the ids."""
    all_ids, all_values, kept = [entries.ids], [values], []
    for which, matrix in entries.kept:
        in_columns = matrix[:, centers.columns].toarray().astype(np.float64)
        is_used = in_columns.any(axis=0)
        if is_used.any():
            found = graph.node("Gather", graph.constant(in_columns[:, is_used]), which)
            columns = graph.constant(centers.columns[is_used], np.int64)
            all_ids.append(graph.node("Expand", columns, graph.node("Shape", found)))
            all_values.append(found)
            matrix = matrix.copy()
            matrix.data[np.isin(matrix.indices, centers.columns)] = 0.0
        kept.append(KeptRows(which, matrix))
    if len(all_ids) == 1:
        return entries.ids, values, tuple(kept)
    return graph.node("Concat", *all_ids, axis=1), graph.node("Concat", *all_values, axis=1), tuple(kept)


def _centered(graph: Graph, ids: str, values: str, centers: Centers) -> tuple[str, str]:
    """Return ids and values of z = x - c, with all centered columns behind the others."""
    columns = graph.constant(centers.columns, np.int64)
    is_column = graph.node("Equal", graph.unsqueezed(ids, 2), columns)
    nothing = graph.constant(0.0, np.float64)
    x = graph.summed(graph.node("Where", is_column, graph.unsqueezed(values, 2), nothing), 1)
    z = graph.node("Sub", x, graph.constant(centers.values, np.float64))
    n_found = graph.summed(graph.cast(is_column, np.float64), 2)
    others = graph.node("Mul", values, graph.node("Sub", graph.constant(1.0, np.float64), n_found))
    every = graph.node("Expand", columns, graph.node("Shape", x))
    return graph.node("Concat", ids, every, axis=1), graph.node("Concat", others, z, axis=1)
