import contextlib
import copy
import datetime
import pickle
import threading

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastfm_ext.model_io import ModelFileError
from fastfm_ext.retrieval import ItemIndex


class TestResultShape:
    def test_integer_ids_come_as_int64_and_scores_as_float32(self):
        ids, scores = ItemIndex().fit(np.eye(3), ids=[30, 10, 20]).search(np.eye(3)[:2], n=2)
        assert (ids.dtype, ids.shape, scores.dtype, scores.shape) == (np.int64, (2, 2), np.float32, (2, 2))
        assert ids[:, 0].tolist() == [30, 10]

    def test_other_ids_come_as_they_were_given(self):
        given_ids = ["a\0", ("b", 1), datetime.date(2020, 1, 1)]
        ids, _ = ItemIndex().fit(np.eye(3), ids=given_ids).search(np.eye(3), n=1)
        assert ids.dtype == object
        assert ids[:, 0].tolist() == given_ids

    def test_one_vector_gives_one_dimensional_results(self):
        ids, scores = ItemIndex().fit(np.eye(3)).search([0.0, 2.0, 1.0], n=2)
        assert (ids.tolist(), scores.tolist()) == ([1, 2], [2.0, 1.0])

    @pytest.mark.parametrize(("given_ids", "fill"), [([7, 8, 9], -1), (["x", "y", "z"], None)])
    def test_missing_results_have_score_minus_infinity(self, given_ids, fill):
        index = ItemIndex().fit(np.eye(3), ids=given_ids)
        ids, scores = index.search([3.0, 2.0, 1.0], n=5, exclude=given_ids[:1])
        assert ids.tolist() == [*given_ids[1:], fill, fill, fill]
        assert scores.tolist() == [2.0, 1.0, -np.inf, -np.inf, -np.inf]

    def test_everything_excluded_gives_no_result(self):
        ids, scores = ItemIndex().fit(np.eye(3)).search(np.eye(3)[:1], n=2, exclude=[[0, 1, 2]])
        assert ids.tolist() == [[-1, -1]]
        assert np.isneginf(scores).all()

    def test_no_users_give_no_rows(self):
        ids, scores = ItemIndex().fit(np.eye(3)).search(np.empty((0, 3)), n=2, exclude=[])
        assert ids.shape == scores.shape == (0, 2)


