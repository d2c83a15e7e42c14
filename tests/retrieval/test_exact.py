"""What a recommender asks of an index: leaving out and restricting to items, similar items, scores as the model's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext.retrieval import ItemIndex
from fastfm_ext.retrieval.exact import ExactSearch

IDS = ("a", "b", "c", "d")


@pytest.fixture
def index():
    return ItemIndex().fit(np.diag([4.0, 3.0, 2.0, 1.0]), ids=IDS)


def ids_of(matrix):
    return [np.flatnonzero(row).tolist() for row in matrix]


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.7]), st.sampled_from([0.05, 0.5, 1.0]))
@settings(max_examples=40, deadline=None)
def test_all_sets_together_leave_the_best_of_what_remains(seed, seen_share, chosen_share):
    rng = np.random.default_rng(seed)
    users, items = rng.integers(-2, 3, (5, 3)), rng.integers(-2, 3, (60, 3))
    seen, chosen = rng.random((5, 60)) < seen_share, rng.random((5, 60)) < chosen_share
    in_stock = rng.random(60) < chosen_share
    scores = np.where(~seen & chosen & in_stock, users @ items.T, -np.inf)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    expected_scores = np.take_along_axis(scores, expected, axis=1)
    index = ItemIndex().fit(items)
    matrices = {"exclude": sparse.csr_array(seen), "only_by_user": sparse.coo_array(chosen), "only": in_stock}
    collections = {"exclude": ids_of(seen), "only_by_user": ids_of(chosen), "only": set(np.flatnonzero(in_stock))}
    for sets in (matrices, collections):
        ids, found = index.search(users, 7, **sets)
        np.testing.assert_array_equal(ids, np.where(expected_scores > -np.inf, expected, -1))
        np.testing.assert_array_equal(found, expected_scores)


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


class TestSimilarItems:
    def test_equals_cosine_without_the_first_coordinate(self):
        vectors = np.random.default_rng(0).normal(size=(200, 9))
        units = vectors[:, 1:] / np.linalg.norm(vectors[:, 1:], axis=1, keepdims=True)
        cosine = units @ units.T
        np.fill_diagonal(cosine, -np.inf)
        ids, similarities = ItemIndex().fit(vectors).similar_items(range(200), n=5)
        np.testing.assert_array_equal(ids, np.argsort(-cosine, axis=1)[:, :5])
        np.testing.assert_allclose(similarities, -np.sort(-cosine, axis=1)[:, :5], rtol=1e-5)

    def test_can_be_the_inner_product_of_whole_vectors(self):
        index = ItemIndex().fit([[1.0, 0.0], [2.0, 1.0], [0.5, 9.0]], ids=["p", "q", "r"])
        ids, products = index.similar_items(["p"], n=2, metric="inner", skip_bias=False)
        assert (ids.tolist(), products.tolist()) == ([["q", "r"]], [[2.0, 0.5]])

    def test_sees_items_that_were_changed(self):
        index = ItemIndex().fit([[0.0, 1.0, 0.0], [0.0, 1.0, 0.1], [0.0, 0.0, 1.0]], ids=["p", "q", "r"])
        assert index.similar_items(["p"], n=1)[0].tolist() == [["q"]]
        index.update(["r"], [[0.0, 5.0, 0.0]])
        assert index.similar_items(["p"], n=1)[0].tolist() == [["r"]]

    def test_fills_up_where_there_are_too_few_and_gives_length_zero_similarity_zero(self):
        index = ItemIndex().fit([[0.0, 1.0], [0.0, 0.0]])
        ids, similarities = index.similar_items([0], n=2)
        assert (ids.tolist(), similarities.tolist()) == ([[1, -1]], [[0.0, -np.inf]])

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            ({"ids": ["x"]}, r"ids not in the index: 'x'"),
            ({"ids": ["a"], "n": 0}, r"n must be an integer of at least 1"),
            ({"ids": ["a"], "metric": "l2"}, r"metric must be one of \['cosine', 'inner'\], got 'l2'"),
        ],
    )
    def test_errors_name_the_argument(self, index, arguments, match):
        with pytest.raises(ValueError, match=match):
            index.similar_items(**arguments)

    def test_vectors_that_are_a_bias_only_have_nothing_to_compare(self):
        with pytest.raises(ValueError, match="skip_bias leaves no coordinate"):
            ItemIndex().fit([[1.0]]).similar_items([0])

    def test_similar_users_are_found_in_an_index_of_user_vectors(self):
        X = sparse.csr_array(np.kron(np.eye(4), np.ones((2, 1))))  # two users of each of four kinds
        model = FMRegressor(n_factors=4, max_iter=2, random_state=0).fit(np.eye(4), np.arange(4.0))
        names = ["p1", "p2", "q1", "q2", "r1", "r2", "s1", "s2"]
        users = ItemIndex().fit(model.user_vector(X), ids=names)
        assert users.similar_items(names, n=1)[0][:, 0].tolist() == ["p2", "p1", "q2", "q1", "r2", "r1", "s2", "s1"]


@pytest.mark.parametrize("estimator", [FMRegressor, FMClassifier])
def test_score_and_user_bias_are_the_models_prediction_for_every_pair(estimator):
    rng = np.random.default_rng(1)
    n_users, n_items, n_features = 12, 30, 50  # users and items have several features each
    is_user = np.arange(n_features) < 20
    X_user, X_item = (
        sparse.csr_array(rng.normal(size=(n, n_features)) * (rng.random((n, n_features)) < 0.2) * own)
        for n, own in ((n_users, is_user), (n_items, ~is_user))
    )
    pairs = X_user[np.repeat(np.arange(n_users), n_items)] + X_item[np.tile(np.arange(n_items), n_users)]
    y = rng.normal(size=n_users * n_items) > 0
    model = estimator(n_factors=5, max_iter=5, random_state=0).fit(pairs, y.astype(float))
    predicted = model.predict(pairs) if estimator is FMRegressor else model.decision_function(pairs)
    predicted = predicted.reshape(n_users, n_items)
    ids, scores = ItemIndex().fit(model.item_vector(X_item)).search(model.user_vector(X_user), n=n_items)
    ranked = model.user_bias(X_user)[:, None] + scores
    np.testing.assert_allclose(ranked, np.take_along_axis(predicted, ids, axis=1), rtol=2e-4, atol=2e-5)
    assert (np.diff(scores, axis=1) <= 0).all()


def test_the_number_of_threads_changes_nothing():
    rng = np.random.default_rng(2)
    items, users = rng.normal(size=(4000, 20)), rng.normal(size=(300, 20))
    one, two = (ItemIndex(n_jobs=n).fit(items).search(users, n=9) for n in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_a_search_beside_a_change_never_mixes_ids(monkeypatch):
    index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=["a", "b", "c"])
    find = ExactSearch.top_n

    def change_then_find(*arguments):
        index.remove(["a", "b"])
        return find(*arguments)

    monkeypatch.setattr(ExactSearch, "top_n", change_then_find)
    assert index.search(np.ones(3), n=3)[0].tolist() == ["a", "b", "c"]
    assert index.ids.tolist() == ["c"]
