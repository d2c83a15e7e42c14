"""Vectors of users and items, of one machine and of single draws."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

import bayesian_cases
from bayesian_cases import FIELDS, N_FILMS, N_USERS
from fastfm_ext import BayesianFMClassifier, BayesianFMRegressor, BlockMatrix, ItemIndex, top_interactions

ratings = bayesian_cases.ratings
USERS = sp.eye_array(N_USERS, N_USERS + N_FILMS, format="csr")
FILMS = sp.csr_array(sp.eye_array(N_USERS + N_FILMS, format="csr")[N_USERS:])


@pytest.fixture(scope="module")
def fitted(ratings):
    X, y, _, _ = ratings
    return BayesianFMRegressor(n_factors=3, fields=FIELDS, random_state=0, max_sweeps=80).fit(X, y)


def test_vectors_of_a_draw_score_as_the_draw_does(fitted):
    pairs = USERS + FILMS[np.arange(N_USERS) % N_FILMS]
    for sample in (0, 5):
        users, films = fitted.user_vector(USERS, sample=sample), fitted.item_vector(FILMS, sample=sample)
        bias = fitted.user_bias(USERS, sample=sample)
        scores = bias + (users * films[np.arange(N_USERS) % N_FILMS]).sum(axis=1)
        draw = fitted._with_draw(sample)
        draw._means = draw._draws = None
        np.testing.assert_allclose(scores, draw.predict(pairs), atol=1e-4)
    both = fitted.user_vectors_and_bias(USERS, sample=5)
    np.testing.assert_array_equal(both[0], users)
    np.testing.assert_array_equal(both[1], bias)


def test_draws_explore_what_one_machine_does_not(fitted):
    def best(sample):
        index = ItemIndex().fit(fitted.item_vector(FILMS, sample=sample))
        return index.search(fitted.user_vector(USERS, sample=sample), 1)[0][:, 0]

    of_one = best(None)
    found = np.stack([best(sample) for sample in range(20)])
    agrees = (found == of_one).mean()
    assert 0.3 < agrees < 0.98
    assert all(len(np.unique(of_user)) <= 15 for of_user in found.T)


def test_vectors_are_those_of_the_parameters(fitted):
    np.testing.assert_allclose(fitted.item_vector(FILMS)[:, 1:], fitted.V_[N_USERS:], atol=1e-6)
    assert top_interactions(fitted, n=3, fields=FIELDS)[0].i < N_USERS


def test_a_draw_that_is_not_kept_is_refused(ratings, fitted):
    X, y, _, _ = ratings
    for sample in (-1, fitted.n_samples_, 0.5):
        with pytest.raises(ValueError, match="sample must be the number of a kept draw"):
            fitted.user_vector(USERS, sample=sample)
    mean = BayesianFMRegressor(n_factors=2, max_sweeps=20, keep="mean").fit(X, y)
    with pytest.raises(ValueError, match='fit with keep="samples"'):
        mean.item_vector(FILMS, sample=0)


# --- rows in blocks --------------------------------------------------------------------------------------------------

VECTORS = ("user_vector", "item_vector", "user_bias")


def sides_in_blocks():
    """Return users of several features each, and films of two, each with the other side's columns empty."""
    rng = np.random.default_rng(0)
    users = (rng.random((N_USERS, N_USERS)) < 0.1) * rng.random((N_USERS, N_USERS)) + np.eye(N_USERS)
    films = np.eye(N_FILMS) + np.eye(N_FILMS)[:, ::-1] * 0.5
    nobody, no_film, first = np.zeros((1, N_USERS)), np.zeros((1, N_FILMS)), np.zeros(90, dtype=int)
    which_user, which_film = rng.integers(0, N_USERS, 90), rng.integers(0, N_FILMS, 90)
    return BlockMatrix([(which_user, users), (first, no_film)]), BlockMatrix([(first, nobody), (which_film, films)])


@pytest.mark.parametrize("sample", [None, 3])
@pytest.mark.parametrize("method", VECTORS)
def test_vectors_of_rows_in_blocks_are_those_of_the_rows_written_out(fitted, method, sample):
    for side in sides_in_blocks():
        of_blocks, of_rows = (getattr(fitted, method)(X, sample=sample) for X in (side, side.tocsr()))
        np.testing.assert_allclose(of_blocks, of_rows, atol=1e-5)
        assert of_blocks.dtype == of_rows.dtype
    vectors, bias = fitted.user_vectors_and_bias(side, sample=sample)
    np.testing.assert_array_equal(vectors, fitted.user_vector(side, sample=sample))
    np.testing.assert_array_equal(bias, fitted.user_bias(side, sample=sample))


def test_vectors_of_blocks_score_what_a_model_of_blocks_predicts():
    (users, films), y = sides_in_blocks(), np.random.default_rng(1).normal(size=90)
    of_users, of_films = users.to_blocks(), films.to_blocks()
    pairs = BlockMatrix.from_blocks(replace(of_users, blocks=(of_users.blocks[0], of_films.blocks[1])))
    model = BayesianFMRegressor(n_factors=2, max_sweeps=30, random_state=0, keep="distilled").fit(pairs, y)
    scores = model.user_bias(users) + (model.user_vector(users) * model.item_vector(films)).sum(axis=1)
    np.testing.assert_allclose(scores, model.predict(pairs), atol=1e-4)


def test_a_model_of_a_matrix_takes_its_centers_off_blocks_too():
    """Numeric columns are centered in a matrix, and not in blocks."""
    rng = np.random.default_rng(2)
    X = np.hstack([np.eye(4)[rng.integers(0, 4, 200)], 50 + rng.normal(size=(200, 2))])
    model = BayesianFMRegressor(n_factors=2, max_sweeps=30, random_state=0).fit(X, X[:, 4] + X[:, 0])
    blocks = BlockMatrix([sp.csr_array(X[:, :4]), sp.csr_array(X[:, 4:])])
    np.testing.assert_allclose(model.predict(blocks), model.predict(X), atol=1e-3)
    for method in VECTORS:
        np.testing.assert_allclose(getattr(model, method)(blocks), getattr(model, method)(X), rtol=1e-3, atol=1e-3)


def test_blocks_that_have_no_vectors_are_refused(ratings, fitted):
    users, _ = sides_in_blocks()
    X, y, _, _ = ratings
    three = BayesianFMClassifier(n_factors=2, max_sweeps=20, keep="mean").fit(X, np.digitize(y, [2, 4]))
    with pytest.raises(ValueError, match="single score"):
        three.user_vector(users)
    with pytest.raises(ValueError, match="features"):
        fitted.user_vector(BlockMatrix([np.eye(3)]))
    far = np.ones((2, N_USERS + N_FILMS))
    far[1] = 1e38
    with pytest.raises(ValueError, match="the score of row 1 of X is beyond float32"):
        fitted.item_vector(BlockMatrix([far]))
    with pytest.raises(ValueError, match="the score of row 1 of X is beyond float32"):
        fitted.predict(BlockMatrix([far]))
    with pytest.raises(NotFittedError):
        BayesianFMRegressor().user_vector(users)
