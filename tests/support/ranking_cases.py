"""Users who choose among items, for the tests of ranking."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMRanker

N_USERS, N_ITEMS, N_GROUPS = 60, 30, 3


@pytest.fixture(scope="module")
def events():
    """Ids and groups as features of both sides; a user chooses mostly items of the own group."""
    rng = np.random.default_rng(0)
    user_group, item_group = np.arange(N_USERS) % N_GROUPS, np.arange(N_ITEMS) % N_GROUPS
    X_user = np.hstack([np.eye(N_USERS), np.zeros((N_USERS, N_ITEMS + N_GROUPS))])
    X_item = np.hstack([np.zeros((N_ITEMS, N_USERS)), np.eye(N_ITEMS), np.eye(N_GROUPS)[item_group]])
    chosen = rng.random((N_USERS, N_ITEMS)) < np.where(user_group[:, None] == item_group, 0.6, 0.03)
    return sp.csr_array(X_user), sp.csr_array(X_item), sp.csr_array(chosen.astype(np.float32))


def make(**params):
    return FMRanker(**({"n_factors": 5, "max_iter": 15, "l2_w": 0.01, "l2_V": 0.01, "random_state": 0} | params))


def scores_of(model, X_user, X_item):
    return model.user_vector(X_user) @ model.item_vector(X_item).T


def auc(scores, chosen):
    """Share of pairs of a chosen and another item that stand in the right order."""
    chosen = chosen.toarray() > 0
    return np.mean(
        [(s[c][:, None] > s[~c]).mean() for s, c in zip(scores, chosen, strict=True) if 0 < c.sum() < len(c)]
    )


def assert_same_model(a, b):
    for name in ("w_", "V_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@pytest.fixture(scope="module")
def fitted(events):
    return make(loss="bpr").fit(*events)
