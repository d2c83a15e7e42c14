"""Re-ranking by which items were chosen together."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastfm_ext import ItemIndex
from fastfm_ext.retrieval import CooccurrenceReranker
from fastfm_ext.retrieval import reranking as module


@pytest.fixture
def chosen():
    rng = np.random.default_rng(0)
    likes = np.arange(80)[:, None] % 2 == np.arange(30) % 2
    return sparse.csr_array(rng.random((80, 30)) < np.where(likes, 0.4, 0.03))


def filtered(chosen, histories):
    """L by its definition: a graph's linear filter, dense."""
    R = chosen.toarray().astype(float)
    users, items = np.maximum(R.sum(axis=1), 1.0), np.maximum(R.sum(axis=0), 1.0)
    N = R / np.sqrt(users[:, None] * items)
    return (histories.toarray() != 0) / np.sqrt(items) @ (N.T @ N) * np.sqrt(items)


@pytest.mark.parametrize("batch", [1, 7, 10_000])
def test_the_sums_are_those_of_the_definition(chosen, monkeypatch, batch):
    monkeypatch.setattr(module, "_BATCH_VALUES", 30 * batch)
    monkeypatch.setattr(module, "_BATCH_ITEMS", batch)
    rng = np.random.default_rng(1)
    ids = np.stack([rng.permutation(30)[:12] for _ in range(80)])
    scores = -np.sort(-rng.normal(size=(80, 12)), axis=1)
    L = filtered(chosen, chosen)
    gains = np.take_along_axis(L / np.maximum(L.max(axis=1, keepdims=True), 1e-30), ids, axis=1)
    expected = scores + 0.7 * (scores[:, [0]] - scores[:, [4]]) * gains
    order = np.argsort(-expected, axis=1)[:, :5]
    found = CooccurrenceReranker(0.7, n_neighbors=30).fit(chosen).rerank(ids, scores, chosen, n=5)
    np.testing.assert_array_equal(found[0], np.take_along_axis(ids, order, axis=1))
    np.testing.assert_allclose(found[1], np.take_along_axis(expected, order, axis=1), rtol=1e-4, atol=1e-5)


def test_each_item_keeps_its_nearest_neighbors(chosen):
    whole, pruned = (CooccurrenceReranker(n_neighbors=n).fit(chosen).neighbors_.toarray() for n in (30, 4))
    assert ((pruned > 0).sum(axis=1) == 4).all()
    for row, kept in zip(whole, pruned, strict=True):
        np.testing.assert_array_equal(np.sort(kept[kept > 0]), np.sort(row)[-4:])


def test_a_search_that_tells_nothing_apart_is_ranked_by_histories(chosen):
    """All vectors point one way, with next to no difference."""
    vectors = np.column_stack([np.ones(30), np.linspace(0.0, 1e-3, 30)]).astype(np.float32)
    index = ItemIndex().fit(vectors, ids=[f"film {number}" for number in range(30)])
    ids, scores = index.search(np.ones((80, 2)), n=25, exclude=chosen)
    best, _ = CooccurrenceReranker(50.0).fit(chosen, ids=index.ids).rerank(ids, scores, chosen, n=5)
    of_taste = [[int(name.split()[1]) % 2 == user % 2 for name in row] for user, row in enumerate(best)]
    assert np.mean(of_taste) > 0.9


def test_missing_places_stay_last_and_unknown_items_gain_nothing(chosen):
    ids, scores = np.array([[31, 4, 2, -1], [-1, -1, -1, -1]]), np.array([[3.0, 2.0, 1.0, -np.inf], [-np.inf] * 4])
    found, after = CooccurrenceReranker(1e-3).fit(chosen).rerank(ids, scores, chosen[:2], n=4)
    assert found.tolist() == [[31, 4, 2, -1], [-1, -1, -1, -1]]
    assert after[0, 0] == 3.0
    assert (after[0, 1:3] >= [2.0, 1.0]).all()
    assert np.isneginf(after[0, 3])
    assert np.isneginf(after[1]).all()


def test_a_weight_of_0_and_users_without_a_history_change_nothing(chosen):
    ids, scores = np.tile(np.arange(10), (80, 1)), np.tile(np.linspace(1.0, 0.0, 10, dtype=np.float32), (80, 1))
    for weight, histories in ((0.0, chosen), (1.0, sparse.csr_array(chosen.shape))):
        found, after = CooccurrenceReranker(weight).fit(chosen).rerank(ids, scores, histories, n=10)
        np.testing.assert_array_equal(found, ids)
        np.testing.assert_array_equal(after, scores)


def test_what_does_not_fit_is_an_error(chosen):
    ids, scores = np.zeros((80, 4), dtype=int), np.zeros((80, 4))
    with pytest.raises(NotFittedError):
        CooccurrenceReranker().rerank(ids, scores, chosen)
    with pytest.raises(ValueError, match="weight of CooccurrenceReranker must be a finite number of at least 0"):
        CooccurrenceReranker(-1.0).fit(chosen)
    with pytest.raises(ValueError, match="n_neighbors of CooccurrenceReranker must be an integer of at least 1"):
        CooccurrenceReranker(n_neighbors=0).fit(chosen)
    with pytest.raises(TypeError, match="interactions must be a SciPy sparse matrix"):
        CooccurrenceReranker().fit(chosen.toarray())
    with pytest.raises(ValueError, match="ids must have one id for each of 30 items, got 2"):
        CooccurrenceReranker().fit(chosen, ids=["a", "b"])
    reranker = CooccurrenceReranker().fit(chosen)
    with pytest.raises(ValueError, match="n_found be at least n=5"):
        reranker.rerank(ids, scores, chosen, n=5)
    with pytest.raises(ValueError, match="histories must have shape"):
        reranker.rerank(ids, scores, chosen[:3], n=2)
    with pytest.raises(ValueError, match="ids must be the numbers of the items"):
        reranker.rerank(ids.astype(str), scores, chosen, n=2)


def test_what_would_change_nothing_in_silence_is_an_error(chosen):
    ids, scores = np.array([[3, 1, 2]]), np.array([[0.5, 0.4, np.nan]])
    reranker = CooccurrenceReranker().fit(chosen)
    with pytest.raises(ValueError, match="scores must not be NaN"):
        reranker.rerank(ids, scores, chosen[[0]], n=2)
    with pytest.raises(ValueError, match="fit knew none of the ids, such as 103"):
        reranker.rerank(ids + 100, np.zeros((1, 3)), chosen[[0]], n=2)
    nothing = np.full((1, 3), -1), np.full((1, 3), -np.inf)
    assert reranker.rerank(*nothing, chosen[[0]], n=2)[0].tolist() == [[-1, -1]]
    with pytest.raises(ValueError, match="weight of CooccurrenceReranker must be"):
        reranker.set_params(weight=-3.0).rerank(ids, np.zeros((1, 3)), chosen[[0]], n=2)
    with pytest.raises(ValueError, match="interactions must have at least one item"):
        CooccurrenceReranker().fit(sparse.csr_array((3, 0)))
