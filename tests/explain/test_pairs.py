"""The strongest pairs are those that a comparison of all pairs finds."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastfm_ext._engine.field_vectors import PairVectors
from fastfm_ext.explain import pairs
from fastfm_ext.explain.pairs import strongest_between, strongest_pairs


def by_comparing_all(V, n, field_of):
    products = V @ V.T
    i, j = np.triu_indices(len(V), 1)
    different = np.ones(len(i), bool) if field_of is None else field_of[i] != field_of[j]
    strength = np.abs(products[i, j])[different]
    return np.sort(strength[strength > 0])[::-1][:n]


def random_vectors(draw, rng, n_features, k):
    V = rng.normal(size=(n_features, k)) * 10 ** rng.uniform(-2, 2, size=(n_features, 1))
    if draw(st.booleans()):
        V = np.rint(V)  # with zeros and equal products
    return V.astype(np.float32).astype(np.float64)


@st.composite
def tables(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_features, k = draw(st.integers(1, 300)), draw(st.integers(0, 5))
    V = random_vectors(draw, rng, n_features, k)
    n_fields = draw(st.integers(1, 5))
    field_of = np.unique(rng.integers(0, n_fields, n_features), return_inverse=True)[1] if draw(st.booleans()) else None
    return V, field_of


@given(tables(), st.integers(1, 40))
def test_the_pairs_are_those_of_a_comparison_of_all(table, n):
    V, field_of = table
    found = strongest_pairs(V, n, field_of, 1)
    np.testing.assert_allclose([abs(value) for _, _, value in found], by_comparing_all(V, n, field_of), rtol=1e-5)
    assert len({(i, j) for i, j, _ in found}) == len(found)
    for i, j, value in found:
        assert i < j
        assert value == pytest.approx(V[i] @ V[j], abs=1e-14 * np.linalg.norm(V[i]) * np.linalg.norm(V[j]))
        assert field_of is None or field_of[i] != field_of[j]


def test_vectors_at_right_angles_are_no_pair():
    V = np.array([[25.0, -32, 5], [-14, -2, -6], [1, 0, 0], [-2, 2, -1], [51, -11, 1], [-1, 2, 6]])
    found = strongest_pairs(V, 15, None, 1)
    assert len(found) == np.count_nonzero(np.triu(V @ V.T, 1)) == 14


@pytest.mark.parametrize("n_fields", [None, 7])
def test_later_blocks_count_too(monkeypatch, n_fields):
    monkeypatch.setattr(pairs, "_FIRST_BLOCK", 2)
    monkeypatch.setattr(pairs, "_BLOCK", 3)
    rng = np.random.default_rng(0)
    V = rng.normal(size=(200, 4)).astype(np.float32).astype(np.float64)
    field_of = None if n_fields is None else np.arange(200) % n_fields
    for n in (1, 30, 500):
        found = [abs(value) for _, _, value in strongest_pairs(V, n, field_of, 2)]
        np.testing.assert_allclose(found, by_comparing_all(V, n, field_of), rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_tiny_and_huge_vectors_have_the_same_pairs(scale):
    V = np.random.default_rng(0).normal(size=(50, 3))
    expected = [(i, j) for i, j, _ in strongest_pairs(V, 9, None, 1)]
    assert [(i, j) for i, j, _ in strongest_pairs(V * scale, 9, None, 1)] == expected


def test_vectors_of_zeros_interact_with_nothing():
    assert strongest_pairs(np.zeros((4, 2)), 3, None, 1) == []
    assert strongest_pairs(np.eye(4), 3, None, 1) == []
    assert strongest_between([PairVectors(np.arange(2), np.zeros((2, 2)), np.arange(2, 4), np.eye(2))], 3, 1) == []


@st.composite
def pairs_of_fields(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_fields, k = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    fields = np.array_split(rng.permutation(draw(st.integers(n_fields, 200))), n_fields)
    found = []
    for F, G in combinations([np.sort(features) for features in fields], 2):
        found.append(PairVectors(F, random_vectors(draw, rng, len(F), k), G, random_vectors(draw, rng, len(G), k)))
    return found


@pytest.mark.parametrize("block", [2, 64])
@settings(deadline=None)
@given(fields=pairs_of_fields(), n=st.integers(1, 40))
def test_pairs_of_two_tables_are_those_of_a_comparison_of_all(block, fields, n):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_FIRST_BLOCK", block)
        patch.setattr(pairs, "_BLOCK", block + 1)
        found = strongest_between(fields, n, 1)
    products = np.zeros((200, 200))
    for F, A, G, B in fields:
        products[np.ix_(F, G)] = A @ B.T
    products = products + products.T  # a pair stands on one side alone
    strength = np.sort(np.abs(products[np.triu_indices(200, 1)]))[::-1][:n]
    np.testing.assert_allclose([abs(value) for _, _, value in found], strength[strength > 0], rtol=1e-5)
    assert len({(i, j) for i, j, _ in found}) == len(found)
    assert all(i < j and value == pytest.approx(products[i, j], rel=1e-9, abs=1e-9) for i, j, value in found)
