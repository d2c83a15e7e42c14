import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastfm_ext import FMClassifier, FMRegressor, ItemIndex, recommend

N_USERS, N_ITEMS = 23, 15


@pytest.fixture(scope="module")
def world():
    """A model of users and items, the index over the items, and the users' features."""
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.arange(N_USERS * N_ITEMS), N_ITEMS)
    both = np.stack([users, N_USERS + items], axis=1)
    X = sparse.csr_array((np.ones(both.size), both.ravel(), np.arange(0, both.size + 1, 2)))
    model = FMRegressor(n_factors=4, max_iter=5, random_state=0).fit(X, rng.normal(size=len(both)))
    features = sparse.eye_array(N_USERS + N_ITEMS, format="csr")
    return model, ItemIndex().fit(model.item_vector(features[N_USERS:])), features[:N_USERS], model.predict(X)


def beyond_its_shape():
    """A damaged matrix, whose conversion would write beyond its rows."""
    matrix = sparse.coo_array((N_USERS, N_ITEMS))
    matrix.coords, matrix.data = (np.array([0, 10**6]), np.array([0, 1])), np.ones(2)
    return matrix


@pytest.mark.parametrize("batch_size", [1, 7, 23, 100])
def test_batches_hold_every_user_once_with_what_the_model_predicts(world, batch_size):
    model, index, X_user, predicted = world
    batches = list(recommend(model, index, X_user, n=N_ITEMS, batch_size=batch_size))
    assert [user for batch in batches for user in batch.users] == list(range(N_USERS))
    assert max(len(batch.ids) for batch in batches) <= batch_size
    ids, scores = np.concatenate([b.ids for b in batches]), np.concatenate([b.scores for b in batches])
    by_rank = np.take_along_axis(predicted.reshape(N_USERS, N_ITEMS), ids, axis=1)
    np.testing.assert_allclose(scores, by_rank, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["matrix", "collections"])
def test_sets_of_items_go_to_their_users(world, form):
    model, index, X_user, _ = world
    rng = np.random.default_rng(1)
    seen, chosen = rng.random((2, N_USERS, N_ITEMS)) < 0.5
    sets = {"exclude": seen, "only_by_user": chosen}
    if form == "matrix":
        sets = {name: sparse.coo_array(matrix) for name, matrix in sets.items()}
    else:
        sets = {name: [np.flatnonzero(row) for row in matrix] for name, matrix in sets.items()}
    at_once, _ = index.search(model.user_vector(X_user), 4, only=range(9), **sets)
    batches = recommend(model, index, X_user.toarray(), 4, only=range(9), batch_size=5, **sets)
    np.testing.assert_array_equal(np.concatenate([batch.ids for batch in batches]), at_once)


def test_a_batch_is_searched_only_when_it_is_asked_for(world, capsys):
    model, index, X_user, _ = world
    batches = recommend(model, index, X_user, batch_size=10, verbose=True)
    assert capsys.readouterr().out == ""
    next(batches)
    assert capsys.readouterr().out == "users 10/23\n"
    list(batches)
    assert capsys.readouterr().out == "users 20/23\nusers 23/23\n"


def test_scores_of_a_classifier_are_before_the_link(world):
    _, _, X_user, _ = world
    X = sparse.hstack([X_user[:, :N_USERS], sparse.csr_array(np.eye(N_USERS, N_ITEMS))]).tocsr()
    model = FMClassifier(n_factors=3, max_iter=3, random_state=0).fit(X, np.arange(N_USERS) % 2)
    items = sparse.eye_array(N_USERS + N_ITEMS, format="csr")[N_USERS:]
    batch = next(recommend(model, ItemIndex().fit(model.item_vector(items)), X_user, n=1))
    pairs = X_user + items[batch.ids[:, 0]]
    np.testing.assert_allclose(batch.scores[:, 0], model.decision_function(pairs), rtol=1e-4, atol=1e-6)


def test_a_change_of_the_index_does_not_reach_later_batches(world):
    model, _, X_user, _ = world
    index = ItemIndex().fit(model.item_vector(sparse.eye_array(N_USERS + N_ITEMS, format="csr")[N_USERS:]))
    expected = [batch.ids.tolist() for batch in recommend(model, index, X_user, n=3, batch_size=10)]
    batches = recommend(model, index, X_user, n=3, batch_size=10)
    found = [next(batches).ids.tolist()]
    index.remove(range(5))
    assert [*found, *(batch.ids.tolist() for batch in batches)] == expected


def test_a_wrong_set_is_named_by_the_row_of_its_user(world):
    model, index, X_user, _ = world
    exclude = [[0]] * N_USERS
    exclude[17] = "ab"
    with pytest.raises(TypeError, match=r"exclude\[17\] must be a collection of ids such as a list or set, got a str"):
        list(recommend(model, index, X_user, exclude=exclude, batch_size=5))


def test_an_object_that_wraps_a_model_needs_two_methods(world):
    class Wrapped:
        user_vector, user_bias = world[0].user_vector, world[0].user_bias

    model, index, X_user, _ = world
    for one, other in zip(recommend(Wrapped(), index, X_user), recommend(model, index, X_user), strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_only_may_be_a_generator(world):
    model, index, X_user, _ = world
    batches = recommend(model, index, X_user, n=2, only=(i for i in [4, 5]), batch_size=10)
    assert all(sorted(row) == [4, 5] for batch in batches for row in batch.ids.tolist())


def test_what_remains_empty_has_a_score_of_minus_infinity(world):
    model, index, X_user, _ = world
    batch = next(recommend(model, index, X_user, n=3, only=[4, 5]))
    assert (batch.ids[:, 2] == -1).all()
    assert np.isneginf(batch.scores[:, 2]).all()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"X_user": [[1.0]]}, TypeError, r"X_user must be a NumPy array or a SciPy sparse matrix, got a list"),
        ({"X_user": np.ones(3)}, ValueError, r"X_user must have shape \(n_users, n_features\), got \(3,\)"),
        ({"model": 3}, TypeError, r"model must have a method user_vector, got an int"),
        ({"index": ItemIndex()}, NotFittedError, r"This ItemIndex has no items yet: call fit first"),
        ({"index": FMRegressor()}, TypeError, r"index must be an ItemIndex, got a FMRegressor"),
        ({"n": 0}, ValueError, r"n must be an integer of at least 1"),
        ({"batch_size": 2.5}, ValueError, r"batch_size must be an integer of at least 1"),
        ({"exclude": [[1]]}, ValueError, r"exclude has 1 entries for 23 users"),
        ({"exclude": {"a": 1}}, TypeError, r"exclude must be a list of collections .* got a dict"),
        ({"exclude": beyond_its_shape()}, ValueError, r"exclude is not a valid COO matrix"),
        ({"only_by_user": beyond_its_shape()}, ValueError, r"only_by_user is not a valid COO matrix"),
        ({"X_user": beyond_its_shape()}, ValueError, r"X_user is not a valid COO matrix"),
        ({"only_by_user": sparse.eye_array(3)}, ValueError, r"only_by_user must have one row a user, so 23"),
    ],
)
def test_errors_come_at_once_and_name_the_argument(world, change, error, match):
    model, index, X_user, _ = world
    with pytest.raises(error, match=match):
        recommend(**({"model": model, "index": index, "X_user": X_user} | change))
