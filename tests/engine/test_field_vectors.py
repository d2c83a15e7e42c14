"""Vectors of users and items for models with fields: the score of both together is made of their parts."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine import field_vectors
from fastfm_ext._engine.models import FFM, FMFM, FVFM, FWFM, Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext._reference import ffm, fmfm, fwfm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import TOLERANCE, make_options

N_FIELDS, N_FEATURES, N_ROWS = 6, 24, 30
ITEM_FIELDS = np.array([5, 1, 3])
OF_FEATURE = (np.arange(N_FEATURES, dtype=np.int32) * 5) % N_FIELDS
IS_ITEM = np.isin(OF_FEATURE, ITEM_FIELDS)
MODELS = {
    "ffm": (FFM, ffm.score),
    "fwfm": (FWFM, fwfm.score),
    "fvfm": (FVFM, fmfm.score),
    "fmfm": (FMFM, fmfm.score),
}


def sides(rng):
    """Draw rows of users and of items, some without some fields, some with several features of one."""
    X = rng.normal(size=(N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, N_FEATURES)) < 0.4)
    X = X.astype(np.float32).astype(float)
    return X * ~IS_ITEM, X[::-1] * IS_ITEM


def as_csr(X):
    return canonical_csr(sp.csr_array(X.astype(np.float32)))


def random_parameters(rng, model, k):
    fields = Fields(N_FIELDS, OF_FEATURE)
    params = Parameters.initialise(N_FEATURES, k, make_options(), 0.3, rng, model=model, fields=fields)
    params.w[...] = rng.normal(size=N_FEATURES)
    if "R" in params.tables:
        R = params.tables["R"][:, 0]
        R += R * rng.normal(size=R.shape)  # padding stays zero
    return params


def in_float64(params):
    tables = {name: table.astype(float) for name, table in params.tables.items()}
    return Parameters(tables, params.n_factors, params.model, params.fields)


def arguments_of(params):
    """Return what the reference scores a row with, but for w0."""
    of_pairs = [params.R.astype(float)] if "R" in params.tables else []
    return params.w.astype(float), params.V.astype(float), *of_pairs, params.fields.of_feature


@pytest.mark.parametrize("k", [1, 3, 8, 20])
@pytest.mark.parametrize("name", MODELS)
def test_the_inner_product_is_what_both_sides_add_to_each_other(name, k):
    model, score = MODELS[name]
    params = in_float64(random_parameters(np.random.default_rng(0), model, k))
    users, items = sides(np.random.default_rng(1))
    u = field_vectors.user_vectors(as_csr(users), params, ITEM_FIELDS)
    t = field_vectors.item_vectors(as_csr(items), params, ITEM_FIELDS)
    given = arguments_of(params)
    for r in range(N_ROWS):
        together = score(users[r] + items[r], 0.0, *given)
        apart = score(users[r], 0.0, *given) + score(items[r], 0.0, *given)
        assert u[r] @ t[r] == pytest.approx(together - apart, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", MODELS)
def test_own_scores_and_vectors_make_the_kernels_scores(isa, name):
    params = random_parameters(np.random.default_rng(0), MODELS[name][0], 7)
    users, items = sides(np.random.default_rng(1))
    X_users, X_items = as_csr(users), as_csr(items)
    u = field_vectors.user_vectors(X_users, params, ITEM_FIELDS)
    t = field_vectors.item_vectors(X_items, params, ITEM_FIELDS)
    assert u.dtype == t.dtype == np.float32
    own = field_vectors.own_scores(X_users, params) + field_vectors.own_scores(X_items, params)
    expected = _engine.predict(as_csr(users + items), params)
    np.testing.assert_allclose(params.w0 + own + (u * t).sum(axis=1), expected, **TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
def test_rows_of_ones_are_read_as_such(name):
    params = random_parameters(np.random.default_rng(0), MODELS[name][0], 4)
    ones = as_csr((sides(np.random.default_rng(1))[1] != 0).astype(float))
    assert ones.data is None
    with_ones = canonical_csr(as_scipy(ones))
    np.testing.assert_array_equal(
        field_vectors.item_vectors(ones, params, ITEM_FIELDS),
        field_vectors.item_vectors(with_ones, params, ITEM_FIELDS),
    )


@pytest.mark.parametrize("vectors", [field_vectors.user_vectors, field_vectors.item_vectors])
def test_a_feature_of_the_other_side_is_refused(vectors):
    params = random_parameters(np.random.default_rng(0), FFM, 4)
    X = np.zeros((2, N_FEATURES))
    wrong = int(np.flatnonzero(IS_ITEM if vectors is field_vectors.user_vectors else ~IS_ITEM)[0])
    X[1, wrong] = 1.0
    with pytest.raises(ValueError, match=rf"row 1 has feature {wrong} of field {OF_FEATURE[wrong]}, which is a field"):
        vectors(as_csr(X), params, ITEM_FIELDS)


def test_a_model_without_fields_is_refused():
    params = Parameters.initialise(N_FEATURES, 4, make_options(), 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="model 'fm' has no vectors by field"):
        field_vectors.user_vectors(as_csr(np.zeros((1, N_FEATURES))), params, ITEM_FIELDS)
