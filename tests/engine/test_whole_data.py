"""Kernels of least squares over all pairs against NumPy, on every instruction set."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.whole_data import Moments, OtherSide, Vectors, combine


def vectors(rng: np.random.Generator, n: int, n_factors: int) -> Vectors:
    factors = rng.normal(size=(n, n_factors)).astype(np.float32)
    return Vectors.of(factors, rng.normal(size=n).astype(np.float32))


def sparse(rng: np.random.Generator, shape: tuple[int, int], *, has_values: bool) -> tuple[np.ndarray, Csr]:
    """A matrix whose first row is long, and the others of any length; some are empty."""
    kept = rng.random(shape) < rng.random((shape[0], 1)) ** 2
    kept[0] = True
    kept[-1] = False
    dense = np.where(kept, rng.uniform(0.5, 2, shape) if has_values else 1.0, 0.0)
    csr = sp.csr_array(dense.astype(np.float32))
    data = csr.data if has_values else None
    return dense, Csr(csr.indptr.astype(np.int64), csr.indices.astype(np.int32), data, shape[1])


def test_vectors_are_padded_with_zeros():
    padded = vectors(np.random.default_rng(0), 5, 20)
    assert padded.k == 32
    assert not padded.factors[:, 20:].any()
    assert vectors(np.random.default_rng(0), 5, 0).k == 16


@pytest.mark.parametrize("n_factors", [3, 16, 48, 100])
@pytest.mark.parametrize("has_values", [False, True])
def test_combined_vectors_are_a_product(isa, n_factors, has_values):
    rng = np.random.default_rng(n_factors)
    dense, csr = sparse(rng, (9, 700), has_values=has_values)
    given = vectors(rng, 700, n_factors)
    found = combine(csr, given, 1)
    np.testing.assert_allclose(found.factors, dense @ given.factors, atol=1e-3)
    np.testing.assert_allclose(found.own, dense @ given.own, atol=1e-3)


@pytest.mark.parametrize("n", [1, 255, 1000])
@pytest.mark.parametrize("n_factors", [5, 70])
def test_rotations_and_moments_are_products(isa, n, n_factors):
    rng = np.random.default_rng(n)
    rows = vectors(rng, n, n_factors)
    S, own = rows.factors.astype(float), rows.own.astype(float)
    rotation = np.linalg.qr(rng.normal(size=(rows.k, rows.k)))[0]
    np.testing.assert_allclose(rows.rotated(rotation.astype(np.float32), 1).factors, S @ rotation, atol=1e-5)
    for n_threads in (1, 3):
        moments = Moments.of(rows, n_threads)
        assert moments.n == n
        for found, expected in zip(moments[1:], (S.T @ S, S.sum(axis=0), own @ S, own.sum(), own @ own), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    turned = moments.rotated(rotation)
    np.testing.assert_allclose(turned.gram, rotation.T @ S.T @ S @ rotation, rtol=1e-4, atol=1e-2)


def test_all_squares_are_those_of_every_pair():
    rng = np.random.default_rng(0)
    users, items = vectors(rng, 7, 3), vectors(rng, 9, 3)
    p = users.own[:, None] + items.own + users.factors @ items.factors.T
    sums = [Moments.of(rows, 1) for rows in (users, items)]
    assert sums[0].all_squares(sums[1]) == pytest.approx(float((p.astype(float) ** 2).sum()), rel=1e-5)


@pytest.mark.parametrize("has_values", [False, True])
@pytest.mark.parametrize("n_factors", [5, 40])
def test_gradient_product_and_diagonal_are_those_of_the_loss(isa, n_factors, has_values):
    rng = np.random.default_rng(n_factors)
    dense, chosen = sparse(rng, (12, 30), has_values=has_values)
    rows, others = vectors(rng, 12, n_factors), vectors(rng, 30, n_factors)
    rotation = np.eye(others.k)
    gram = others.factors.T.astype(float) @ others.factors
    rotation[:n_factors, :n_factors] = np.linalg.eigh(gram[:n_factors, :n_factors])[1]
    others = others.rotated(rotation.astype(np.float32), 1)
    side = OtherSide.of(chosen, others, Moments.of(others, 1), 0.3, fit_own=True)
    z = np.column_stack([others.factors, np.ones(30)]).astype(float)
    x = np.column_stack([rows.factors, rows.own]).astype(float)
    p = x @ z.T + others.own
    gradient, diagonal, loss = side.gradient(rows, 1)
    expected = (dense * (p - 1) + 0.3 * p) @ z
    np.testing.assert_allclose(np.column_stack([gradient.factors, gradient.own]), expected, atol=2e-2)
    np.testing.assert_allclose(np.column_stack([diagonal.factors, diagonal.own]), (dense + 0.3) @ z**2, rtol=1e-4)
    assert loss == pytest.approx((dense * (p - 1) ** 2).sum(), rel=1e-4)
    product = side.product(rows, 1)
    expected = ((dense + 0.3) * (x @ z.T)) @ z
    np.testing.assert_allclose(np.column_stack([product.factors, product.own]), expected, atol=2e-2)
