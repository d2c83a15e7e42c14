"""The approximate index: what it finds, and that it stays right when items change or it is saved."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext.retrieval import ItemIndex
from index_cases import ITEMS, KEPT, N_ITEMS, USERS, assert_refused_from_a_file, clustered, recall, tuned_index

pytest.importorskip("faiss", reason="needs faiss-cpu")


@pytest.fixture
def index():
    return tuned_index("vectors")


@pytest.fixture(params=KEPT)
def any_index(request):
    return tuned_index(request.param)


class TestRecall:
    @pytest.mark.parametrize("target", [0.9, 0.99])
    def test_other_users_than_those_of_the_tuning_get_the_wanted_recall(self, target):
        index = ItemIndex("ivf", target_recall=target).fit(ITEMS).tune(USERS[:400])
        found, best = (i.search(USERS[400:], n=100)[0] for i in (index, ItemIndex().fit(ITEMS)))
        assert target <= index.recall_
        assert recall(found, best) == pytest.approx(index.recall_, abs=0.03)
        assert index.n_probes_ < index.n_lists_ / 2

    def test_a_recall_of_one_is_exact_search(self):
        index, exact = ItemIndex("ivf", target_recall=1.0).fit(ITEMS).tune(USERS), ItemIndex().fit(ITEMS)
        for one, other in zip(index.search(USERS, n=100), exact.search(USERS, n=100), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_the_first_search_tunes_an_index_that_is_not_tuned(self):
        index = ItemIndex("ivf").fit(ITEMS)
        assert (index.n_probes_, index.recall_) == (None, None)
        index.search(USERS)
        assert index.recall_ >= 0.95
        assert repr(index).endswith(f"n_lists=465, n_probes={index.n_probes_}, recall={index.recall_:.3f})")

    @pytest.mark.parametrize("kept", [kept for kept, (_, keep_vectors) in KEPT.items() if keep_vectors])
    def test_scores_and_their_order_are_exact(self, kept):
        ids, scores = tuned_index(kept).search(USERS[:50], n=20)
        products = np.einsum("ud,und->un", np.float32(USERS[:50]), np.float32(ITEMS)[ids], dtype=np.float64)
        np.testing.assert_allclose(scores, products, rtol=1e-6)
        assert (np.diff(products, axis=1) <= 0).all()

    def test_alone_in_a_batch_or_on_threads_a_user_gets_the_same(self, any_index):
        ids, scores = any_index.search(USERS[:64], n=7)
        for r in range(64):
            np.testing.assert_array_equal(any_index.search(USERS[r], n=7)[0], ids[r])
        any_index.n_jobs = 2
        np.testing.assert_allclose(any_index.search(USERS[:64], n=7)[1], scores, rtol=1e-6)


class TestSets:
    def test_seen_items_never_come(self, any_index):
        seen = any_index.search(USERS, n=30)[0]
        ids, _ = any_index.search(USERS, n=30, exclude=list(seen))
        assert not any(np.isin(found, known).any() for found, known in zip(ids, seen, strict=True))
        assert (ids >= 0).all()

    def test_lists_are_visited_until_the_wanted_items_are_found(self, any_index):
        in_stock = np.arange(0, N_ITEMS, 500)
        ids, _ = any_index.search(USERS, n=len(in_stock), only=in_stock)
        assert (np.sort(ids, axis=1) == in_stock).all()

    def test_a_short_choice_of_each_user_is_ranked_exactly(self, index):
        chosen = sparse.random_array((len(USERS), N_ITEMS), density=0.01, rng=np.random.default_rng(3), format="csr")
        exact = ItemIndex().fit(ITEMS).search(USERS, n=5, only_by_user=chosen)
        for one, other in zip(index.search(USERS, n=5, only_by_user=chosen), exact, strict=True):
            np.testing.assert_array_equal(one, other)


class TestChange:
    def test_added_updated_and_removed_items_are_searched_as_they_are(self, any_index):
        new = clustered(500, 5)
        any_index.add(new, range(N_ITEMS, N_ITEMS + 500)).update(range(100), clustered(100, 6)).remove(range(200, 400))
        vectors = np.concatenate([clustered(100, 6), ITEMS[100:200], ITEMS[400:], new])
        exact = ItemIndex().fit(vectors, ids=[*range(200), *range(400, N_ITEMS + 500)])
        found, best = (i.search(USERS, n=20)[0] for i in (any_index, exact))
        enough = 0.9 if any_index.keep_vectors else 0.5
        assert recall(found, best) > enough
        assert recall(any_index.search(new, n=1)[0], exact.search(new, n=1)[0]) > (
            0.9 if any_index.keep_vectors else 0.5
        )

    def test_a_longer_item_than_all_before_is_found(self, index):
        index.add(20 * USERS[:1], [-5])
        assert index.search(USERS[0], n=1)[0].tolist() == [-5]

    def test_an_emptied_index_takes_items_again(self, any_index):
        any_index.remove(range(N_ITEMS)).add(ITEMS[:3], ["a", "b", "c"])
        assert sorted(any_index.search(USERS[0], n=3)[0]) == ["a", "b", "c"]


class TestCopiesAndFiles:
    def test_a_pickled_index_searches_alike(self, any_index):
        np.testing.assert_array_equal(
            pickle.loads(pickle.dumps(any_index)).search(USERS)[0], any_index.search(USERS)[0]
        )

    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    def test_round_trip(self, any_index, tmp_path, mmap):
        any_index.save(tmp_path / "index.fm")
        loaded = ItemIndex.load(tmp_path / "index.fm", mmap=mmap)
        assert repr(loaded) == repr(any_index)
        for one, other in zip(loaded.search(USERS), any_index.search(USERS), strict=True):
            np.testing.assert_array_equal(one, other)
        loaded.add(ITEMS[:1], [-1])
        assert ItemIndex.load(tmp_path / "index.fm").n_probes_ == any_index.n_probes_

    def test_a_saved_index_is_searched_and_changed_without_faiss(self, index, tmp_path):
        index.save(tmp_path / "index.fm")
        code = (
            "import sys; sys.modules['faiss'] = None\n"
            "from fastfm_ext.retrieval import ItemIndex\n"
            f"index = ItemIndex.load({str(tmp_path / 'index.fm')!r})\n"
            "index.add([[9.0] * 8], [-9]).search([1.0] * 8)\n"
            "try: ItemIndex('ivf').fit([[1.0]])\n"
            "except ImportError as error: print(error)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert 'the extra "retrieval" of fastfm-ext: pip install "faiss-cpu>=' in run.stdout

    @pytest.mark.parametrize(
        "damage",
        [
            lambda meta, arrays: arrays["lists"].__setitem__(3, len(arrays["centroids"])),
            lambda meta, arrays: arrays["lists"].__setitem__(3, -1),
            lambda meta, arrays: arrays["centroids"].__setitem__((0, 0), np.nan),
            lambda meta, arrays: arrays.update(centroids=arrays["centroids"][:, 1:]),
            lambda meta, arrays: arrays.update(lists=arrays["lists"][1:]),
            lambda meta, arrays: meta["ivf"].update(n_probes=0),
            lambda meta, arrays: meta["ivf"].update(recall=None),
        ],
        ids=["list", "negative list", "nan", "width", "length", "probes", "recall"],
    )
    def test_a_senseless_state_is_refused(self, index, tmp_path, monkeypatch, damage):
        assert_refused_from_a_file(index, damage, tmp_path / "index.fm", monkeypatch)


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            ({"target_recall": 0.0}, r"target_recall must be a number above 0 and at most 1, got 0.0"),
            ({"target_recall": 1.5}, r"target_recall must be a number"),
            ({"n_lists": 0}, r"n_lists must be an integer of at least 1, got 0"),
        ],
    )
    def test_parameters_out_of_range(self, arguments, match):
        with pytest.raises(ValueError, match=match):
            ItemIndex("ivf", **arguments)

    def test_an_exact_index_has_nothing_to_tune(self):
        with pytest.raises(ValueError, match="only an index of kind 'ivf' has lists"):
            ItemIndex().fit(ITEMS[:5]).tune(USERS)

    def test_tuning_needs_users(self, index):
        with pytest.raises(ValueError, match="tune needs at least one row"):
            index.tune(USERS[:0])


@pytest.mark.parametrize("n_items", [1, 2, 50])
def test_few_items_are_all_found(n_items):
    ids, scores = ItemIndex("ivf").fit(ITEMS[:n_items]).search(USERS[:5], n=60)
    assert ((ids >= 0).sum(axis=1) == n_items).all()
    assert np.isneginf(scores[:, n_items:]).all()
