"""Centered form: ids around a mean that other features add up to, of known ids and unknown ones."""

import copy
import io

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMOrdinalClassifier,
    BayesianFMRegressor,
    BlockMatrix,
    FMEncoder,
    ItemIndex,
    implicit,
    load_model,
    multi,
    numeric,
    save_model,
    top_interactions,
)
from fastfm_ext.explain import contributions

N_USERS, N_NEW, N_FILMS, N_WORDS = 60, 20, 40, 6
USERS, FILMS = slice(0, N_USERS + 2), slice(N_USERS + 2, N_USERS + 2 + N_FILMS + N_WORDS)
SETTINGS = {"n_factors": 2, "max_sweeps": 60, "tol": 0.0, "random_state": 0, "form": "centered"}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def made_up(n=1500, seed=0):
    """Return ratings in blocks: X and y of known users, and X and truth of users whose ids nobody knows."""
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=(N_USERS + N_NEW, 2))
    words = rng.integers(0, 2, size=(N_FILMS, N_WORDS)).astype(float)
    taste = numbers @ rng.normal(size=(2, 2)) + 0.3 * rng.normal(size=(N_USERS + N_NEW, 2))
    style = 0.7 * words @ rng.normal(size=(N_WORDS, 2)) + 0.3 * rng.normal(size=(N_FILMS, 2))
    ids = sp.vstack([sp.eye_array(N_USERS), sp.csr_array((N_NEW, N_USERS))])
    users = sp.csr_array(sp.hstack([ids, numbers]))
    films = sp.csr_array(sp.hstack([sp.eye_array(N_FILMS), words]))

    def rows(of_users, rng):
        of_films = rng.integers(0, N_FILMS, len(of_users))
        X = BlockMatrix([(of_users, users), (of_films, films)])
        return X, 3 + (taste[of_users] * style[of_films]).sum(axis=1) + 0.4 * numbers[of_users, 0]

    rng = np.random.default_rng(seed)
    X, truth = rows(rng.integers(0, N_USERS, n), rng)
    return X, truth + 0.4 * rng.normal(size=n), *rows(rng.integers(N_USERS, N_USERS + N_NEW, 400), rng)


@pytest.fixture(scope="module")
def ratings():
    return made_up()


@pytest.fixture(scope="module")
def fitted(ratings):
    return BayesianFMRegressor(**SETTINGS | {"max_sweeps": 150}).fit(*ratings[:2])


def rmse(predicted, y):
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


# --- predictions -----------------------------------------------------------------------------------------------------


def test_unknown_users_are_predicted_from_their_features_and_are_less_certain(ratings, fitted):
    X, _, X_new, truth_new = ratings
    assert rmse(fitted.predict(X_new), truth_new) < 0.6 * np.std(truth_new)
    known, new = fitted.predict_std(X[:400], of="mean"), fitted.predict_std(X_new, of="mean")
    assert new.mean() > 1.5 * known.mean()
    error = np.abs(fitted.predict(X_new) - truth_new)
    assert np.mean(error < 2 * new) > 0.85


def test_it_learns_what_the_features_leave_out(ratings, fitted):
    X, y, _, _ = ratings
    X_test, y_test, _, _ = made_up(seed=1)
    assert rmse(fitted.predict(X_test), y_test) < 0.5
    without_ids = BayesianFMRegressor(2, max_sweeps=150, tol=0, random_state=0)
    columns = np.r_[N_USERS : N_USERS + 2, FILMS.start + N_FILMS : FILMS.stop]
    without_ids.fit(X.tocsr()[:, columns], y)
    assert rmse(fitted.predict(X_test), y_test) < rmse(without_ids.predict(X_test.tocsr()[:, columns]), y_test) - 0.03


@pytest.mark.parametrize("keep", ["samples", "distilled", "mean"])
def test_the_arrangement_of_the_rows_does_not_matter(ratings, keep):
    X, y, X_new, _ = ratings
    model = BayesianFMRegressor(keep=keep, **SETTINGS).fit(X, y)
    for rows in (X[:200], X_new):
        flat = rows.tocsr()
        one_each = BlockMatrix([flat[:, [column]] for column in range(3)] + [flat[:, 3:]])
        for other in (flat, flat.toarray(), one_each):
            np.testing.assert_allclose(model.predict(other), model.predict(rows), atol=2e-5)


