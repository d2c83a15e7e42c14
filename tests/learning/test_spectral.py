"""The spectral start of ranking models: singular vectors of what users chose, by features."""

import numpy as np
import scipy.sparse as sp

from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._learning.spectral import start_spectrally
from fastfm_ext._validation.matrices import canonical_csr

N_USERS, N_ITEMS = 40, 25


def choices_of(X_user, X_item, chosen):
    return Choices.of(*(canonical_csr(sp.csr_array(X.astype(np.float32))) for X in (X_user, X_item, chosen)))


def started(choices, n_factors, seed=0):
    """Return factors that begin at 0."""
    options = Options("softmax", "adagrad", 0.1, 0.1, 0.0, 0.0, init_stdev=0.0)
    rng = np.random.default_rng(seed)
    params = Parameters.initialise(choices.users.n_features, n_factors, options, 0.0, rng)
    start_spectrally(params, choices, rng)
    return params.V


def random_choices(seed=0):
    rng = np.random.default_rng(seed)
    chosen = rng.random((N_USERS, N_ITEMS)) < 0.3
    chosen[:, 0], chosen[0] = True, True
    chosen[3], chosen[:, 7] = False, False
    return chosen.astype(float)


def test_ids_begin_at_the_singular_vectors_of_the_normalised_interactions():
    chosen, ids = random_choices(), np.eye(N_USERS + N_ITEMS)
    V = started(choices_of(ids[:N_USERS], ids[N_USERS:], chosen), 3)
    scale = [1 / np.sqrt(np.maximum(chosen.sum(axis=axis), 1)) for axis in (1, 0)]
    U, s, Wt = np.linalg.svd(scale[0][:, None] * chosen * scale[1])
    rows = np.vstack([U[:, :3], Wt[:3].T]) * np.sqrt(s[:3])
    occurs = np.r_[chosen.any(axis=1), chosen.any(axis=0)]
    rows = rows[occurs] / np.linalg.norm(rows[occurs], axis=1, keepdims=True) * 0.1 * np.sqrt(3)
    np.testing.assert_allclose(V[occurs] @ V[occurs].T, rows @ rows.T, atol=1e-3)
    assert not V[~occurs].any()


def test_the_same_features_on_more_rows_begin_at_the_same_place():
    """Two rows of a user that share its choices are as one."""
    chosen, ids = random_choices(), np.eye(N_USERS + N_ITEMS)
    first = np.arange(N_ITEMS) % 2 == 0
    halves = np.vstack([chosen * first, chosen * ~first])
    whole = started(choices_of(ids[:N_USERS], ids[N_USERS:], chosen), 3)
    apart = started(choices_of(np.vstack([ids[:N_USERS]] * 2), ids[N_USERS:], halves), 3)
    np.testing.assert_allclose(apart, whole, atol=1e-4)


def test_more_factors_than_a_side_has_features_are_left_alone():
    chosen = random_choices()[:, :4]
    ids = np.eye(N_USERS + 4)
    V = started(choices_of(ids[:N_USERS], ids[N_USERS:], chosen), 8)
    assert np.isfinite(V).all()
    assert V[:, :3].any()
    assert not V[:, 3:].any()
