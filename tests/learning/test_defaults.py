"""The defaults learn without tuning: small dense tables, features of any size, ratings, clicks, rankings.

Every bar leaves a margin over what was measured, so that only a real loss of quality falls below it.
"""

import lzma

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_regression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

from fastfm_ext import FMClassifier, FMEncoder, FMRanker, FMRegressor
from registries import ALL_SOLVERS, RANKING_LOSSES, SOLVERS


def r2(X, y, **params):
    model = FMRegressor(random_state=0, **params)
    return cross_val_score(model, X, y, cv=KFold(3, shuffle=True, random_state=0)).mean()


def accuracy(X, y, **params):
    model = FMClassifier(random_state=0, **params)
    return cross_val_score(model, X, y, cv=StratifiedKFold(3, shuffle=True, random_state=0)).mean()


# --- small dense tables --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize(("scaled", "bar"), [(True, 0.45), (False, 0.40)], ids=["scaled", "raw"])
def test_diabetes(solver, scaled, bar):
    X, y = load_diabetes(return_X_y=True, scaled=scaled)
    assert r2(X, y, solver=solver) > (0.30 if (solver, scaled) == ("sgd", False) else bar)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_linear_regression_with_noise(solver):
    X, y = make_regression(n_samples=300, n_features=10, noise=10, random_state=0)
    assert r2(X, y, solver=solver) > 0.9


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_products_of_features_are_found(solver):
    X = np.random.default_rng(0).normal(size=(600, 6))
    y = X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3]
    assert r2(X, y, solver=solver) > 0.8
    assert r2(X, y, solver=solver, n_factors=0) < 0.1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("load", "bar"), [(load_iris, 0.92), (load_wine, 0.92), (load_breast_cancer, 0.94)])
def test_raw_tables_with_columns_of_many_units(load, solver, bar):
    X, y = load(return_X_y=True)
    assert accuracy(X, y, solver=solver) > (0.85 if (load, solver) == (load_wine, "sgd") else bar)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("offset", [0.0, 3e6])
def test_features_in_the_millions_stay_finite_and_learn(solver, offset):
    rng = np.random.default_rng(0)
    X = offset + 1e6 * rng.normal(size=(300, 5))
    y = (X[:, 0] - offset) / 1e6 + 2.0
    model = FMRegressor(solver=solver, random_state=0).fit(X, y)
    assert np.isfinite(model.predict(X)).all()
    assert model.score(X, y) > (0.9 if offset == 0 else 0.5)
    classifier = FMClassifier(solver=solver, random_state=0).fit(X, y > 2)
    assert np.isfinite(classifier.predict_proba(X)).all()
    assert classifier.score(X, y > 2) > (0.9 if offset == 0 else 0.7)


# --- real data -----------------------------------------------------------------------------------------------------


def one_hot(*columns):
    """Codes from 0, one column each, as one block of ones a column."""
    return sp.hstack(
        [sp.csr_array(np.eye(codes.max() + 1, dtype=np.float32)[codes]) for codes in columns], format="csr"
    )


@pytest.fixture(scope="module")
def movielens(data_dir):
    """First official fold of MovieLens 100K: training and test rows, with the side features of users and films."""
    folder = data_dir / "ml-100k"
    users = pd.read_csv(folder / "u.user.xz", sep="|", names=["id", "age", "gender", "occupation", "zip"])
    films = pd.read_csv(folder / "u.item.xz", sep="|", header=None, encoding="latin-1")
    user_rows = one_hot(
        np.arange(len(users)),
        users["age"].to_numpy() // 10,
        *(pd.factorize(users[name])[0] for name in ("gender", "occupation")),
    )
    genres = films.iloc[:, 5:].to_numpy(dtype=np.float32)
    film_rows = sp.hstack([sp.identity(len(films), dtype=np.float32), sp.csr_array(genres)], format="csr")

    def fold(name):
        ratings = pd.read_csv(folder / name, sep="\t", names=["user", "film", "rating", "time"])
        X = sp.hstack([user_rows[ratings["user"] - 1], film_rows[ratings["film"] - 1]], format="csr")
        return X, ratings["rating"].to_numpy(dtype=float)

    return fold("u1.base.xz"), fold("u1.test.xz")


