import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fastfm_ext.model_selection import leave_one_out, split_by_user


@st.composite
def matrices(draw):
    n_users, n_items = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    cells = draw(st.lists(st.integers(0, 3), min_size=n_users * n_items, max_size=n_users * n_items))
    return sparse.csr_array(np.array(cells).reshape(n_users, n_items))


def counts(matrix):
    return np.diff(matrix.tocsr().indptr)


def random_matrix(n_users=200, n_items=50, seed=0):
    return sparse.csr_array((np.random.default_rng(seed).random((n_users, n_items)) < 0.3).astype(np.float32))


class TestMatrix:
    @given(matrix=matrices(), seed=st.integers(0, 5))
    def test_leave_one_out_holds_out_one_of_everybody_who_has_two(self, matrix, seed):
        train, held_out = leave_one_out(matrix, random_state=seed)
        assert ((train + held_out) != matrix).nnz == 0
        assert counts(held_out).tolist() == (counts(matrix) > 1).astype(int).tolist()
        assert train.nnz + held_out.nnz == matrix.nnz
        assert train.dtype == held_out.dtype == matrix.dtype

    @given(matrix=matrices(), test_size=st.floats(0.01, 0.99))
    def test_a_share_of_everybody_is_held_out(self, matrix, test_size):
        train, held_out = split_by_user(matrix, test_size, random_state=0)
        assert ((train + held_out) != matrix).nnz == 0
        for n, n_held in zip(counts(matrix), counts(held_out), strict=True):
            assert n_held == (min(n - 1, int(n * test_size + 0.5)) if n else 0)

    @pytest.mark.parametrize("split", [leave_one_out, split_by_user])
    def test_a_seed_gives_the_same_split_and_another_seed_another(self, split):
        matrix = random_matrix()
        first, again, other = (split(matrix, random_state=seed)[1] for seed in (0, 0, 1))
        assert (first != again).nnz == 0
        assert (first != other).nnz > 0

    def test_a_random_interaction_is_any_of_the_user_with_the_same_chance(self):
        held_out = leave_one_out(sparse.csr_array(np.ones((4000, 4))), random_state=0)[1]
        # 1,000 expected, standard deviation 27
        np.testing.assert_allclose(held_out.sum(axis=0), 1000, atol=5 * 27)

    def test_the_last_by_time_is_held_out_and_among_equals_the_one_to_the_right(self):
        time = sparse.csr_array([[5, 9, 7], [3, 3, 1], [0, 8, 0]])
        assert leave_one_out(time, time=time)[1].toarray().tolist() == [[0, 9, 0], [0, 3, 0], [0, 0, 0]]
        assert split_by_user(time, 0.6, time=time)[1].toarray().tolist() == [[0, 9, 7], [3, 3, 0], [0, 0, 0]]

    def test_a_time_of_zero_is_a_time(self):
        entries = np.array([0, 1]), np.array([0, 2])
        interactions = sparse.csr_array((np.array([1.0, 1.0]), *entries), shape=(1, 2))
        time = sparse.csr_array((np.array([0, -1]), *entries), shape=(1, 2))
        assert leave_one_out(interactions, time=time)[1].toarray().tolist() == [[1.0, 0.0]]

    def test_duplicates_and_zeros_are_one_interaction_and_none(self):
        matrix = sparse.coo_array(([1, 1, 0, 5], ([0, 0, 0, 0], [0, 0, 1, 2])), shape=(1, 3))
        train, held_out = leave_one_out(matrix, random_state=0)
        assert sorted([train.nnz, held_out.nnz]) == [1, 1]
        assert (train + held_out).toarray().tolist() == [[2, 0, 5]]


@pytest.fixture(params=["pandas", "polars"])
def table(request):
    """Build a data frame of either library."""
    module = pytest.importorskip(request.param, reason=f"needs {request.param}")
    return module.DataFrame


EVENTS = {
    "user": ["bo", "al", "bo", "al", "cy", "bo"],
    "film": ["x", "x", "y", "z", "x", "x"],
    "when": [3.0, 2.0, 9.0, 1.0, 5.0, 9.0],
}


def rows(frame):
    return list(zip(*(frame[name].to_list() for name in EVENTS), strict=True))


