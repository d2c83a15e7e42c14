"""Distilled machines: one that scores as the draws do, on rows that never were, and is no worse after many sweeps."""

import numpy as np
import pytest
import scipy.sparse as sp

import bayesian_cases
from bayesian_cases import FIELDS, N_FILMS, N_USERS, truth
from fastfm_ext import BayesianFMClassifier, BayesianFMOrdinalClassifier, BayesianFMRegressor, BlockMatrix
from fastfm_ext._engine.blocks import Block, Blocks, split
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.bayesian.distilled import DistilledForm, distilled, rows_to_match
from fastfm_ext.bayesian.rows import scores_of

ratings = bayesian_cases.ratings
EVERY_PAIR = sp.hstack(
    [sp.kron(sp.eye_array(N_USERS), np.ones((N_FILMS, 1))), sp.kron(np.ones((N_USERS, 1)), sp.eye_array(N_FILMS))],
    format="csr",
)


def rmse(a, b):
    return float(np.sqrt(np.mean((a - b) ** 2)))


def by_formula(model, X):
    w, V = model.w_.astype(float), model.V_.astype(float)
    return model.w0_ + X @ w + 0.5 * ((X @ V) ** 2 - X.power(2) @ V**2).sum(axis=1)


@pytest.fixture(scope="module")
def fitted(ratings):
    X, y, _, _ = ratings
    return BayesianFMRegressor(n_factors=4, fields=FIELDS, random_state=0, max_sweeps=1000, tol=0.0).fit(X, y)


@pytest.mark.filterwarnings("ignore:Sampling ended")
def test_parameters_predict_as_the_draws_do_also_pairs_that_never_met(fitted):
    averaged, of_one = fitted.predict(EVERY_PAIR), by_formula(fitted, EVERY_PAIR)
    assert rmse(of_one, averaged) < 0.1 * averaged.std()
    assert rmse(of_one, truth(EVERY_PAIR)) < 1.03 * rmse(averaged, truth(EVERY_PAIR))


@pytest.mark.filterwarnings("ignore:Sampling ended")
def test_the_distilled_model_is_the_one_that_draws_come_with(ratings, fitted):
    X, y, X_test, _ = ratings
    model = BayesianFMRegressor(
        n_factors=4, fields=FIELDS, random_state=0, max_sweeps=1000, tol=0.0, keep="distilled"
    ).fit(X, y)
    np.testing.assert_array_equal(model.V_, fitted.V_)
    np.testing.assert_allclose(model.predict(X_test), by_formula(model, X_test), atol=1e-5)
    assert (model.n_samples_, model.noise_) == (0, fitted.noise_)
    with pytest.raises(ValueError, match="keep='distilled' keeps no draws"):
        model.predict_std(X_test)


@pytest.mark.parametrize("prior", ["normal-wishart", "normal-gamma"])
def test_blocks_are_distilled_as_rows_are(ratings, prior):
    X, y, _, _ = ratings
    user, film = X[:, :N_USERS].argmax(axis=1), X[:, N_USERS:].argmax(axis=1)
    taste = sp.csr_array(np.hstack([np.eye(N_FILMS), np.eye(3)[np.arange(N_FILMS) % 3]]))
    blocks = BlockMatrix([(user, sp.eye_array(N_USERS, format="csr")), (film, taste)])
    model = BayesianFMRegressor(n_factors=3, prior=prior, max_sweeps=200, random_state=0).fit(blocks, y)
    assert rmse(by_formula(model, blocks.tocsr()), model.predict(blocks)) < 0.1 * y.std()


def test_probabilities_of_one_machine_are_those_of_the_draws(ratings):
    X, y, X_test, y_test = ratings
    settings = {"n_factors": 3, "fields": FIELDS, "max_sweeps": 300, "random_state": 0}
    averaged, of_one, mean = (
        BayesianFMClassifier(keep=keep, **settings).fit(X, y > 3).predict_proba(X_test)[:, 1]
        for keep in ("samples", "distilled", "mean")
    )
    assert rmse(of_one, averaged) < 0.05
    assert rmse(of_one, averaged) < rmse(mean, averaged)
    assert np.mean((of_one > 0.5) == (y_test > 3)) > 0.75


