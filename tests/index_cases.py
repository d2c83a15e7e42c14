"""Vectors as training makes them, for the tests of approximate search."""

import numpy as np

N_ITEMS = 6000


def clustered(n, seed):
    """Vectors with clusters and unequal lengths, as training makes them."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(40, 8))
    return (centres[rng.integers(0, 40, n)] + 0.4 * rng.normal(size=(n, 8))) * rng.gamma(4, 0.25, size=(n, 1))


ITEMS, USERS = clustered(N_ITEMS, 0), clustered(700, 1)


def recall(found, best):
    """Return the mean share of each row of `best` that is in the same row of `found`."""
    return np.mean([np.isin(b, f).mean() for f, b in zip(found, best, strict=True)])
