"""Vectors of users and items, of one machine and of single draws."""

import numpy as np
import pytest
import scipy.sparse as sp

import bayesian_cases
from bayesian_cases import FIELDS, N_FILMS, N_USERS
from fastfm_ext import BayesianFMRegressor, ItemIndex, top_interactions

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
