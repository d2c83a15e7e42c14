import copy
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import (
    label_ranking_average_precision_score,
    ndcg_score,
    roc_auc_score,
    top_k_accuracy_score,
)

import slow_metrics
from fastfm_ext import metrics

FUNCTIONS = {
    "recall": metrics.recall_at_k,
    "truncated_recall": partial(metrics.recall_at_k, truncated=True),
    "precision": metrics.precision_at_k,
    "ndcg": metrics.ndcg_at_k,
    "map": metrics.map_at_k,
    "mrr": metrics.mrr,
    "hit_rate": metrics.hit_rate_at_k,
}
EVERY_METRIC = pytest.mark.parametrize("name", FUNCTIONS)


@st.composite
def rankings(draw):
    """Rankings with gaps of a few users over a few items, what they want, and k."""
    n_users, n_items = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    n = draw(st.integers(1, 8))
    orders = [draw(st.permutations(range(n_items))) for _ in range(n_users)]
    ranked = np.array([(order + [-1] * n)[:n] for order in map(list, orders)])
    ranked[draw(st.lists(st.booleans(), min_size=n_users * n, max_size=n_users * n).map(np.array)).reshape(-1, n)] = -1
    relevant = [draw(st.sets(st.integers(0, n_items - 1))) for _ in range(n_users)]
    assume(any(relevant))
    return ranked, relevant, n_items, draw(st.integers(1, n))


def as_matrix(relevant, n_items):
    table = np.zeros((len(relevant), n_items))
    for row, items in enumerate(relevant):
        table[row, list(items)] = 1
    return sparse.csr_array(table)


def distinct_scores(n_users, n_items, seed=0):
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(float(n_items)), (n_users, 1)), axis=1)


class TestAgainstTheSlowImplementation:
    @EVERY_METRIC
    @given(case=rankings())
    def test_positions_and_a_matrix(self, name, case):
        ranked, relevant, n_items, k = case
        slow = [
            slow_metrics.METRICS[name](list(row), items, k)
            for row, items in zip(ranked, relevant, strict=True)
            if items
        ]
        assert FUNCTIONS[name](ranked, as_matrix(relevant, n_items), k) == pytest.approx(np.mean(slow))

    @EVERY_METRIC
    @given(case=rankings())
    def test_ids_and_collections(self, name, case):
        ranked, relevant, n_items, k = case
        by_position = metrics.values_by_user(name, ranked, as_matrix(relevant, n_items), k)
        names = np.array([*(f"item {i}" for i in range(n_items)), None], dtype=object)
        ids = [{names[item] for item in items} for items in relevant]
        np.testing.assert_array_equal(metrics.values_by_user(name, names[ranked], ids, k), by_position)
        np.testing.assert_array_equal(metrics.values_by_user(name, ranked, relevant, k), by_position)

    @given(case=rankings(), data=st.data())
    def test_auc_with_ties_and_items_left_out(self, case, data):
        _, relevant, n_items, _ = case
        n_users = len(relevant)
        scores = np.array(
            data.draw(st.lists(st.integers(-2, 2), min_size=n_users * n_items, max_size=n_users * n_items)), dtype=float
        ).reshape(n_users, n_items)
        excluded = [data.draw(st.sets(st.integers(0, n_items - 1))) for _ in range(n_users)]
        slow = [slow_metrics.auc(*case) for case in zip(scores, relevant, excluded, strict=True)]
        arguments = scores, as_matrix(relevant, n_items), as_matrix(excluded, n_items)
        if any(value is not None for value in slow):
            assert metrics.auc(*arguments) == pytest.approx(np.mean([value for value in slow if value is not None]))
        else:
            with pytest.raises(ValueError, match="No user has both a relevant and another item"):
                metrics.auc(*arguments)

    @given(case=rankings())
    def test_coverage(self, case):
        ranked, _, n_items, k = case
        expected = len(set(ranked[:, :k].ravel().tolist()) - {-1}) / n_items
        assert metrics.coverage(ranked, n_items, k) == pytest.approx(expected)
        names = np.array([*(f"item {i}" for i in range(n_items)), None], dtype=object)
        assert metrics.coverage(names[ranked], n_items, k) == pytest.approx(expected)


