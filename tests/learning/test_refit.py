"""Refit on all rows after early stopping, and the number of epochs by cross-validation."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import is_regressor
from sklearn.exceptions import ConvergenceWarning

import training_cases
from fastfm_ext import DivergenceError, FMClassifier, FMRegressor, _engine
from fastfm_ext._learning import folds, refit
from fastfm_ext._learning.held_out import fold_rows
from fastfm_ext._learning.samples import Samples
from fastfm_ext._validation.matrices import canonical_csr
from registries import SOLVERS
from training_cases import ESTIMATORS, Interruption, assert_same_model, make, target_of

rows = training_cases.rows  # pytest finds fixtures among the names of the test's module


def noisy(n=400):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20)).astype(np.float32)
    return X, X[:, 0] + 2 * rng.normal(size=n)


def without_seconds(model):
    return {name: values for name, values in model.history_.items() if name != "seconds"}


def of_all_rows(estimator, n_epochs, X, y, **params):
    """A model of so many epochs, whatever its training loss does."""
    settings = params | {"early_stopping": False, "max_iter": n_epochs, "n_iter_no_change": n_epochs}
    return make(estimator, **settings).fit(X, y)


# --- refit ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [True, "auto"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_model_is_the_one_of_all_rows_and_the_best_number_of_epochs(estimator, solver, shuffle, early_stopping):
    X, y = noisy()
    y, params = target_of(estimator, y), {"solver": solver, "shuffle": shuffle}
    model = make(estimator, max_iter=30, early_stopping=early_stopping, n_iter_no_change=2, **params).fit(X, y)
    assert_same_model(model, of_all_rows(estimator, model.best_epoch_, X, y, **params))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_without_refit_the_held_out_rows_are_never_trained_on(estimator):
    X, y = noisy()
    y, params = target_of(estimator, y), {"early_stopping": True, "max_iter": 30}
    first, second = (make(estimator, refit=refit, **params).fit(X, y) for refit in (False, True))
    assert not np.array_equal(first.V_, second.V_)
    # Both found the epoch in the same way, and tell of it.
    assert without_seconds(first) == without_seconds(second)
    assert (first.n_iter_, first.best_epoch_) == (second.n_iter_, second.best_epoch_)
    assert second.n_iter_ == len(second.history_["val_loss"])


def test_features_of_held_out_rows_alone_are_learned_by_the_refit():
    X, y = np.eye(60), np.repeat([0.0, 10.0], 30)
    first, second = (
        FMRegressor(0, early_stopping=True, refit=refit, validation_fraction=0.5, random_state=0).fit(X, y)
        for refit in (False, True)
    )
    assert np.count_nonzero(first.w_) == 30
    assert np.count_nonzero(second.w_) == 60


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_given_validation_rows_are_never_trained_on(rows, estimator):
    X, y = rows[0], target_of(estimator, rows[1])
    fit = {"X": X[:150], "y": y[:150], "X_val": X[150:], "y_val": y[150:]}
    first, second = (make(estimator, refit=refit, max_iter=20).fit(**fit) for refit in (False, True))
    assert_same_model(first, second)
    n_epochs = first.best_epoch_
    assert_same_model(first, of_all_rows(estimator, n_epochs, fit["X"], fit["y"]))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_warm_refit_begins_with_the_parameters_that_the_first_pass_began_with(estimator):
    X, y = noisy()
    y = target_of(estimator, y)
    model, twin = (make(estimator, max_iter=2, early_stopping=False, warm_start=True).fit(X, y) for _ in range(2))
    model.set_params(early_stopping=True, max_iter=4, l2_V=0.0).fit(X, y)
    assert_same_model(model, twin.set_params(max_iter=model.best_epoch_, n_iter_no_change=4, l2_V=0.0).fit(X, y))


def test_a_refit_draws_no_seed_of_its_own():
    X, y = noisy()
    state, twin = np.random.RandomState(0), np.random.RandomState(0)
    make(FMRegressor, random_state=state, early_stopping=True).fit(X, y)
    make(FMRegressor, random_state=twin, early_stopping=False).fit(X, y)
    assert state.randint(2**31) == twin.randint(2**31)


class LateExplosion(Interruption):
    """Lets the engine train for some calls, and from then on first makes the factors huge."""

    def __call__(self, X, y, sample_weight, order, params, *rest):
        self.n_calls -= 1
        if self.n_calls < 0:
            params.tables["V"][:, 0] = 1e25
        return self.train_epoch(X, y, sample_weight, order, params, *rest)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_refit_that_diverges_leaves_the_best_epoch_of_the_first_pass(monkeypatch, estimator):
    X, y = noisy()
    y, params = target_of(estimator, y), {"early_stopping": True, "max_iter": 4}
    first = make(estimator, refit=False, **params).fit(X, y)
    model = make(estimator, **params)
    monkeypatch.setattr(_engine, "train_epoch", LateExplosion(4))
    with pytest.raises(DivergenceError, match=r"in the refit on all rows, .* has the parameters of epoch") as caught:
        model.fit(X, y)
    assert caught.value.kept_epoch == model.best_epoch_ == first.best_epoch_
    assert_same_model(model, first)


def test_after_a_divergence_of_the_first_pass_there_is_no_refit(monkeypatch):
    X, y = noisy()
    first = make(FMRegressor, early_stopping=True, refit=False, max_iter=2).fit(X, y)
    model = make(FMRegressor, early_stopping=True, max_iter=9)
    monkeypatch.setattr(_engine, "train_epoch", LateExplosion(2))
    with pytest.raises(DivergenceError, match=r"diverged in epoch 3 .* has the parameters of epoch 1"):
        model.fit(X, y)
    assert_same_model(model, first)


def test_lines_of_progress_tell_the_refit_apart(capsys):
    X, y = noisy()
    model = make(FMRegressor, early_stopping=True, verbose=1, max_iter=3).fit(X, y)
    starts = [line.split("  train")[0] for line in capsys.readouterr().out.splitlines()]
    n = model.best_epoch_
    assert starts == [f"epoch   {i}/3" for i in (1, 2, 3)] + [f"refit   {i}/{n}" for i in range(1, n + 1)]


# --- cross-validation ------------------------------------------------------------------------------------------------


@pytest.fixture
def n_folds(monkeypatch):
    """How many folds each fit validated on, 1 for a single hold-out."""
    seen = []
    whole = refit.solve_for_all

    def spy(problem, solver):
        seen.append(0 if problem.held_out is None else 1 + len(problem.folds))
        return whole(problem, solver)

    monkeypatch.setattr("fastfm_ext._estimators.base.solve_for_all", spy)
    return seen


@pytest.mark.parametrize(("n", "expected"), [(29, 0), (30, 5), (9_999, 5), (10_000, 1)])
def test_auto_holds_rows_out_by_their_number(n_folds, n, expected):
    X = sp.csr_array(np.ones((n, 1)))
    model = FMRegressor(n_factors=0, max_iter=1, random_state=0).fit(X, np.arange(n) % 7)
    assert n_folds == [expected]
    assert len(model.history_["val_loss"]) == (expected > 0)
    model.fit(X, np.arange(n) % 7, X_val=X[:5], y_val=np.arange(5))
    assert n_folds[1:] == [1], "rows that are given to validate on are all there is"


def test_one_part_is_held_out_where_five_models_would_be_too_large(n_folds):
    X = sp.csr_array((np.ones(40), (np.arange(40), np.arange(40) % 3)), shape=(40, 400_000))
    for n_factors in (2, 16):
        FMRegressor(n_factors, max_iter=1, random_state=0).fit(X, np.arange(40.0))
    assert n_folds == [5, 1]


@pytest.mark.parametrize("params", [{"refit": False}, {"early_stopping": False}, {"warm_start": True}], ids=str)
def test_no_folds_without_a_refit_or_for_a_model_that_goes_on(n_folds, rows, params):
    model = make(FMRegressor, **params).fit(*rows)
    model.fit(*rows)
    assert n_folds[1] == 0


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_small_table_is_not_overfitted(estimator):
    X, y = noisy(100)
    X_test, y_test = noisy(2_000)
    X_test, y_test = X_test[100:], y_test[100:]
    params = {"n_factors": 16, "max_iter": 100, "l2_V": 0.0, "l2_w": 0.0}
    chosen, not_chosen = (
        make(estimator, early_stopping=early_stopping, **params).fit(X, target_of(estimator, y))
        for early_stopping in ("auto", False)
    )
    y_test = target_of(estimator, y_test)

    def loss(model):
        if is_regressor(model):
            return np.mean((model.predict(X_test) - y_test) ** 2)
        return -np.mean(np.log(model.predict_proba(X_test)[np.arange(len(y_test)), y_test.astype(int)]))

    assert loss(chosen) < 0.9 * loss(not_chosen)


def test_products_of_features_that_show_late_are_learned():
    """For some ten epochs, weights overfit and factors are too small to tell."""
    rng = np.random.default_rng(0)
    taste = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 20)) > 0
    pairs = rng.permutation(np.argwhere(np.ones_like(taste)))
    X = sp.csr_array(np.eye(60)[pairs[:, 0]] + np.eye(60)[40 + pairs[:, 1]])
    y = taste[*pairs.T]
    model = FMClassifier(n_factors=4, random_state=0).fit(X[:600], y[:600])
    assert model.history_["val_loss"][6] > model.history_["val_loss"][0]
    assert model.score(X[600:], y[600:]) > 0.8


def test_folds_end_after_six_times_n_iter_no_change_epochs_without_gain():
    X, y = noisy()
    model = make(FMRegressor, max_iter=60, l2_V=0.0, n_iter_no_change=2, tol=0).fit(X, y)
    assert model.n_iter_ == model.best_epoch_ + 12


def test_folds_hold_out_each_row_once_and_each_classs_share():
    codes = np.repeat([0, 1, 2], [10, 40, 52])
    X = canonical_csr(sp.csr_array(np.arange(1.0, 103.0, dtype=np.float32)[:, None]))
    samples = Samples(X, codes.astype(np.float32)[None, :], None)
    folds = fold_rows(samples, 5, codes, np.random.default_rng(0))
    held_out = np.concatenate([fold.held_out.X.data for fold in folds])
    np.testing.assert_array_equal(np.sort(held_out), np.arange(1.0, 103.0))
    for fold in folds:
        np.testing.assert_array_equal(
            np.sort([*(fold.trained + 1.0), *fold.held_out.X.data]), np.arange(1.0, 103.0), "trained on the others"
        )
        counts = np.bincount(fold.held_out.targets[0].astype(int), minlength=3)
        assert np.abs(counts - np.array([10, 40, 52]) / 5).max() <= 1


def test_a_class_of_one_row_leaves_a_model_of_all_classes():
    X, y = noisy(60)
    classes = np.where(y > 0, "high", "low").astype("U4")
    classes[0] = "rare"
    model = make(FMClassifier).fit(X, classes)
    assert model.classes_.tolist() == ["high", "low", "rare"]
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_fold_with_a_huge_loss_does_not_choose_the_number_of_epochs(monkeypatch, rows):
    ordinary, outlier = [8.0, 4.0, 2.0, 1.0, 1.5, 3.0], [1000.0, 1010.0, 1020.0, 1030.0, 1040.0, 1050.0]
    calls = []

    def validated(problem, epoch):
        calls.append(epoch)
        return (outlier if len(calls) % 5 == 0 else ordinary)[epoch - 1]

    monkeypatch.setattr(folds, "validated", validated)
    model = make(FMRegressor, max_iter=6).fit(*rows)
    assert model.best_epoch_ == 4
    np.testing.assert_allclose(model.history_["val_loss"][:2], [8**0.8 * 1000**0.2, 4**0.8 * 1010**0.2])


def test_a_fold_that_diverges_leaves_the_epochs_before(monkeypatch, rows):
    X, y = rows
    twin = of_all_rows(FMRegressor, 2, X, y)
    model = make(FMRegressor, max_iter=9, tol=0.0)

    class ExplodingFold(Interruption):
        def __call__(self, X, y, sample_weight, order, params, *rest):
            self.n_calls -= 1
            if self.n_calls == -1:
                params.tables["V"][:, 0] = 1e25
            return self.train_epoch(X, y, sample_weight, order, params, *rest)

    monkeypatch.setattr(_engine, "train_epoch", ExplodingFold(12))  # two epochs of five folds, and two of five
    with pytest.warns(
        ConvergenceWarning, match=r"on a part of the rows, .* diverged in epoch 3.* before, 2, is taken"
    ) as caught:
        model.fit(X, y)
    assert caught[0].filename == __file__
    assert model.best_epoch_ == model.n_iter_ == 2
    assert_same_model(model, twin)


def test_a_fold_that_diverges_at_once_leaves_no_model(monkeypatch, rows):
    model = make(FMRegressor)
    monkeypatch.setattr(_engine, "train_epoch", LateExplosion(3))
    with pytest.raises(DivergenceError, match="diverged in epoch 1"):
        model.fit(*rows)
    assert not hasattr(model, "history_")


def test_a_refit_after_cross_validation_that_diverges_leaves_no_model(monkeypatch, rows):
    model = make(FMRegressor, max_iter=2)
    monkeypatch.setattr(_engine, "train_epoch", LateExplosion(10))
    with pytest.raises(DivergenceError, match="in the refit on all rows, training diverged in epoch 1") as caught:
        model.fit(*rows)
    assert caught.value.kept_epoch is None
    assert not hasattr(model, "history_")
