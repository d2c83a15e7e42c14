"""Quantiles as edges of bins, where a frequent number has a bin of its own."""

import numpy as np

from fastfm_ext._common.arrays import Bools, Float64


def quantile_edges(numbers: Float64, n_bins: int) -> Float64:
    """Return where bins end that hold equally many of the numbers, in rising order.

    A number that fills more than a bin, such as the 0 of a column that mostly has none, has a bin of its own, and the
    other bins are the quantiles of the rest. It shares its bin only where there are too few bins for this.

    Parameters
    ----------
    numbers : float64 ndarray of shape (n,)
        Finite.
    n_bins : int
        At least 2.

    Returns
    -------
    float64 ndarray of shape (n_edges,)
        n_edges < n_bins; bin b holds ``edges[b - 1] <= x < edges[b]``.
    """
    values, counts = np.unique(numbers, return_counts=True)
    alone = _filling_a_bin(counts, n_bins)
    while alone.any():
        for n_others in range(n_bins - int(alone.sum()), 0, -1):
            edges = _edges_around(values, counts, alone, n_others)
            if len(edges) < n_bins:
                return edges
        alone[np.where(alone, counts, counts.max() + 1).argmin()] = False
    return np.unique(np.quantile(numbers, np.linspace(0, 1, n_bins + 1)[1:-1]))


def _filling_a_bin(counts: np.ndarray[tuple[int], np.dtype[np.intp]], n_bins: int) -> Bools:
    """Return which values, of these counts (n_values,), have more rows than a bin of the rest would have."""
    alone: Bools = np.zeros(len(counts), dtype=bool)
    while True:
        n_others = n_bins - int(alone.sum())
        more = ~alone & (counts * n_others > counts[~alone].sum())
        if not more.any():
            return alone
        alone |= more


def _edges_around(
    values: Float64, counts: np.ndarray[tuple[int], np.dtype[np.intp]], alone: Bools, n_others: int
) -> Float64:
    """Return the edges that part the values `alone` from all others, and these into quantiles."""
    starts = alone | np.append(False, alone[:-1])
    rest = np.repeat(values[~alone], counts[~alone])
    # Of the values themselves: an edge between two of them could leave an empty bin beside a value that is alone.
    cuts = np.quantile(rest, np.linspace(0, 1, n_others + 1)[1:-1], method="higher") if len(rest) else rest
    edges = np.union1d(values[starts], cuts)
    above_the_least: Float64 = edges[edges > values[0]]
    return above_the_least