def test_movielens_with_side_features(movielens):
    (X, y), (X_test, y_test) = movielens
    model = FMRegressor(random_state=0).fit(X, y)
    assert 0 < model.best_epoch_ < model.max_iter, "early stopping chose the epoch, on training rows"
    error = np.clip(model.predict(X_test), 1, 5) - y_test
    assert np.sqrt(np.mean(error**2)) < 0.925


@pytest.fixture(scope="module")
def frappe(data_dir):
    """App usage: training and validation rows of ten ones each, and whether the app was used."""

    def read(name):
        with lzma.open(data_dir / "frappe-nfm" / name, "rt") as file:
            text = file.read().replace(":1", "").split()
        table = np.array(text, dtype=np.int64).reshape(-1, 11)
        indptr = np.arange(len(table) + 1) * 10
        rows = (np.ones(10 * len(table), dtype=np.float32), table[:, 1:].ravel(), indptr)
        return sp.csr_array(rows, shape=(len(table), 5500)), table[:, 0]

    return read("frappe.train.rebuilt.libfm.xz"), read("frappe.validation.libfm.xz")


def test_frappe_clicks(frappe):
    (X, y), (X_val, y_val) = frappe
    model = FMClassifier(random_state=0, max_iter=30).fit(X, y, X_val=X_val, y_val=y_val)
    p = model.predict_proba(X_val)[:, 1]
    assert log_loss(y_val, p) < 0.20
    assert roc_auc_score(y_val, p) > 0.965


def test_frappe_clicks_are_learned_as_well_with_factors_in_float16(frappe):
    (X, y), (X_val, y_val) = frappe
    losses = []
    for dtype in ("float32", "float16"):
        model = FMClassifier(random_state=0, dtype=dtype, max_iter=20, refit=False).fit(X, y, X_val=X_val, y_val=y_val)
        losses.append(log_loss(y_val, model.predict_proba(X_val)[:, 1]))
    assert losses[1] == pytest.approx(losses[0], rel=0.005)


@pytest.fixture(scope="module")
def few_clicks(data_dir):
    """26 columns of categories, most of them rare, of 10,000 advertisements: training and validation rows."""
    with lzma.open(data_dir / "ctr" / "criteo-10k" / "train_examples.txt.xz", "rt") as file:
        table = pd.read_csv(file, sep="\t", header=None, usecols=[0, *range(14, 40)]).rename(columns=str)
    y, n = table.pop("0").to_numpy(), 7_000
    encoder = FMEncoder(user=list(table.columns), item=[]).fit(table[:n])
    return encoder.transform(table[:n]), y[:n], encoder.transform(table[n:]), y[n:]


@pytest.mark.parametrize("solver", SOLVERS)
def test_clicks_on_rare_values_are_better_told_than_by_their_rate(few_clicks, solver):
    X, y, X_val, y_val = few_clicks
    constant = log_loss(y_val, np.full(len(y_val), y.mean()))
    model = FMClassifier(solver=solver, random_state=0).fit(X, y, X_val=X_val, y_val=y_val)
    assert log_loss(y_val, model.predict_proba(X_val)[:, 1]) < constant - 0.02


@pytest.fixture(scope="module")
def check_ins(data_dir):
    """Where 3,000 users of Gowalla were, of the places that at least three of them saw."""
    with lzma.open(data_dir / "gowalla" / "train.txt.xz", "rt") as file:
        rows = [np.array(next(file).split(), dtype=np.int64)[1:] for _ in range(3_000)]
    users, places = np.repeat(np.arange(len(rows)), [len(row) for row in rows]), np.concatenate(rows)
    visited = sp.csr_array((np.ones(len(users), dtype=np.float32), (users, places)))
    visited = visited[:, np.flatnonzero(visited.sum(axis=0) >= 3)]
    ids = sp.eye_array(sum(visited.shape), format="csr", dtype=np.float32)
    return ids[: len(rows)], ids[len(rows) :], visited


@pytest.mark.parametrize("loss", [*RANKING_LOSSES, "squared"])
def test_every_loss_ranks_places_that_few_users_saw(check_ins, loss):
    model = FMRanker(16, loss=loss, max_iter=30, random_state=0).fit(*check_ins)
    assert max(model.history_["val_score"]) > 0.055
