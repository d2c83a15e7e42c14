import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from fastfm_ext import _exact_search
from fastfm_ext._exact_search import _batches
from fastfm_ext.retrieval import ItemIndex

faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")


def brute_force(users, items, n, seen):
    """Positions and scores by sorting everything; exact for vectors of small integers."""
    positions = np.full((len(users), n), -1)
    scores = np.full((len(users), n), -np.inf, dtype=np.float32)
    for r, user in enumerate(users):
        all_scores = [float(np.dot(np.float64(item), np.float64(user))) for item in items]
        best = sorted((-score, t) for t, score in enumerate(all_scores) if t not in seen[r])[:n]
        for c, (score, t) in enumerate(best):
            positions[r, c], scores[r, c] = t, -score
    return positions, scores


def check_search(items, users, n, seen):
    ids, scores = ItemIndex().fit(items).search(users, n, exclude=seen)
    expected_ids, expected_scores = brute_force(users, items, n, seen)
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_array_equal(scores, expected_scores)


@st.composite
def searches(draw):
    n_items, n_users, d = draw(st.integers(1, 80)), draw(st.integers(1, 6)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.integers(0, 3))
    items = rng.integers(-spread, spread + 1, (n_items, d)).astype(np.float32)
    users = rng.integers(-spread, spread + 1, (n_users, d)).astype(np.float32)
    seen = [set(rng.integers(0, n_items, draw(st.integers(0, n_items))).tolist()) for _ in range(n_users)]
    return items, users, draw(st.integers(1, 20)), seen


@pytest.fixture
def no_spare_candidates(monkeypatch):
    """Fetch exactly n candidates and use faiss for all sizes, so that ties at the cut-off are met at once."""
    monkeypatch.setattr(_exact_search, "_SPARE", 0)


class TestRanking:
    @given(searches())
    @settings(max_examples=150, deadline=None)
    def test_equals_brute_force_with_ties_and_exclusions(self, search):
        check_search(*search)

    @given(searches())
    @settings(max_examples=60, deadline=None)
    def test_matrix_and_collections_exclude_the_same(self, search):
        items, users, n, seen = search
        matrix = sparse.lil_array((len(users), len(items)))
        for r, row in enumerate(seen):
            matrix[r, sorted(row)] = -1.5
        index = ItemIndex().fit(items)
        for one, other in zip(index.search(users, n, seen), index.search(users, n, matrix.tocsr()), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.usefixtures("no_spare_candidates")
    def test_ties_at_the_cut_off_of_the_candidates_go_to_the_first_items(self):
        items = np.ones((500, 3), dtype=np.float32)
        items[400:402] = 2
        check_search(items, np.ones((3, 3), dtype=np.float32), 10, [set(), {400}, set(range(100))])

    @pytest.mark.usefixtures("no_spare_candidates")
    def test_continuous_scores_equal_brute_force_where_faiss_proposes(self):
        rng = np.random.default_rng(0)
        items, users = rng.normal(size=(800, 33)).astype(np.float32), rng.normal(size=(50, 33)).astype(np.float32)
        seen = [set(rng.choice(800, size=size, replace=False).tolist()) for size in rng.integers(0, 300, 50)]
        ids, scores = ItemIndex().fit(items).search(users, 5, seen)
        expected_ids, expected_scores = brute_force(users, items, 5, seen)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_allclose(scores, expected_scores, rtol=1e-6)

    def test_a_difference_below_the_rounding_of_faiss_is_ranked_by_the_float64_score(self):
        # In float32 the large terms cancel to noise; the item at 700 is best by the small term only.
        items = np.tile(np.float32([[3e7, -3e7, 1.0]]), (1000, 1))
        items[700, 2] = 2.0
        ids, scores = ItemIndex().fit(items).search(np.float32([1.0, 1.0, 1.0]), 2)
        assert ids.tolist() == [700, 0]
        assert scores.tolist() == [2.0, 1.0]

    def test_users_get_the_same_bits_alone_and_in_a_batch(self):
        rng = np.random.default_rng(1)
        index = ItemIndex().fit(rng.normal(size=(600, 17)))
        users = rng.normal(size=(64, 17))
        ids, scores = index.search(users, 4)
        for r in range(64):
            one_ids, one_scores = index.search(users[r], 4)
            np.testing.assert_array_equal(one_ids, ids[r])
            np.testing.assert_array_equal(one_scores, scores[r])

    def test_faiss_is_used_and_its_thread_setting_is_kept(self, monkeypatch):
        calls = []
        knn = faiss.knn
        monkeypatch.setattr(faiss, "knn", lambda *args, **kwargs: calls.append(args[2]) or knn(*args, **kwargs))
        before = faiss.omp_get_max_threads()
        items = np.random.default_rng(2).normal(size=(1000, 8))
        ItemIndex().fit(items).search(items[:5], 10, exclude=[range(100), [], [], [], [1]])
        assert sorted(calls) == [19, 118]
        assert faiss.omp_get_max_threads() == before


class TestBatches:
    @given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 2000))
    def test_every_row_comes_once_with_enough_but_not_too_many_candidates(self, needed, max_values):
        n_fetch = np.array(needed, dtype=np.int64)
        rows_seen = []
        for rows, fetched in _batches(n_fetch, max_values):
            assert n_fetch[rows].max() == fetched <= 2 * n_fetch[rows].min()
            assert len(rows) == 1 or len(rows) * fetched <= max_values
            rows_seen += rows.tolist()
        assert sorted(rows_seen) == list(range(len(needed)))

    def test_small_batches_give_the_same_result(self, monkeypatch):
        rng = np.random.default_rng(3)
        items, users = rng.normal(size=(500, 6)), rng.normal(size=(30, 6))
        seen = [rng.integers(0, 500, size) for size in rng.integers(0, 200, 30)]
        ids, scores = ItemIndex().fit(items).search(users, 7, seen)
        monkeypatch.setattr(_exact_search, "_BATCH_VALUES", 100)
        small_ids, small_scores = ItemIndex().fit(items).search(users, 7, seen)
        np.testing.assert_array_equal(small_ids, ids)
        np.testing.assert_array_equal(small_scores, scores)
