"""predict(user + item) = user_bias(user) + <user_vector(user), item_vector(item)>, exactly but for rounding."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from fastfm_ext import FMClassifier, FMRegressor

# The two sides of the identity add the same terms in another order, in float32. With n terms the sums differ by at
# most about n * 2^-24 of the sum of the terms' sizes; n is below 500 here (12 features and 20 factors), which gives
# 3e-5. The sum of sizes is computed with the absolute values of parameters and features.
ROUNDING = 3e-5

N_USER_FEATURES, N_ITEM_FEATURES = 7, 5
N_FEATURES = N_USER_FEATURES + N_ITEM_FEATURES
FACTORS = [0, 1, 2, 3, 4, 6, 8, 11, 16, 20]


def trained(estimator, n_factors, *, seed=0, **params):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, N_FEATURES)) * (rng.random((60, N_FEATURES)) < 0.6)
    y = X[:, 0] * X[:, N_USER_FEATURES] + X[:, 1] - X[:, -1]
    model = estimator(n_factors=n_factors, init_stdev=0.3, max_iter=3, random_state=seed, **params)
    return model.fit(X, y if estimator is FMRegressor else y > 0)


MODELS = {(estimator, k): trained(estimator, k) for estimator in (FMRegressor, FMClassifier) for k in FACTORS}


def score(model, X):
    return model.predict(X) if isinstance(model, FMRegressor) else model.decision_function(X)


def sum_of_sizes(model, X):
    """Bound every term of the formula: the score with all parameters and features made positive."""
    size, w, V = np.abs(X), np.abs(model.w_.astype(float)), np.abs(model.V_.astype(float))
    return abs(model.w0_) + size @ w + ((size @ V) ** 2).sum(axis=1)


def one_side(first, n, values):
    """Rows with features of one side only; several features, values other than one, and empty rows all occur."""
    rows = st.lists(st.lists(values, min_size=n, max_size=n), min_size=1, max_size=4)
    return rows.map(lambda side: np.pad(np.array(side), ((0, 0), (first, N_FEATURES - first - n))).astype(np.float32))


VALUES = st.one_of(st.just(0.0), st.just(1.0), st.floats(-100, 100, width=32, allow_subnormal=False))
USERS = one_side(0, N_USER_FEATURES, VALUES)
ITEMS = one_side(N_USER_FEATURES, N_ITEM_FEATURES, VALUES)


@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
@given(users=USERS, items=ITEMS, n_factors=st.sampled_from(FACTORS))
@settings(max_examples=60, deadline=None)
def test_score_is_bias_plus_inner_product(estimator, users, items, n_factors):
    model = MODELS[estimator, n_factors]
    pairs = (users[:, None, :] + items[None, :, :]).reshape(-1, N_FEATURES)
    expected = score(model, pairs).reshape(len(users), len(items))
    U, T = model.user_vector(users), model.item_vector(items)
    actual = model.user_bias(users)[:, None] + U @ T.T
    tolerance = ROUNDING * sum_of_sizes(model, pairs).reshape(expected.shape)
    assert (np.abs(actual - expected) <= tolerance).all()


@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
@given(users=USERS, items=ITEMS, n_factors=st.sampled_from(FACTORS))
@settings(max_examples=60, deadline=None)
def test_inner_product_ranks_items_as_the_score_does(estimator, users, items, n_factors):
    model = MODELS[estimator, n_factors]
    products = model.user_vector(users) @ model.item_vector(items).T
    for user, product in zip(users, products, strict=True):
        pairs = user + items
        by_score = score(model, pairs)
        # Items whose scores differ by less than rounding may stand in either order.
        tolerance = 2 * ROUNDING * sum_of_sizes(model, pairs).max()
        clearly_above = by_score[:, None] - by_score[None, :] > tolerance
        assert (product[:, None] > product[None, :])[clearly_above].all()


@pytest.mark.parametrize("n_factors", FACTORS)
def test_vectors_are_what_the_formula_says(n_factors):
    model = MODELS[FMRegressor, n_factors]
    rng = np.random.default_rng(1)
    X = rng.normal(size=(9, N_FEATURES)).astype(np.float32)
    w, V = model.w_.astype(float), model.V_.astype(float)
    own = X @ w + 0.5 * ((X @ V) ** 2 - X**2 @ V**2).sum(axis=1)
    tolerance = ROUNDING * sum_of_sizes(model, X).max()
    np.testing.assert_allclose(model.user_vector(X), np.c_[np.ones(9), X @ V], atol=tolerance)
    np.testing.assert_allclose(model.item_vector(X), np.c_[own, X @ V], atol=tolerance)
    np.testing.assert_allclose(model.user_bias(X), model.w0_ + own, atol=tolerance)


@pytest.mark.parametrize("n_factors", [0, 3, 8])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, sp.csc_matrix])
def test_shapes_and_types(n_factors, convert):
    X = convert(np.ones((6, N_FEATURES)))
    model = MODELS[FMClassifier, n_factors] if n_factors != 3 else MODELS[FMRegressor, 3]
    for vectors in (model.user_vector(X), model.item_vector(X)):
        assert vectors.shape == (6, n_factors + 1)
        assert vectors.dtype == np.float32
        assert vectors.flags.c_contiguous
    assert model.user_bias(X).shape == (6,)
    assert model.user_bias(X).dtype == np.float32


@pytest.mark.parametrize("model", MODELS.values())
def test_vectors_and_bias_together_are_those_of_each_call(model):
    X = np.random.default_rng(2).normal(size=(5, N_FEATURES))
    vectors, bias = model.user_vectors_and_bias(X)
    np.testing.assert_array_equal(vectors, model.user_vector(X))
    np.testing.assert_array_equal(bias, model.user_bias(X))
    assert vectors.flags.c_contiguous


def test_empty_rows_score_the_bias_alone():
    model = MODELS[FMRegressor, 4]
    nothing = sp.csr_array((2, N_FEATURES))
    np.testing.assert_array_equal(model.user_vector(nothing), [[1, 0, 0, 0, 0]] * 2)
    np.testing.assert_array_equal(model.item_vector(nothing), np.zeros((2, 5)))
    np.testing.assert_array_equal(model.user_bias(nothing), np.full(2, model.w0_, dtype=np.float32))


@pytest.mark.parametrize("part", ["fit_intercept", "fit_linear"])
def test_the_identity_holds_without_a_part(part):
    model = trained(FMRegressor, 4, **{part: False})
    users, items = np.zeros((2, 3, N_FEATURES), dtype=np.float32)
    users[:, :3], items[:, -3:] = np.eye(3), 2 * np.eye(3)
    product = (model.user_vector(users) * model.item_vector(items)).sum(axis=1)
    pairs = users + items
    tolerance = ROUNDING * sum_of_sizes(model, pairs).max()
    np.testing.assert_allclose(model.user_bias(users) + product, model.predict(pairs), atol=tolerance)


@pytest.mark.parametrize("method", ["user_vector", "item_vector", "user_bias", "user_vectors_and_bias"])
def test_more_than_two_classes_have_no_single_score(method):
    X = np.random.default_rng(0).normal(size=(30, 4))
    model = FMClassifier(max_iter=2, random_state=0).fit(X, np.arange(30) % 3)
    with pytest.raises(ValueError, match="need a single score, and this model has one for each of 3 classes"):
        getattr(model, method)(X)