def test_features_of_a_known_user_count_as_they_are_by_now(ratings):
    X, y, _, _ = ratings
    model = BayesianFMRegressor(keep="mean", **SETTINGS).fit(X, y)
    before = X.tocsr()[:50]
    after = before.tolil()
    after[:, N_USERS] = before[:, [N_USERS]].toarray() + 0.5
    films = before[:, FILMS] @ model.V_[FILMS]
    newcomers = 0.5 * (model.w_[N_USERS] + films @ model.V_[N_USERS])
    np.testing.assert_allclose(model.predict(after.tocsr()) - model.predict(before), newcomers, atol=1e-4)


def test_features_of_a_block_do_not_interact(ratings):
    X, y, _, _ = ratings
    model = BayesianFMRegressor(keep="mean", **SETTINGS).fit(X, y)
    flat = X.tocsr()[:100]
    S = [flat[:, side] @ model.V_[side] for side in (USERS, FILMS)]
    expected = model.w0_ + flat @ model.w_ + (S[0] * S[1]).sum(axis=1)
    np.testing.assert_allclose(model.predict(X[:100]), expected, atol=1e-4)


def test_the_model_is_the_same_for_any_number_of_threads(ratings):
    X, y, X_new, _ = ratings
    models = [BayesianFMRegressor(n_jobs=n_jobs, **SETTINGS).fit(X, y) for n_jobs in (1, 2)]
    np.testing.assert_array_equal(models[0].predict(X_new), models[1].predict(X_new))
    np.testing.assert_array_equal(models[0].V_, models[1].V_)


def test_other_blocks_stay_as_they_are_written():
    rng = np.random.default_rng(0)
    n = 1500
    table = {"user": rng.integers(0, 50, n), "film": rng.integers(0, 30, n), "hour": rng.integers(0, 4, n)}
    table["age"] = rng.normal(size=50)[table["user"]]
    words = np.array(["a", "b", "c", "a|b", "b|c"])
    table["words"] = words[rng.integers(0, 5, n)]
    # Two words of a set interact, which only a factorization machine as it is written knows.
    y = 2.0 * (table["words"] == "a|b") + table["age"] + 0.2 * rng.normal(size=n)
    encoder = FMEncoder(user=["user", numeric("age")], item=["film"], context=["hour", multi("words")])
    X = encoder.fit(table).transform_blocks(table)
    model = BayesianFMRegressor(**SETTINGS | {"max_sweeps": 150}).fit(X, y)
    assert rmse(model.predict(X), y) < 0.3
    # Few rows are put in other blocks than many.
    np.testing.assert_allclose(model.predict(X)[:5], model.predict(encoder.transform_blocks(
        {name: column[:5] for name, column in table.items()})), atol=1e-4)  # fmt: skip


def test_real_ratings_are_predicted_better_with_what_is_known_of_both_sides(data_dir):
    files = [data_dir / "ml-100k" / f"{name}.xz" for name in ("u1.base", "u.user", "u.item")]
    if not all(file.exists() for file in files):
        pytest.skip("needs u1.base.xz, u.user.xz and u.item.xz of MovieLens 100K")
    ratings = pd.read_csv(files[0], sep="\t", header=None, names=["user", "film", "stars", "time"])
    ratings = ratings.sample(20_000, random_state=0)
    users = pd.read_csv(files[1], sep="|", header=None, names=["user", "age", "gender", "job", "zip"])
    films = pd.read_csv(files[2], sep="|", header=None, encoding="latin-1")
    films = pd.DataFrame(
        {"film": films[0], "year": films[2].str[-4:], "genres": films.iloc[:, 5:].apply(tuple, axis=1)}
    )
    films["genres"] = ["|".join(f"{place}" for place in np.flatnonzero(genres)) for genres in films["genres"]]
    table = ratings.merge(users, on="user", how="left").merge(films, on="film", how="left")
    train, test = table[:16_000], table[16_000:]
    errors = []
    for form, user, item in (
        ("fm", ["user"], ["film"]),
        ("centered", ["user", "age", "gender", "job"], ["film", "year", multi("genres"), implicit("film", of="user")]),
    ):
        encoder = FMEncoder(user=user, item=item).fit(train)
        model = BayesianFMRegressor(8, form=form, max_sweeps=60, tol=0, random_state=0, n_samples=30)
        model.fit(encoder.transform_blocks(train), train["stars"])
        errors.append(rmse(model.predict(encoder.transform_blocks(test)), test["stars"]))
    assert errors[1] < errors[0] - 0.01


