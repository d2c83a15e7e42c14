"""Sets of items: what a search leaves out, and what it is limited to."""

import numpy as np
import pytest
from scipy import sparse

import index_cases
from fastfm_ext.retrieval import ItemIndex

index = index_cases.index


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
        assert index.search(np.ones((2, 4)), n=1, exclude=[float("nan"), ["a"]])[0].tolist() == [["a"], ["b"]]

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
            (3, TypeError, r"exclude must be a collection .* got an int"),
            ([[["a"]], []], TypeError, r"exclude\[0\] must hold ids, which are hashable"),
            (np.zeros((2, 4), dtype=bool), TypeError, r"exclude is a boolean array.*csr_array\(mask\)"),
            (sparse.csr_array((2, 3)), ValueError, r"exclude must have shape \(n_users, n_items\) = \(2, 4\)"),
        ],
    )
    def test_errors(self, index, exclude, error, match):
        with pytest.raises(error, match=match):
            index.search(np.ones((2, 4)), exclude=exclude)


class TestOnly:
    @pytest.mark.parametrize(
        "only",
        [["b", "d"], {"d", "b", "unknown"}, np.array(["b", "d"]), np.array([False, True, False, True])],
        ids=["list", "set", "array", "mask"],
    )
    def test_forms_for_all_users(self, index, only):
        assert index.search(np.ones((2, 4)), n=2, only=only)[0].tolist() == [["b", "d"]] * 2
        assert index.search(np.ones(4), n=3, only=only)[0].tolist() == ["b", "d", None]

    @pytest.mark.parametrize("dtype", ["bool", "boolean", "list"])
    def test_booleans_in_a_column_or_list_are_a_mask(self, dtype):
        mask = [False, False, True, True]
        only = mask if dtype == "list" else pytest.importorskip("pandas").Series(mask, dtype=dtype)
        index = ItemIndex().fit(np.diag([4.0, 3.0, 2.0, 1.0]))
        assert index.search(np.ones(4), n=3, only=only)[0].tolist() == [2, 3, -1]
        with pytest.raises(TypeError, match=r"exclude is a boolean array, not ids"):
            index.search(np.ones(4), exclude=only)
        with pytest.raises(ValueError, match=r"only is a mask of shape \(3,\), but the index has 4 items"):
            index.search(np.ones(4), only=only[:3])

    def test_a_polars_column_is_a_mask(self, index):
        only = pytest.importorskip("polars").Series([False, True, True, False])
        assert index.search(np.ones(4), n=3, only=only)[0].tolist() == ["b", "c", None]

    def test_a_mask_with_gaps_is_refused(self, index):
        only = pytest.importorskip("pandas").Series([True, None, True, False], dtype="boolean")
        with pytest.raises(ValueError, match=r"only is a boolean column with gaps"):
            index.search(np.ones(4), only=only)

    @pytest.mark.parametrize("table", [[1, 0, 1, 1], np.ones(4, dtype=int), np.array([0.0, 1.0, 0.0, 0.0])])
    def test_a_table_of_0_and_1_is_not_read_as_ids(self, table):
        index = ItemIndex().fit(np.eye(4))
        for sets in ({"only": table}, {"exclude": table}, {"only_by_user": table}):
            with pytest.raises(TypeError, match=r"looks like a table of 0 and 1 with a value for each of the 4 items"):
                index.search(np.ones(4), **sets)
        with pytest.raises(TypeError, match=r"exclude(\[1\])? (looks like|is) a table of"):
            index.search(np.ones((2, 4)), exclude=np.stack([[3, 3, 3, 3], table]))

    def test_dense_tables_and_frames_are_not_read_as_ids(self, index):
        with pytest.raises(TypeError, match=r"exclude is a table of float64, not ids"):
            index.search(np.ones((2, 4)), exclude=np.array([[0.0, 2.0, 5.0, 0.0]] * 2))
        frame = pytest.importorskip("pandas").DataFrame(np.ones((2, 4)))
        for name in ("exclude", "only"):
            with pytest.raises(TypeError, match=rf"{name} is a DataFrame: pass its column of ids"):
                index.search(np.ones((2, 4)), **{name: frame})

    def test_short_lists_of_the_ids_0_and_1_are_ids(self):
        assert ItemIndex().fit(np.eye(4)).search(np.ones(4), n=4, only=[0, 1, 1])[0].tolist() == [0, 1, -1, -1]

    def test_a_user_without_items_to_choose_from_gets_none(self, index):
        ids, scores = index.search(np.ones((2, 4)), n=1, only_by_user=[None, ["c"]])
        assert ids.tolist() == [[None], ["c"]]
        assert scores.tolist() == [[-np.inf], [2.0]]

    def test_one_vector_takes_one_collection(self, index):
        assert index.search(np.ones(4), n=1, only_by_user=["c", "d"], exclude=["c"])[0].tolist() == ["d"]

    @pytest.mark.parametrize(
        ("sets", "error", "match"),
        [
            ({"only": "ab"}, TypeError, r"only must be a collection of ids .* got a str"),
            ({"only": np.ones(3, dtype=bool)}, ValueError, r"only is a mask of shape \(3,\), but .* 4 items"),
            ({"only": [["a"]]}, TypeError, r"only must hold ids, which are hashable"),
            ({"only_by_user": [["a"]]}, ValueError, r"only_by_user has 1 entries for 2 users"),
            ({"only_by_user": ["ab", "cd"]}, TypeError, r"only_by_user\[0\] must be a collection of ids"),
            ({"only_by_user": sparse.csr_array((2, 3))}, ValueError, r"only_by_user must have shape .* = \(2, 4\)"),
        ],
    )
    def test_errors_name_the_argument(self, index, sets, error, match):
        with pytest.raises(error, match=match):
            index.search(np.ones((2, 4)), **sets)

    @pytest.mark.parametrize("name", ["exclude", "only_by_user"])
    @pytest.mark.parametrize("damage", ["indices", "indptr"])
    def test_a_damaged_matrix_is_refused(self, index, name, damage):
        matrix = sparse.csr_array(np.ones((2, 4)))
        getattr(matrix, damage)[1] = 1_000_000
        with pytest.raises(ValueError, match=rf"{name} is not a valid CSR matrix"):
            index.search(np.ones((2, 4)), **{name: matrix})