class TestAgainstScikitLearn:
    N_USERS, N_ITEMS = 30, 20

    @pytest.fixture
    def relevant(self):
        table = np.random.default_rng(1).random((self.N_USERS, self.N_ITEMS)) < 0.2
        table[:, 3] = True  # everybody wants something
        return table

    @pytest.fixture
    def scores(self):
        return distinct_scores(self.N_USERS, self.N_ITEMS)

    @pytest.mark.parametrize("k", [1, 3, 10, 20])
    def test_ndcg(self, relevant, scores, k):
        found = metrics.ndcg_at_k(np.argsort(-scores), sparse.csr_array(relevant), k)
        assert found == pytest.approx(ndcg_score(relevant, scores, k=k))

    def test_average_precision_of_whole_rankings(self, relevant, scores):
        found = metrics.map_at_k(np.argsort(-scores), sparse.csr_array(relevant), self.N_ITEMS)
        assert found == pytest.approx(label_ranking_average_precision_score(relevant, scores))

    def test_auc(self, relevant, scores):
        rounded = np.round(scores / 3)  # with ties
        each = [roc_auc_score(wanted, row) for wanted, row in zip(relevant, rounded, strict=True)]
        assert metrics.auc(rounded, sparse.csr_array(relevant)) == pytest.approx(np.mean(each))

    def test_auc_of_many_relevant_items(self):
        rng = np.random.default_rng(0)
        wanted, scores = rng.random((3, 200)) < 0.5, rng.integers(0, 20, (3, 200)).astype(float)
        each = [roc_auc_score(*case) for case in zip(wanted, scores, strict=True)]
        assert metrics.auc(scores, sparse.csr_array(wanted)) == pytest.approx(np.mean(each))

    @pytest.mark.parametrize("name", ["recall", "hit_rate"])
    def test_one_relevant_item_a_user(self, scores, name):
        wanted = np.arange(self.N_USERS) % self.N_ITEMS
        expected = top_k_accuracy_score(wanted, scores, k=5, labels=range(self.N_ITEMS))
        assert FUNCTIONS[name](np.argsort(-scores), [[item] for item in wanted], 5) == pytest.approx(expected)


