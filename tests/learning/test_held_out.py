"""Held-out choices of users: which are held out, and how well a model ranks them."""

import numpy as np
import pytest

import ranking_cases
from fastfm_ext._engine.ranking import Choices
from fastfm_ext._learning.held_out import HeldOutChoices, mark_folds, mark_held_out, without
from fastfm_ext._validation.interactions import to_interactions
from fastfm_ext._validation.matrices import canonical_csr
from ranking_cases import make, scores_of

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module


def test_held_out_interactions_are_a_share_of_each_users(events):
    interactions = to_interactions(events[2], *events[2].shape)
    marked = mark_held_out(interactions, 0.25, np.random.default_rng(0))
    lengths = np.diff(interactions.indptr)
    of_users = np.add.reduceat(marked, interactions.indptr[:-1])
    assert (np.abs(of_users - 0.25 * lengths) < 1).all()
    assert (of_users < lengths).all()
    train, relevant = without(interactions, marked), without(interactions, ~marked)
    assert train.nnz + relevant.nnz == interactions.nnz
    np.testing.assert_array_equal(np.diff(train.indptr) + np.diff(relevant.indptr), lengths)


def test_folds_hold_out_each_interaction_once_and_never_a_users_last(events):
    chosen = events[2].toarray()
    chosen[0] = 0
    chosen[0, 5] = 1  # a user with one choice
    interactions = to_interactions(chosen, *chosen.shape)
    folds = np.array(mark_folds(interactions, 5, np.random.default_rng(0)))
    users = np.repeat(np.arange(len(chosen)), np.diff(interactions.indptr))
    np.testing.assert_array_equal(folds.sum(axis=0), users != 0)
    for marked in folds:
        counts = np.bincount(users[marked], minlength=len(chosen))
        assert (counts < np.diff(interactions.indptr)).all()
        assert np.abs(counts - np.diff(interactions.indptr) / 5).max() < 1


@pytest.mark.parametrize(("metric", "k"), [("recall", 3), ("ndcg", 3), ("ndcg", 20)])
def test_the_validation_metric_equals_a_ranking_item_by_item(events, metric, k):
    X_user, X_item, _ = events
    model = make(loss="bpr", max_iter=2).fit(*events)
    interactions = to_interactions(events[2], *events[2].shape)
    marked = mark_held_out(interactions, 0.3, np.random.default_rng(1))
    train, relevant = without(interactions, marked), without(interactions, ~marked)
    users, items = (canonical_csr(X.astype(np.float32)) for X in (X_user, X_item))
    held_out = HeldOutChoices.of(Choices.of(users, items, train), relevant, f"{metric}@{k}", np.random.default_rng(0))
    values, scores = [], scores_of(model, X_user, X_item)
    for u in range(ranking_cases.N_USERS):
        seen, wanted = (set(X.indices[X.indptr[u] : X.indptr[u + 1]].tolist()) for X in (train, relevant))
        if not wanted:
            continue
        ranked = [t for t in np.argsort(-scores[u]) if t not in seen][:k]
        gains = [(1.0 if metric == "recall" else 1 / np.log2(r + 2)) * (t in wanted) for r, t in enumerate(ranked)]
        best = len(wanted) if metric == "recall" else sum(1 / np.log2(r + 2) for r in range(min(k, len(wanted))))
        values.append(sum(gains) / best)
    assert held_out.value(model._scorers, 1) == pytest.approx(np.mean(values))