class TestTable:
    def test_the_last_row_of_each_user_is_held_out(self, table):
        train, held_out = leave_one_out(table(EVENTS), user="user", time="when")
        assert rows(held_out) == [("al", "x", 2.0), ("bo", "x", 9.0)]  # of equal times the row further down
        assert rows(train) == [("bo", "x", 3.0), ("bo", "y", 9.0), ("al", "z", 1.0), ("cy", "x", 5.0)]
        assert type(train) is type(held_out) is table

    def test_dates_are_times(self, table):
        days = [datetime.datetime(2020, 1, 1) + datetime.timedelta(days=when) for when in EVENTS["when"]]
        held_out = leave_one_out(table(EVENTS | {"when": days}), user="user", time="when")[1]
        assert held_out["film"].to_list() == ["x", "x"]
        assert held_out["when"].to_list() == [datetime.datetime(2020, 1, 3), datetime.datetime(2020, 1, 10)]

    def test_random_rows_follow_the_seed(self, table):
        frame = table({"user": np.repeat(np.arange(50), 8), "row": np.arange(400)})
        first, again, other = (split_by_user(frame, 0.25, user="user", random_state=seed)[1] for seed in (0, 0, 1))
        assert first["row"].to_list() == again["row"].to_list() != other["row"].to_list()
        assert first["user"].to_list() == np.repeat(np.arange(50), 2).tolist()

    def test_a_table_is_split_as_its_matrix_is(self, table):
        matrix = random_matrix()
        users, items = matrix.nonzero()
        held_out = split_by_user(table({"user": users, "item": items}), user="user", random_state=3)[1]
        expected = split_by_user(matrix, random_state=3)[1].nonzero()
        assert [held_out["user"].to_list(), held_out["item"].to_list()] == [part.tolist() for part in expected]

    @pytest.mark.parametrize("column", ["user", "when"])
    def test_gaps_are_named(self, table, column):
        events = EVENTS | {column: [*EVENTS[column][:4], None, EVENTS[column][5]]}
        with pytest.raises(ValueError, match=f"column '{column}' has no value in row 4"):
            leave_one_out(table(events), user="user", time="when")

    @pytest.mark.parametrize(
        ("arguments", "match"),
        [
            ({}, r"user must name the column .* it has \['user', 'film', 'when'\]"),
            ({"user": "usr"}, "user='usr' is not a column of the table"),
            ({"user": "user", "time": "date"}, "time='date' is not a column of the table"),
        ],
    )
    def test_columns_that_are_not_there_are_named(self, table, arguments, match):
        with pytest.raises(ValueError, match=match):
            leave_one_out(table(EVENTS), **arguments)


MATRIX = sparse.csr_array([[1, 1], [1, 0]])


@pytest.mark.parametrize(
    ("interactions", "arguments", "error", "match"),
    [
        (np.ones((2, 2)), {}, TypeError, "interactions must be a SciPy sparse matrix .* got an ndarray"),
        ({"user": [1]}, {"user": "user"}, TypeError, "interactions must be .* got a dict"),
        (MATRIX, {"user": "user"}, ValueError, "user='user' names a column, but interactions is a matrix"),
        (MATRIX, {"time": "when"}, TypeError, "time must be a sparse matrix .* got a str"),
        (MATRIX, {"time": MATRIX[:, :1]}, ValueError, r"one time for each of the 3 interactions of shape \(2, 2\)"),
        (MATRIX, {"time": sparse.csr_array([[1, 1], [0, 1]])}, ValueError, "time must have the shape and the entries"),
        (MATRIX, {"time": sparse.csr_array([[1, np.nan], [1, 0]])}, ValueError, "time holds NaN"),
        (MATRIX.astype(complex), {}, ValueError, "interactions must hold numbers"),
    ],
)
def test_errors_name_the_argument(interactions, arguments, error, match):
    with pytest.raises(error, match=match):
        leave_one_out(interactions, **arguments)


def test_a_lazy_frame_is_to_be_collected_first():
    pl = pytest.importorskip("polars", reason="needs polars")
    with pytest.raises(TypeError, match=r"got a LazyFrame. Call its collect\(\) first"):
        leave_one_out(pl.LazyFrame({"user": [1]}), user="user")


def test_times_without_an_order_are_named():
    pd = pytest.importorskip("pandas", reason="needs pandas")
    events = pd.DataFrame({"user": [1, 1], "when": [(1, 2), 3]})
    with pytest.raises(TypeError, match="column 'when' holds values that have no order"):
        leave_one_out(events, user="user", time="when")


@pytest.mark.parametrize(
    "times",
    [["9", "10", "11"], ["2/28/2024", "10/1/2023", "9/30/2023"], ["2024-03-31T02:30:00+02:00", "2024-03-31T01:00Z", 3]],
    ids=["numbers", "dates", "zones-and-a-number"],
)
def test_times_as_text_are_refused_and_not_sorted_by_letter(times):
    pd = pytest.importorskip("pandas", reason="needs pandas")
    with pytest.raises(TypeError, match=r"column 'when' holds text.*pandas\.to_datetime"):
        leave_one_out(pd.DataFrame({"user": [1, 1, 1], "when": times}), user="user", time="when")


@pytest.mark.parametrize("test_size", [0, 1, -0.5, float("nan"), "half", True])
def test_a_share_out_of_range_is_named(test_size):
    with pytest.raises(ValueError, match="test_size must be a number above 0 and below 1"):
        split_by_user(MATRIX, test_size)