class TestExclude:
    INDEX_IDS = ("a", "b", "c", "d")

    @pytest.fixture
    def index(self):
        return ItemIndex().fit(np.diag([4.0, 3.0, 2.0, 1.0]), ids=self.INDEX_IDS)

    @pytest.mark.parametrize(
        "exclude",
        [
            [["a"], ["b", "b"]],
            [{"a"}, {"b", "unknown"}],
            ({"a": 1}.keys(), np.array(["b"])),
            np.array([["a"], ["b"]]),
            sparse.csr_array([[1, 0, 0, 0], [0, 1, 0, 0]]),
            sparse.coo_matrix(([1, -1, 1], ([0, 1, 1], [0, 1, 1])), shape=(2, 4)),
        ],
        ids=["lists", "sets", "views", "array", "csr", "coo with duplicates"],
    )
    def test_forms(self, index, exclude):
        ids, _ = index.search(np.ones((2, 4)), n=3, exclude=exclude)
        assert ids.tolist() == [["b", "c", "d"], ["a", "c", "d"]]

    def test_pandas_and_numpy_scalars_match_ids(self):
        pd = pytest.importorskip("pandas", reason="needs pandas")
        index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=pd.Series([10, 20, 30]))
        exclude = pd.Series([[np.int64(10)], pd.Series([20, 30])])
        assert index.search(np.ones((2, 3)), n=1, exclude=exclude)[0].tolist() == [[20], [10]]

    def test_none_for_a_user_excludes_nothing(self, index):
        assert index.search(np.ones((2, 4)), n=1, exclude=[None, ["a"]])[0].tolist() == [["a"], ["b"]]

    @pytest.mark.parametrize("exclude", [["a", "b"], sparse.csr_array([[1, 1, 0, 0]]), sparse.coo_array([1, 1, 0, 0])])
    def test_one_vector_takes_one_collection(self, index, exclude):
        assert index.search(np.ones(4), n=1, exclude=exclude)[0].tolist() == ["c"]

    def test_an_explicit_zero_does_not_exclude(self, index):
        exclude = sparse.csr_array((np.array([0.0, 1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 4))
        assert index.search(np.ones((1, 4)), n=2, exclude=exclude)[0].tolist() == [["a", "c"]]
        assert exclude.nnz == 2

    @pytest.mark.parametrize(
        ("exclude", "error", "match"),
        [
            ([["a"]], ValueError, r"exclude has 1 entries for 2 users"),
            (["ab", "cd"], TypeError, r"exclude\[0\] must be a collection of ids .* got a str"),
            ({"a": ["b"], "c": []}, TypeError, r"exclude must be a collection .* got a dict"),
            (3, TypeError, r"exclude must be a collection .* got a int"),
            ([[["a"]], []], TypeError, r"exclude\[0\] must hold ids, which are hashable"),
            (np.zeros((2, 4), dtype=bool), TypeError, r"exclude is a boolean array.*csr_array\(mask\)"),
            (sparse.csr_array((2, 3)), ValueError, r"exclude must have shape \(n_users, n_items\) = \(2, 4\)"),
        ],
    )
    def test_errors(self, index, exclude, error, match):
        with pytest.raises(error, match=match):
            index.search(np.ones((2, 4)), exclude=exclude)


class TestFit:
    @pytest.mark.parametrize(
        ("vectors", "ids", "error", "match"),
        [
            (np.ones(3), None, ValueError, r"item_vectors must have shape \(n, d\)"),
            (np.ones((2, 0)), None, ValueError, r"item_vectors must have shape"),
            (np.ones((0, 2)), None, ValueError, r"item_vectors is empty"),
            ([[1.0], [np.nan]], None, ValueError, r"item_vectors\[1\] has a value that is NaN or infinite"),
            ([[1.0], [1e300]], None, ValueError, r"item_vectors\[1\] has a value that is NaN or infinite"),
            ([[1.0], [1e20]], None, ValueError, r"item_vectors\[1\] is longer than 1e\+18"),
            ([[1.0], [1.0, 2.0]], None, ValueError, r"item_vectors must be an array of numbers"),
            ([["x"]], None, ValueError, r"item_vectors must be a dense array of numbers"),
            (sparse.csr_array(np.eye(2)), None, ValueError, r"item_vectors must be a dense array"),
            (np.eye(2), [1], ValueError, r"ids has 1 entries for 2 item_vectors"),
            (np.eye(2), [1, 1.0], ValueError, r"ids must be unique, but 1.0 is at positions 0 and 1"),
            (np.eye(2), [None, 1], ValueError, r"ids has a missing value \(None\) at position 0"),
            (np.eye(2), [1.0, np.nan], ValueError, r"ids has a missing value \(nan\) at position 1"),
            (np.eye(2), [[1], [2]], TypeError, r"ids must be hashable, but ids\[0\] is a list"),
            (np.eye(2), np.eye(2), ValueError, r"ids must be one-dimensional"),
            (np.ma.masked_array(np.eye(2), mask=np.eye(2)), None, ValueError, r"item_vectors has masked entries"),
            (np.eye(2), {"a", "b"}, TypeError, r"ids must be in the order of item_vectors, and a set has none"),
            (np.eye(2), 5, TypeError, r"ids must be a collection of ids, got a int"),
            (np.eye(2), "ab", TypeError, r"ids must be a collection of ids"),
        ],
    )
    def test_errors_name_the_argument(self, vectors, ids, error, match):
        with pytest.raises(error, match=match):
            ItemIndex().fit(vectors, ids)

    @pytest.mark.parametrize("n_jobs", [0, "2", 1.5, True, 2**40])
    def test_a_number_of_threads_that_is_none_is_refused(self, n_jobs):
        with pytest.raises(ValueError, match=r"n_jobs must be None or an integer other than 0"):
            ItemIndex(n_jobs=n_jobs)

    def test_unknown_kind(self):
        with pytest.raises(ValueError, match=r"kind must be one of \['exact', 'ivf'\], got 'hnsw'"):
            ItemIndex(kind="hnsw")

    def test_later_changes_of_the_callers_arrays_have_no_effect(self):
        vectors, ids = np.eye(2, dtype=np.float32), np.array([5, 6])
        index = ItemIndex().fit(vectors, ids)
        vectors[:], ids[:] = 0, 0
        assert index.search([1.0, 2.0], n=2)[0].tolist() == [6, 5]

    def test_ids_are_read_only(self):
        with pytest.raises(ValueError, match="read-only"):
            ItemIndex().fit(np.eye(2)).ids[0] = 3

    @pytest.mark.parametrize("big", [2**63, -(2**63) - 1])
    def test_integers_beyond_int64_stay_exact(self, big):
        assert ItemIndex().fit(np.eye(2), ids=[big, 1]).ids.tolist() == [big, 1]

    def test_data_frames_are_vectors_too(self):
        pl = pytest.importorskip("polars", reason="needs polars")
        frame = pl.DataFrame({"x": [1.0, 0.0], "y": [0.0, 1.0]})
        assert ItemIndex().fit(frame, ids=pl.Series(["p", "q"])).search(frame, n=1)[0].tolist() == [["p"], ["q"]]


class TestSearchErrors:
    @pytest.mark.parametrize(
        ("users", "n", "match"),
        [
            (np.ones((1, 2)), 1, r"user_vectors has 2 columns, but the vectors in the index have 3"),
            (np.ones(2), 1, r"user_vectors has 2 columns"),
            (np.ones((1, 1, 3)), 1, r"user_vectors must have shape"),
            ([[1.0, np.inf, 0.0]], 1, r"user_vectors\[0\] has a value that is NaN or infinite"),
            (np.ones((1, 3)), 0, r"n must be an integer of at least 1, got 0"),
            (
                3.0,
                1,
                r"user_vectors must be an array of vectors, of shape \(n, d\) or \(d,\); got the single value 3.0",
            ),
            (np.ones((1, 3)), 2.0, r"n must be an integer"),
            (np.ones((1, 3)), 2**31, r"n=2147483648 asks for results of 24.0 GiB, and the index has 3 items"),
            (np.ones((1, 3)), True, r"n must be an integer"),
        ],
    )
    def test_errors_name_the_argument(self, users, n, match):
        with pytest.raises(ValueError, match=match):
            ItemIndex().fit(np.eye(3)).search(users, n)

    @pytest.mark.parametrize(
        "use",
        [
            lambda index, path: index.search([1.0]),
            lambda index, path: index.add([[1.0]], [1]),
            lambda index, path: index.remove([1]),
            lambda index, path: index.update([1], [[1.0]]),
            lambda index, path: index.similar_items([1]),
            lambda index, path: index.ids,
            lambda index, path: index.save(path / "index"),
        ],
        ids=["search", "add", "remove", "update", "similar_items", "ids", "save"],
    )
    def test_use_before_fit(self, use, tmp_path):
        with pytest.raises(NotFittedError, match="call fit first"):
            use(ItemIndex(), tmp_path)

    def test_an_empty_index(self):
        index = ItemIndex().fit(np.eye(2)).remove([0, 1])
        with pytest.raises(ValueError, match="The index is empty"):
            index.search([1.0, 1.0])


class TestChange:
    def test_added_items_are_found_after_the_others(self):
        index = ItemIndex().fit(np.eye(2), ids=["a", "b"]).add([[1.0, 0.0], [5.0, 5.0]], ids=["c", "d"])
        assert index.ids.tolist() == ["a", "b", "c", "d"]
        assert index.search([1.0, 0.0], n=4)[0].tolist() == ["d", "a", "c", "b"]

    def test_removed_items_are_not_found(self):
        index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=[10, 20, 30]).remove([10, 10])
        assert index.search(np.ones(3), n=3)[0].tolist() == [20, 30, -1]
        assert 10 not in index
        assert 20 in index
        assert len(index) == 2
        assert index.add([[9.0, 0.0, 0.0]], [10]).ids.tolist() == [20, 30, 10]

    def test_updated_items_keep_their_places_and_get_their_new_vectors(self):
        index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=["a", "b", "c"])
        assert index.search(np.ones(3), n=1)[0].tolist() == ["a"]
        index.update(["c", "a"], [[9.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
        assert index.ids.tolist() == ["a", "b", "c"]
        ids, scores = index.search(np.ones(3), n=3)
        assert (ids.tolist(), scores.tolist()) == (["c", "a", "b"], [9.0, 2.0, 2.0])

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda index: index.add(np.eye(2), ["c", "a"]), r"ids already in the index: 'a'"),
            (lambda index: index.add(np.eye(2), ["c", "c"]), r"ids must be unique, but 'c'"),
            (lambda index: index.add(np.eye(2), ["c"]), r"ids has 1 entries for 2 item_vectors"),
            (lambda index: index.add(np.eye(3), ["c", "d", "e"]), r"item_vectors has 3 columns"),
            (lambda index: index.remove(["a", *range(7)]), r"ids not in the index: 0, 1, 2, 3, 4 and 2 more"),
            (lambda index: index.update(["c"], np.eye(2)[:1]), r"ids not in the index: 'c'"),
            (lambda index: index.update(["a", "a"], np.eye(2)), r"ids must be unique, but 'a'"),
            (lambda index: index.update(["a"], np.eye(2)), r"ids has 1 entries for 2 item_vectors"),
            (lambda index: index.update(["a"], np.eye(3)[:1]), r"item_vectors has 3 columns"),
        ],
    )
    def test_a_failed_change_leaves_the_index_as_it_was(self, change, match):
        index = ItemIndex().fit(np.eye(2), ids=["a", "b"])
        with pytest.raises(ValueError, match=match):
            change(index)
        assert index.ids.tolist() == ["a", "b"]
        assert index.search([2.0, 1.0], n=2)[0].tolist() == ["a", "b"]

    def test_before_fit_the_index_has_no_items(self):
        assert len(ItemIndex()) == 0
        assert 1 not in ItemIndex()
        assert repr(ItemIndex()) == "ItemIndex(kind='exact')"


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_search_alike_and_change_apart(copied):
    index = ItemIndex().fit(np.eye(3), ids=["a", "b", "c"])
    other = copied(index).remove(["b"])
    assert index.search([1.0, 3.0, 2.0], n=3)[0].tolist() == ["b", "c", "a"]
    assert other.search([1.0, 3.0, 2.0], n=2)[0].tolist() == ["c", "a"]


