"""Similarity of users and items as an inner product of vectors."""

import numpy as np
import pytest

from fastfm_ext._learning.similarity import INNER_PRODUCT, Similarity

ROWS = np.array([[3.0, 4.0], [0.0, 0.0], [3e38, -3e38], [1e-3, 0.0]], dtype=np.float32)


def test_cosines_over_the_temperature():
    similarity = Similarity(0.5)
    users, items = similarity.of_users(ROWS), similarity.of_items(ROWS)
    root = np.sqrt(0.5)
    expected = np.array([[0.6, 0.8], [0.0, 0.0], [root, -root], [1.0, 0.0]])
    np.testing.assert_allclose(items, expected, rtol=1e-5)
    np.testing.assert_allclose(users, expected * 2, rtol=1e-5)
    assert users.dtype == items.dtype == np.float32
    assert similarity.scale == pytest.approx(2.0)


def test_inner_products_leave_vectors_as_they_are():
    assert INNER_PRODUCT.of_users(ROWS) is ROWS
    assert INNER_PRODUCT.of_items(ROWS) is ROWS
    assert INNER_PRODUCT.scale == 0.0


def test_rows_without_factors():
    assert Similarity(0.1).of_users(np.zeros((3, 0), dtype=np.float32)).shape == (3, 0)
