import copy
import datetime
import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

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
            (np.eye(2), [1, 1.0], ValueError, r"ids must be unique, but 1 is at positions 0 and 1"),
            (np.eye(2), [None, 1], ValueError, r"ids has a missing value \(None\) at position 0"),
            (np.eye(2), [1.0, np.nan], ValueError, r"ids has a missing value \(nan\) at position 1"),
            (np.eye(2), [[1], [2]], TypeError, r"ids must be hashable, but ids\[0\] is a list"),
            (np.eye(2), np.eye(2), ValueError, r"ids must be one-dimensional"),
            (np.ma.masked_array(np.eye(2), mask=np.eye(2)), None, ValueError, r"item_vectors has masked entries"),
            (np.eye(2), {"a", "b"}, TypeError, r"ids must be in the order of item_vectors, and a set has none"),
            (np.eye(2), 5, TypeError, r"ids must be a collection of ids, got an int"),
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