class TestFiles:
    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    @pytest.mark.parametrize(
        "ids",
        [
            None,
            [5, -(2**63)],
            ["ä", "\ud800\0"],
            [("a", 1, (2.5, True)), "a"],
            [True, 2],
            [0.1, float("inf")],
            [2**70, 3],
        ],
        ids=["default", "int64", "str", "tuples", "bool", "float", "large int"],
    )
    def test_round_trip(self, tmp_path, ids, mmap):
        index = ItemIndex().fit([[1.0, 0.5], [0.25, 3.0]], ids)
        index.save(tmp_path / "index.fm")
        loaded = ItemIndex.load(tmp_path / "index.fm", mmap=mmap)
        assert loaded.ids.dtype == index.ids.dtype
        assert [(type(i), i) for i in loaded.ids.tolist()] == [(type(i), i) for i in index.ids.tolist()]
        for one, other in zip(index.search([1.0, 1.0]), loaded.search([1.0, 1.0]), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_mapped_index_can_be_changed(self, tmp_path):
        ItemIndex().fit(np.eye(2)).save(tmp_path / "index.fm")
        index = ItemIndex.load(tmp_path / "index.fm", mmap=True).add([[3.0, 3.0]], [2]).remove([0])
        assert index.search([1.0, 0.0], n=2)[0].tolist() == [2, 1]

    def test_an_emptied_index_can_be_saved(self, tmp_path):
        ItemIndex().fit(np.eye(2)).remove([0, 1]).save(tmp_path / "index.fm")
        assert ItemIndex.load(tmp_path / "index.fm", mmap=True).add([[3.0, 3.0]], ["a"]).ids.tolist() == ["a"]

    def test_ids_that_no_file_can_hold(self, tmp_path):
        index = ItemIndex().fit(np.eye(2), ids=["a", datetime.date(2020, 1, 1)])
        with pytest.raises(TypeError, match=r"index\.ids\[1\] is a datetime\.date, which a model file cannot hold"):
            index.save(tmp_path / "index.fm")
        assert list(tmp_path.iterdir()) == []

    def test_a_subclass_is_not_saved_because_it_would_not_come_back(self, tmp_path):
        class FilmIndex(ItemIndex):
            pass

        with pytest.raises(TypeError, match="index must be one of ItemIndex, got a FilmIndex"):
            FilmIndex().fit(np.eye(2)).save(tmp_path / "index.fm")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_without_an_index(self, tmp_path):
        (tmp_path / "notes.txt").write_text("hello")
        with pytest.raises(ModelFileError, match="not a fastfm-ext model file"):
            ItemIndex.load(tmp_path / "notes.txt")


def test_changes_by_two_threads_at_once_are_both_kept(monkeypatch):
    index = ItemIndex().fit(np.eye(2))
    both_under_way = threading.Barrier(2)
    derive = ItemIndex._searches

    def slow(*arguments):
        with contextlib.suppress(threading.BrokenBarrierError):
            both_under_way.wait(0.3)
        return derive(*arguments)

    monkeypatch.setattr(ItemIndex, "_searches", slow)
    threads = [threading.Thread(target=index.add, args=(np.eye(1, 2), [new])) for new in (5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(index.ids.tolist()) == [0, 1, 5, 6]


def test_a_copied_index_can_be_changed():
    for duplicate in (copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))):
        index = ItemIndex().fit(np.eye(2))
        duplicate(index).remove([0])
        assert len(index) == 2


def test_a_file_keeps_the_parameters(tmp_path):
    index = ItemIndex(n_jobs=2, target_recall=0.9).fit(np.eye(2))
    index.save(tmp_path / "index.fm")
    loaded = ItemIndex.load(tmp_path / "index.fm")
    assert (loaded.n_jobs, loaded.target_recall) == (2, 0.9)