class TestUsers:
    @EVERY_METRIC
    def test_users_who_want_nothing_are_left_out(self, name):
        ranked, relevant = [[0, 1], [1, 0], [0, 1]], [[0], [], [1]]
        values = metrics.values_by_user(name, ranked, relevant, 2)
        assert np.isnan(values).tolist() == [False, True, False]
        assert FUNCTIONS[name](ranked, relevant, 2) == pytest.approx(np.nanmean(values))
        assert metrics.values_by_user(name, ranked, [[0], None, [1]], 2)[2] == values[2]

    @EVERY_METRIC
    def test_a_perfect_ranking_has_a_value_of_one(self, name):
        assert FUNCTIONS[name]([[2, 0, 1]], sparse.csr_array([[1, 0, 1]]), 2) == 1

    @EVERY_METRIC
    def test_nobody_who_wants_anything_is_an_error(self, name):
        with pytest.raises(ValueError, match="No user has a relevant item"):
            FUNCTIONS[name]([[0, 1]], sparse.csr_array((1, 2)), 1)

    def test_an_explicit_zero_is_not_relevant(self):
        relevant = sparse.csr_array((np.array([0.0, 1.0]), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
        assert metrics.recall_at_k([[0]], relevant, 1) == 0
        assert relevant.nnz == 2

    def test_every_sparse_format_is_read_and_left_as_it_was(self):
        table = sparse.coo_array(([1, 1, 1], ([0, 0, 1], [2, 2, 0])), shape=(2, 3))  # one entry twice
        for form in ("coo", "csr", "csc", "bsr", "lil", "dok", "dia"):
            relevant = table.asformat(form)
            before = copy.deepcopy(relevant)
            assert metrics.recall_at_k([[2], [1]], relevant, 1) == 0.5
            assert (relevant != before).nnz == 0
            assert relevant.nnz == before.nnz

    def test_read_only_arrays_are_read(self):
        ranked, scores = np.array([[0]]), np.array([[1.0, 0.0]])
        relevant = sparse.csr_array([[1.0, 0.0]])
        for array in (ranked, scores, relevant.data, relevant.indices, relevant.indptr):
            array.flags.writeable = False
        assert metrics.recall_at_k(ranked, relevant, 1) == metrics.auc(scores, relevant) == 1

    def test_unsigned_positions_and_numpy_ids_are_read(self):
        assert metrics.recall_at_k(np.array([[1]], dtype=np.uint8), sparse.csr_array([[0, 1]]), np.int64(1)) == 1
        assert metrics.recall_at_k(np.array([["a"]]), [np.array(["a", "b"])], 1) == 0.5


class TestErrors:
    RELEVANT = sparse.csr_array([[1, 0, 1], [0, 1, 0]])

    @pytest.mark.parametrize(
        ("ranked", "relevant", "k", "error", "match"),
        [
            ([0, 1], RELEVANT, 1, ValueError, r"ranked must have shape \(n_users, n\).*got shape \(2,\)"),
            ([[0], [1, 2]], RELEVANT, 1, ValueError, r"ranked must have shape \(n_users, n\)"),
            ([[0]], RELEVANT, 1, ValueError, "ranked has 1 rows, but relevant has 2"),
            ([[0]], [[0], [1]], 1, ValueError, "ranked has 1 rows, but relevant has 2 entries"),
            ([[0.0], [1.0]], RELEVANT, 1, ValueError, "ranked has dtype float64, but relevant is a matrix"),
            ([["a"], ["b"]], RELEVANT, 1, ValueError, "For ids, pass relevant as one collection of ids a user"),
            ([[0], [3]], RELEVANT, 1, ValueError, r"ranked\[1, 0\] is 3, but relevant has 3 columns"),
            ([[0], [-2]], RELEVANT, 1, ValueError, r"ranked\[1, 0\] is -2"),
            (np.array([[0], [2**64 - 1]], dtype=np.uint64), RELEVANT, 1, ValueError, r"ranked\[1, 0\] is 18446744073"),
            ([[0, 1], [2, 2]], RELEVANT, 1, ValueError, r"ranked\[1\] holds item 2 twice"),
            ([["a", "b", "a"]], [["a"]], 1, ValueError, r"ranked\[0\] holds item 'a' twice"),
            (
                [[0, 1], [2, 1]],
                RELEVANT,
                3,
                ValueError,
                "k must be an integer from 1 to 2, .* got 3. Search with a larger",
            ),
            ([[0], [1]], RELEVANT, 0, ValueError, "k must be an integer from 1 to 1"),
            ([[0], [1]], RELEVANT, 1.0, ValueError, "k must be an integer"),
            ([[0], [1]], RELEVANT, True, ValueError, "k must be an integer"),
            ([[0], [1]], RELEVANT.toarray(), 1, TypeError, "relevant must be .* got an ndarray"),
            ([[0], [1]], "ab", 1, TypeError, "relevant must be .* got a str"),
            ([[0], [1]], {0: [1]}, 1, TypeError, "relevant must be .* got a dict"),
            ([[0], [1]], [[0], 1], 1, TypeError, r"relevant\[1\] must be a collection of ids .* got an int"),
            ([["a"]], ["a"], 1, TypeError, r"relevant\[0\] must be a collection of ids .* got a str"),
            ([[0]], [[[0]]], 1, TypeError, r"relevant\[0\] must hold ids, which are hashable"),
            (np.ma.masked_array([[0]], mask=[[True]]), [[0]], 1, ValueError, "ranked has masked entries"),
            ([[0]], sparse.csr_array([[np.nan]]), 1, ValueError, "relevant holds NaN"),
            ([[0]], sparse.csr_array([[1j]]), 1, ValueError, "relevant must hold numbers, got dtype complex128"),
        ],
    )
    def test_errors_name_the_argument(self, ranked, relevant, k, error, match):
        with pytest.raises(error, match=match):
            metrics.recall_at_k(ranked, relevant, k)

    def test_a_damaged_matrix_is_refused_before_it_is_read(self):
        relevant = self.RELEVANT.copy()
        relevant.indices[0] = 1000
        with pytest.raises(ValueError, match="relevant is not a valid CSR matrix"):
            metrics.recall_at_k([[0], [1]], relevant, 1)

    def test_an_unknown_metric_names_those_that_there_are(self):
        with pytest.raises(ValueError, match=r"metric must be one of \['recall', .* got 'hitrate'"):
            metrics.values_by_user("hitrate", [[0]], [[0]], 1)

    @pytest.mark.parametrize(
        ("scores", "exclude", "error", "match"),
        [
            ([[1.0, 2.0, 3.0]], None, ValueError, r"scores must be numbers of shape .* = \(2, 3\)"),
            ([["a"] * 3] * 2, None, ValueError, "scores must be numbers"),
            (
                [[1.0, 2.0, 3.0], [np.nan, 1.0, 2.0]],
                None,
                ValueError,
                r"scores\[1, 0\] is nan. Leave items out with ex",
            ),
            ([[1.0, 2.0, 3.0], [-np.inf, 1.0, 2.0]], None, ValueError, r"scores\[1, 0\] is -inf"),
            (np.ones((2, 3)), sparse.csr_array((3, 2)), ValueError, r"exclude must have shape .* = \(2, 3\)"),
            (np.ones((2, 3)), [[0], [1]], TypeError, "exclude must be a SciPy sparse matrix"),
        ],
    )
    def test_errors_of_auc(self, scores, exclude, error, match):
        with pytest.raises(error, match=match):
            metrics.auc(scores, self.RELEVANT, exclude)

    @pytest.mark.parametrize(
        ("n_items", "k", "match"),
        [
            (0, 1, "n_items must be an integer of at least 1, got 0"),
            (2.5, 1, "n_items must be an integer"),
            (1, 2, "ranked holds 2 different items, but n_items is 1"),
            (3, 3, "k must be an integer from 1 to 2"),
        ],
    )
    def test_errors_of_coverage(self, n_items, k, match):
        with pytest.raises(ValueError, match=match):
            metrics.coverage([[0, 1]], n_items, k)


def test_ids_that_cannot_be_told_apart_are_an_error_of_coverage():
    with pytest.raises(TypeError, match="ranked must hold positions or ids, which are hashable"):
        metrics.coverage(np.array([[{}]], dtype=object), 3)


def test_auc_leaves_the_scores_of_its_caller_alone():
    scores = np.array([[3.0, 2.0, 1.0]])
    exclude = sparse.csr_array([[1, 0, 0]])
    assert metrics.auc(scores, sparse.csr_array([[0, 1, 0]]), exclude) == 1
    assert scores.tolist() == [[3.0, 2.0, 1.0]]
