"""A vector is taken apart into what its features add, whether it is a sum or a sum scaled to a length."""

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext.explain.vector_parts import pairs_of, parts_of

RNG = np.random.default_rng(0)
V = RNG.normal(size=(6, 3)).astype(np.float32)
ROW = sparse.csr_array(np.array([[0, 1.0, 0, 2.0, 0, 0.5]], dtype=np.float32))
CENTER = np.array([0.5, 0, 0, 0, 0, 0.2])


def summed(X):
    return np.column_stack([np.ones(X.shape[0]), X @ V]).astype(np.float32)


def centered(X):
    return np.column_stack([np.ones(X.shape[0]), (X.toarray() - CENTER) @ V]).astype(np.float32)


def scaled(X):
    sums = X @ V
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.column_stack([np.ones(X.shape[0]), 3 * sums / np.where(lengths, lengths, 1)]).astype(np.float32)


@pytest.mark.parametrize("vector_of", [summed, centered, scaled])
def test_parts_add_up_to_the_vector(vector_of):
    vector = vector_of(ROW)[0]
    parts = parts_of(vector_of, V, ROW, vector)
    assert parts.features.tolist() == [1, 3, 5, -1]
    np.testing.assert_allclose(parts.vectors.sum(axis=0), vector[1:], rtol=1e-5, atol=1e-6)


def test_parts_of_a_sum_are_factors_times_values_and_nothing_is_left():
    parts = parts_of(summed, V, ROW, summed(ROW)[0])
    np.testing.assert_allclose(parts.vectors[:3], V[[1, 3, 5]] * [[1.0], [2.0], [0.5]], rtol=1e-5, atol=1e-6)
    assert not parts.vectors[3].any()


def test_parts_of_a_scaled_sum_are_in_proportion_to_their_factors():
    parts = parts_of(scaled, V, ROW, scaled(ROW)[0])
    wanted = V[[1, 3, 5]] * [[1.0], [2.0], [0.5]]
    ratio = parts.vectors[:3] / wanted
    np.testing.assert_allclose(ratio, np.full_like(ratio, ratio[0, 0]), rtol=1e-5)
    assert not parts.vectors[3].any()


def test_what_no_feature_gives_is_the_rest():
    moved = summed(ROW)[0] + np.array([0, 1, 0, 0], dtype=np.float32)
    np.testing.assert_allclose(parts_of(summed, V, ROW, moved).vectors[3], [1, 0, 0], atol=1e-5)
    nothing = sparse.csr_array((1, 6), dtype=np.float32)
    assert parts_of(summed, V, nothing, summed(nothing)[0]).vectors.tolist() == [[0, 0, 0]]


def test_pairs_are_the_largest_first_and_add_up_with_the_item_alone():
    user, item = parts_of(summed, V, ROW, summed(ROW)[0]), parts_of(summed, V, ROW, summed(ROW)[0])
    names = np.array([f"f{number}" for number in range(6)], dtype=object)
    pairs = pairs_of(user, item, names, own=0.25)
    score = 0.25 + float(np.sum((ROW @ V) ** 2))
    assert pairs["value"].sum() == pytest.approx(score, rel=1e-5)
    assert np.abs(pairs["value"]).tolist() == sorted(np.abs(pairs["value"]).tolist(), reverse=True)
    place = pairs["user_feature"].tolist().index("(anybody)")
    assert (pairs["item_feature"][place], pairs["value"][place]) == ("(item alone)", 0.25)
