"""Scores of draws: those of the draws one by one, with the average that shrinking the covariance term gives."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.bayesian import posterior
from fastfm_ext.bayesian.draws import PackedDraw, PackedRows, PosteriorDraws


def rows_and_model(n_draws=8, spread=0.3, n_features=40, n_rows=30):
    rng = np.random.default_rng(0)
    matrix = sp.csr_array(sp.random(n_rows, n_features, density=0.1, random_state=0, dtype=np.float32))
    X = Csr(matrix.indptr, matrix.indices, matrix.data, n_features)
    mean = Parameters.of(
        4,
        w0=np.zeros((1, 1), np.float32),
        w=rng.normal(size=(n_features, 1)).astype(np.float32),
        V=rng.normal(size=(n_features, 4)).astype(np.float32),
    )
    kept = [
        PackedDraw(
            rng.normal(),
            rng.normal(size=n_features).astype(np.float32),
            PackedRows.of((spread * rng.normal(size=(n_features, 4))).astype(np.float32)),
            1.0,
            np.zeros(0),
        )
        for _ in range(n_draws)
    ]
    return X, mean, PosteriorDraws.around(mean, np.zeros(0), kept)


@pytest.mark.parametrize("at_once", [1, 70, 10**6])
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_scores_are_those_of_each_draw_moved_to_the_shrunk_average(monkeypatch, at_once, share):
    monkeypatch.setattr(posterior, "SCORES_AT_ONCE", at_once)
    X, mean, draws = rows_and_model()
    alone = np.stack([_engine.predict(X, params) for params in draws.all_parameters(mean)]).astype(float)
    of_mean = _engine.predict(X, mean)
    found = np.full((1, 8, X.n_rows), np.nan)
    for rows, scores in posterior.score_draws(X, [mean], [draws], [share], 1):
        found[:, :, rows] = scores
    expected = alone + (1 - share) * (of_mean - alone.mean(axis=0))
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    average = share * alone.mean(axis=0) + (1 - share) * of_mean
    np.testing.assert_allclose(found[0].mean(axis=0), average, atol=1e-5)


def test_without_draws_the_scores_are_those_of_the_mean():
    X, mean, _ = rows_and_model()
    [(rows, scores)] = posterior.score_draws(X, [mean], None, [0.0], 1)
    assert (rows.start, rows.stop) == (0, X.n_rows)
    np.testing.assert_array_equal(scores[0, 0], _engine.predict(X, mean))


def test_covariance_that_is_all_chance_is_left_out_and_one_that_is_known_is_kept():
    X, mean, independent = rows_and_model(n_draws=10)
    assert posterior.covariance_share(X, mean, independent) < 0.5
    rng, kept = np.random.default_rng(1), []
    for _ in range(200):  # all factors move together
        V = np.repeat(rng.normal(size=(1, 4)), 40, axis=0).astype(np.float32)
        kept.append(PackedDraw(0.0, np.zeros(40, np.float32), PackedRows.of(V), 1.0, np.zeros(0)))
    together = PosteriorDraws.around(mean, np.zeros(0), kept)
    assert posterior.covariance_share(X, mean, together) > 0.9
    assert posterior.covariance_share(X, mean, PosteriorDraws.around(mean, np.zeros(0), kept[:1])) == 0.0
