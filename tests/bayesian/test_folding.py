"""Centered block rows as a field of ids, and parameters from there and back."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import BlockMatrix
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.bayesian.centered import CenteredForm
from fastfm_ext.bayesian.folding import folded, with_folded, with_unfolded
from fastfm_ext.bayesian.rows import scores_of

N_IDS, N_OTHERS, K = 60, 4, 3


@pytest.fixture
def blocks():
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(N_IDS, N_OTHERS))
    X = BlockMatrix(
        [
            (rng.integers(0, N_IDS, 300), sp.hstack([sp.eye_array(N_IDS), numbers])),
            (rng.integers(0, 5, 300), sp.eye_array(5)),
        ]
    ).to_blocks()
    return CenteredForm.found(X, X.groups).learned(X)


def parameters(n_features, seed):
    rng = np.random.default_rng(seed)
    w, V = rng.normal(size=(n_features, 1)), rng.normal(size=(n_features, K))
    return Parameters.of(K, w0=np.ones((1, 1), np.float32), w=w.astype(np.float32), V=V.astype(np.float32))


def test_folded_rows_and_parameters_score_the_same(blocks):
    params = parameters(blocks.n_features, 1)
    np.testing.assert_allclose(
        scores_of(folded(blocks), with_folded(params, blocks)), scores_of(blocks, params), atol=1e-4
    )


def test_unfolded_parameters_have_the_block_rows_that_were_fitted(blocks):
    start, fitted = parameters(blocks.n_features, 1), parameters(blocks.n_features, 2)
    unfolded = with_unfolded(fitted, start, blocks)
    np.testing.assert_allclose(scores_of(blocks, unfolded), scores_of(folded(blocks), fitted), atol=1e-4)


def test_what_moves_the_means_turns_as_the_block_rows_do(blocks):
    start = parameters(blocks.n_features, 1)
    others = next(block.features for block in blocks.blocks if block.own is not None)
    start.V[others] *= 5  # little noise of single ids
    turn = 1.3 * np.linalg.qr(np.random.default_rng(3).normal(size=(K, K)))[0].astype(np.float32)
    begun = with_folded(start, blocks)
    fitted = Parameters.of(K, w0=np.ones((1, 1), np.float32), w=begun.w[:, None], V=begun.V @ turn)
    unfolded = with_unfolded(fitted, start, blocks)
    np.testing.assert_allclose(unfolded.V[others], start.V[others] @ turn, rtol=0, atol=0.6)
    assert np.abs(start.V[others] @ turn - start.V[others]).max() > 3
