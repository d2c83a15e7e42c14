"""Quantiles as edges of bins, where a frequent number has a bin of its own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Bools, Float64, Int64

# How many rows have each of some numbers.
RowCounts = NDArray[np.integer[Any]]


def quantile_edges(values: Float64, counts: RowCounts, n_bins: int) -> Float64:
    """Return where bins end that hold equally many of the numbers, in rising order.

    A number that fills more than a bin, such as the 0 of a column that mostly has none, has a bin of its own, and the
    other bins are the quantiles of the rest. It shares its bin only where there are too few bins for this.

    Parameters
    ----------
    values : float64 ndarray of shape (n_values,)
        The distinct numbers, finite, in rising order; at least one.
    counts : int ndarray of shape (n_values,)
        How many rows have each, at least 1.
    n_bins : int
        At least 2.

    Returns
    -------
    float64 ndarray of shape (n_edges,)
        n_edges < n_bins; bin b holds ``edges[b - 1] <= x < edges[b]``.
    """
    alone = _filling_a_bin(counts, n_bins)
    while alone.any():
        for n_others in range(n_bins - int(alone.sum()), 0, -1):
            edges = _edges_around(values, counts, alone, n_others)
            if len(edges) < n_bins:
                return edges
        alone[np.where(alone, counts, counts.max() + 1).argmin()] = False
    return np.unique(_interpolated(values, counts, n_bins))


def _places(counts: RowCounts, n_bins: int) -> tuple[Int64, Int64]:
    """Return the places (n_bins - 1,) of the quantiles among the sorted rows: whole rows, and n_bins-ths of one."""
    below, rest = np.divmod((int(counts.sum()) - 1) * np.arange(1, n_bins, dtype=np.int64), n_bins)
    return below, rest


def _interpolated(values: Float64, counts: RowCounts, n_bins: int) -> Float64:
    """Return the quantiles (n_bins - 1,), as `numpy.quantile` does of the values repeated so often.

    Where one of them is a value, it is that to the last bit, which rounded shares would miss.
    """
    ends = np.cumsum(counts)
    below, rest = _places(counts, n_bins)
    pairs = np.stack([_number_at(values, ends, np.minimum(below + step, ends[-1] - 1)) for step in (0, 1)], axis=1)
    # NumPy's own interpolation between two numbers, so that the last bit is the same.
    return np.array([np.quantile(pair, [part / n_bins])[0] for pair, part in zip(pairs, rest, strict=True)])


def _at_or_above(values: Float64, counts: RowCounts, n_bins: int) -> Float64:
    """Return the quantiles (n_bins - 1,) that are themselves values: ``method="higher"`` of `numpy.quantile`."""
    below, rest = _places(counts, n_bins)
    return _number_at(values, np.cumsum(counts), below + (rest > 0))


def _number_at(values: Float64, ends: RowCounts, places: Int64) -> Float64:
    """Return the number (n,) at each place (n,) of the sorted rows; those of value i end at ``ends[i]``."""
    found: Float64 = values[np.searchsorted(ends, places, side="right")]
    return found


def _filling_a_bin(counts: RowCounts, n_bins: int) -> Bools:
    """Return which values, of these counts (n_values,), have more rows than a bin of the rest would have."""
    alone: Bools = np.zeros(len(counts), dtype=bool)
    while True:
        n_others = n_bins - int(alone.sum())
        more = ~alone & (counts * n_others > counts[~alone].sum())
        if not more.any():
            return alone
        alone |= more


def _edges_around(values: Float64, counts: RowCounts, alone: Bools, n_others: int) -> Float64:
    """Return the edges that part the values `alone` from all others, and these into quantiles."""
    starts = alone | np.append(False, alone[:-1])
    rest = values[~alone]
    # Of the values themselves: an edge between two of them could leave an empty bin beside a value that is alone.
    cuts = _at_or_above(rest, counts[~alone], n_others) if len(rest) else rest
    edges = np.union1d(values[starts], cuts)
    above_the_least: Float64 = edges[edges > values[0]]
    return above_the_least