# --- vectors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", [None, 3])
def test_vectors_score_as_the_model_does_also_of_unknown_users(ratings, fitted, sample):
    X, _, X_new, _ = ratings
    model = fitted._with_draw(sample)
    model._means = model._draws = None
    for rows in (X[:40], X_new[:40]):
        flat = rows.tocsr().toarray()
        users, films = flat.copy(), flat.copy()
        users[:, FILMS], films[:, USERS] = 0, 0
        scores = fitted.user_bias(users, sample=sample) + np.einsum(
            "rf,rf->r", fitted.user_vector(users, sample=sample), fitted.item_vector(films, sample=sample)
        )
        np.testing.assert_allclose(scores, model.predict(rows), atol=1e-4)
        in_blocks = BlockMatrix([users[:, USERS], users[:, FILMS]])
        np.testing.assert_allclose(fitted.user_vector(in_blocks), fitted.user_vector(users), atol=1e-5)
    index = ItemIndex().fit(fitted.item_vector(films))
    assert index.search(fitted.user_vector(users), 3)[0].shape == (40, 3)


def test_a_vector_does_not_depend_on_the_other_rows(ratings, fitted):
    rows = ratings[0][:3].tocsr().toarray()
    films = np.zeros((4, rows.shape[1]))
    films[1:, FILMS] = rows[:, FILMS]
    users = np.zeros_like(films)
    users[1:, USERS] = rows[:, USERS]
    mixed = np.vstack([films, users[1:]])
    alone = np.vstack([fitted.item_vector(row[None]) for row in mixed])
    np.testing.assert_allclose(fitted.item_vector(mixed), alone, atol=1e-6)
    np.testing.assert_array_equal(fitted.item_vector(films)[0], 0)
    np.testing.assert_array_equal(fitted.user_vector(users)[0, 1:], 0)
    np.testing.assert_allclose(fitted.user_bias(users)[1:], fitted.user_bias(users[1:]), atol=1e-6)


def test_one_machine_predicts_as_the_draws_do(ratings, fitted):
    X, y, X_new, _ = ratings
    one = BayesianFMRegressor(**SETTINGS | {"max_sweeps": 150, "keep": "distilled"}).fit(X, y)
    X_test = made_up(seed=1)[0]
    assert rmse(one.predict(X_test), fitted.predict(X_test)) < 0.06
    assert rmse(one.predict(X_new), fitted.predict(X_new)) < 0.15
    np.testing.assert_array_equal(one.V_, fitted.V_)
    assert fitted.V_.shape == (X.shape[1], 2)
    assert fitted.w_.shape == (X.shape[1],)


# --- estimators ------------------------------------------------------------------------------------------------------


def test_classes_are_learned_too(ratings):
    X, y, X_new, truth_new = ratings
    settings = SETTINGS | {"max_sweeps": 40}
    classifier = BayesianFMClassifier(**settings).fit(X, y > 3)
    assert np.corrcoef(classifier.predict_proba(X_new)[:, 1], truth_new)[0, 1] > 0.6
    three = BayesianFMClassifier(**settings).fit(X, np.digitize(y, [2, 4]))
    assert three.V_.shape == (3, X.shape[1], 2)
    assert three.predict_proba(X_new).shape == (400, 3)
    ordinal = BayesianFMOrdinalClassifier(**settings).fit(X, np.digitize(y, [2, 3, 4]))
    assert np.corrcoef(ordinal.predict_mean(X_new), truth_new)[0, 1] > 0.6


def test_priors_of_ids_are_those_of_the_block_rows(ratings, fitted):
    mu, precision = fitted.hyperparameters_["mu_V"], fitted.hyperparameters_["lambda_V"]
    is_ids = np.isfinite(mu).all(axis=1)
    assert is_ids.sum() == 2
    assert np.linalg.eigvalsh(precision[is_ids]).min() > 0
    assert np.isnan(precision[~is_ids]).all()


def test_warm_start_makes_more_sweeps_of_the_same_chain(ratings):
    X, y, X_new, _ = ratings
    settings = SETTINGS | {"burn_in": 10}
    twice = BayesianFMRegressor(warm_start=True, **settings | {"max_sweeps": 30}).fit(X, y).fit(X, y)
    once = BayesianFMRegressor(**settings).fit(X, y)
    np.testing.assert_array_equal(twice.predict(X_new), once.predict(X_new))
    assert twice.n_sweeps_ == 60


