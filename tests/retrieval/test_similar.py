"""Similar items."""

import numpy as np
import pytest
from scipy import sparse

import index_cases
from fastfm_ext import FMRegressor
from fastfm_ext.retrieval import ItemIndex

index = index_cases.index


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

    @pytest.mark.parametrize("exclude", [["b", "unknown"], np.array([False, True, False, False])])
    def test_leaves_items_out(self, exclude):
        index = ItemIndex().fit([[0, 1, 0], [0, 1, 0.1], [0, 1, 0.2], [0, 0, 1]], ids=["a", "b", "c", "d"])
        assert index.similar_items(["a", "b"], n=1, exclude=exclude)[0].tolist() == [["c"], ["c"]]
        assert index.similar_items(["a"], n=2, only=["b", "d"], exclude=exclude)[0].tolist() == [["d", None]]
        assert index.similar_items(["a"], n=2, only=["a", "d"])[0].tolist() == [["d", None]], "never itself"

    @pytest.mark.parametrize("name", ["only", "exclude"])
    def test_says_which_set_of_items_is_wrong(self, index, name):
        with pytest.raises(TypeError, match=f"{name} must be a collection of ids"):
            index.similar_items(["a"], **{name: "b"})
        with pytest.raises(ValueError, match=f"{name} is a mask of shape"):
            index.similar_items(["a"], **{name: [True]})

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