def test_stars_keep_their_order(ratings):
    X, y, X_test, _ = ratings
    stars = y.round().clip(1, 5)
    settings = {"n_factors": 3, "fields": FIELDS, "max_sweeps": 200, "random_state": 0}
    averaged, of_one = (
        BayesianFMOrdinalClassifier(keep=keep, **settings).fit(X, stars).predict_mean(X_test)
        for keep in ("samples", "distilled")
    )
    assert rmse(of_one, averaged) < 0.15
    assert np.corrcoef(of_one, averaged)[0, 1] > 0.99


def some_blocks(n_more, n=300):
    rng = np.random.default_rng(0)
    ids = Block(np.arange(6, dtype=np.int32), rng.integers(0, 2, n, dtype=np.int32), 6)
    numbers = [
        Block(np.array([6 + i], np.int32), np.zeros(n, np.int32), 1, (i + 1) * np.arange(n, dtype=np.float32))
        for i in range(n_more)
    ]
    return Blocks(n, 6 + n_more, (ids, *numbers), np.array([0] * 6 + [1] * n_more, np.int32))


def test_rows_of_two_blocks_are_put_together_at_random_and_have_every_block_row():
    blocks = some_blocks(1)
    ids, number = rows_to_match(blocks, 2, np.random.default_rng(0)).blocks
    shares = np.bincount(ids.ids, minlength=6) / len(ids.ids)
    np.testing.assert_allclose(shares, [1 / 3, 1 / 3, 1 / 12, 1 / 12, 1 / 12, 1 / 12], atol=0.03)
    known = blocks.blocks[0].ids[number.values.astype(int)]
    assert 0.2 < np.mean(ids.ids == known) < 0.5


def test_rows_of_more_blocks_have_at_most_one_from_elsewhere():
    blocks = some_blocks(3)
    ids, first, second, third = rows_to_match(blocks, 2, np.random.default_rng(0)).blocks
    half = len(ids.ids) // 2
    np.testing.assert_array_equal(ids.ids[:half], blocks.blocks[0].ids[first.values[:half].astype(int)])
    numbers = np.stack([first.values, second.values / 2, third.values / 3])
    assert (numbers.max(axis=0) == numbers.min(axis=0))[:half].all()
    differ = (np.round(numbers) != np.round(np.median(numbers, axis=0))).sum(axis=0)[half:]
    assert set(differ) == {0, 1}
    assert set(ids.ids[half:]) == set(range(6))


@pytest.mark.parametrize("n_factors", [0, 2])
def test_a_machine_of_the_same_form_is_found_again(n_factors):
    rng = np.random.default_rng(1)
    indices = np.stack([rng.integers(0, 20, 4000), rng.integers(20, 40, 4000)], axis=1).astype(np.int32)
    X = Csr(np.arange(0, 8001, 2, dtype=np.int64), indices.ravel(), None, 40)
    blocks = split(X, np.repeat([0, 1], 20).astype(np.int32))
    w, V = (rng.normal(size=(40, width)).astype(np.float32) for width in (1, n_factors))
    truth = Parameters.of(n_factors, w0=np.array([[7.0]], np.float32), w=w, V=V)
    start = Parameters.of(n_factors, w0=np.zeros((1, 1), np.float32), w=0 * w, V=0 * V)
    targets = scores_of(X, truth).astype(np.float64)
    for is_flat in (True, False):
        found = distilled(blocks, targets, None, start, DistilledForm(True, True, 1), is_flat=is_flat)
        assert rmse(scores_of(X, found), targets) < 0.05 * targets.std()
        assert distilled(blocks, targets, None, truth, DistilledForm(True, True, 1), is_flat=is_flat) is truth