@pytest.mark.parametrize("keep", ["samples", "distilled", "mean"])
def test_a_saved_model_predicts_the_same(ratings, keep):
    X, y, X_new, _ = ratings
    model = BayesianFMRegressor(keep=keep, **SETTINGS).fit(X, y)
    file = io.BytesIO()
    save_model(file, model)
    again = load_model(file).model
    assert vars(again).keys() - {"_has_no_units"} == vars(model).keys()
    for rows in (X, X_new, X_new.tocsr()):
        np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    users = X_new.tocsr().tolil()
    users[:, FILMS] = 0
    np.testing.assert_array_equal(again.user_vector(users.tocsr()), model.user_vector(users.tocsr()))
    if keep == "samples":
        np.testing.assert_array_equal(again.predict_std(X_new), model.predict_std(X_new))


def test_damaged_files_are_refused(fitted):
    meta, arrays = fitted._to_state()
    for changed in (
        {"centered_ids_0": arrays["centered_ids_0"] + np.int32(1)},
        {"centered_others_1": arrays["centered_others_1"] + np.int32(1)},
        {"centered_ids_1": arrays["centered_ids_1"][:0]},
        {"centered_ids_2": arrays["centered_ids_1"]},
    ):
        with pytest.raises((ValueError, KeyError), match=r"centered|parameters of shape"):
            BayesianFMRegressor._from_state(meta, arrays | changed)
    without = {name: array for name, array in arrays.items() if not name.startswith("centered_")}
    with pytest.raises(ValueError, match="parameters of shape"):
        BayesianFMRegressor._from_state(meta, without)


# --- what cannot be centered -----------------------------------------------------------------------------------------


def test_rows_that_cannot_be_centered_are_refused(ratings):
    X, y, X_new, truth_new = ratings
    model = BayesianFMRegressor(**SETTINGS)
    with pytest.raises(ValueError, match=r'form="centered" is for a BlockMatrix.*got'):
        model.fit(X.tocsr(), y)
    films = np.arange(len(y)) % 3
    with pytest.raises(ValueError, match=r'X has none; fit with form="fm"'):
        model.fit(BlockMatrix([(films, np.eye(3))]), y)
    numbers = BlockMatrix([(films, np.array([[1, 1, 0.5], [1, 2, 0.5], [1, 3, 1]]))])
    with pytest.raises(ValueError, match=r"the block of features 0 to 2 has no field of them"):
        model.fit(numbers, y)
    # A user whose age has changed is in two block rows.
    changed = np.array([[1, 0, 30.0], [1, 0, 31.0], [0, 1, 50.0]])
    with pytest.raises(ValueError, match=r"feature 0 is in several that differ.*the context"):
        model.fit(BlockMatrix([(films, changed)]), y)
    with pytest.raises(ValueError, match="has no field of them"):
        model.fit(X_new, truth_new)
    with pytest.raises(ValueError, match=r"X has 0 sample\(s\)"):
        model.fit(X[:0], y[:0])
    with pytest.raises(ValueError, match="form of BayesianFMRegressor"):
        BayesianFMRegressor(form="macau").fit(X, y)


def test_rows_with_two_ids_are_refused(ratings, fitted):
    X = ratings[0].tocsr()[:5].toarray()
    X[3, :2] = 1
    with pytest.raises(ValueError, match="rows with two ids among its columns 0 to 59"):
        fitted.predict(X)
    X[3, :2] = 0, 0
    X[3, 2] = 0.5
    with pytest.raises(ValueError, match="other values there than 1"):
        fitted.predict(X)


def test_explanations_of_interactions_are_refused(ratings, fitted):
    other = clone(fitted).set_params(form="fm", max_sweeps=5, tol=1.0).fit(ratings[0], ratings[1])
    other.set_params(form="centered")  # for the next fit
    assert len(contributions(other, ratings[0][:2])) == 2
    fitted = copy.deepcopy(fitted)
    for form in ("centered", "fm"):
        fitted.set_params(form=form)
        for explain in (lambda: top_interactions(fitted, n=3), lambda: contributions(fitted, ratings[0])):
            with pytest.raises(ValueError, match='this one is centered; fit with form="fm"'):
                explain()
