"""Vectors as training makes them and indexes over them, for the tests of approximate search."""

import copy
import functools

import numpy as np
import pytest

from fastfm_ext.model_io import ModelFileError
from fastfm_ext.retrieval import ItemIndex

N_ITEMS = 6000


def clustered(n, seed):
    """Vectors with clusters and unequal lengths, as training makes them."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).normal(size=(40, 8))
    return (centers[rng.integers(0, 40, n)] + 0.4 * rng.normal(size=(n, 8))) * rng.gamma(4, 0.25, size=(n, 1))


ITEMS, USERS = clustered(N_ITEMS, 0), clustered(700, 1)


def recall(found, best):
    """Return the mean share of each row of `best` that is in the same row of `found`."""
    return np.mean([np.isin(b, f).mean() for f, b in zip(found, best, strict=True)])


# How an index keeps its items: quantizer and keep_vectors.
KEPT = {
    "vectors": (None, True),
    **{f"{kind} and vectors": (kind, True) for kind in ("sq8", "pq")},
    **{f"{kind} alone": (kind, False) for kind in ("sq8", "pq")},
}


@functools.cache
def _tuned(kept):
    quantizer, keep_vectors = KEPT[kept]
    target = 0.7 if kept == "pq alone" else 0.95
    index = ItemIndex("ivf", quantizer=quantizer, keep_vectors=keep_vectors, target_recall=target)
    return index.fit(ITEMS).tune(USERS[:400])


def tuned_index(kept):
    """Return an index of its own over `ITEMS`."""
    return copy.deepcopy(_tuned(kept))


def assert_refused_from_a_file(index, damage, path, monkeypatch):
    """Save the index with its state damaged, and see that nothing is built of it."""
    state = index._to_state()
    damage(*state)
    monkeypatch.setattr(ItemIndex, "_to_state", lambda self: state)
    index.save(path)
    with pytest.raises(ModelFileError, match="the index cannot be rebuilt"):
        ItemIndex.load(path)


IDS = ("a", "b", "c", "d")


@pytest.fixture
def index():
    return ItemIndex().fit(np.diag([4.0, 3.0, 2.0, 1.0]), ids=IDS)
