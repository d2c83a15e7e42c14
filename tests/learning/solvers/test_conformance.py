"""Every (model, loss, solver) that the lists name, against the NumPy reference, on every instruction set.

A new model, loss or solver is tested here by being listed, and by being in the reference under the same name.
"""

import itertools
from dataclasses import replace
from functools import cache, partial

import numpy as np
import pytest
import scipy.sparse as sp

import fastfm_ext
from differences import central_difference
from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext._engine import blocks
from fastfm_ext._engine.models import FWFM, NO_FIELDS, Fields, model_named
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.hyperparameters import options_of
from fastfm_ext._learning.block_model import BlockModel
from fastfm_ext._learning.divergence import Guard
from fastfm_ext._learning.loop import Schedule
from fastfm_ext._learning.losses import LOSSES, losses_of
from fastfm_ext._learning.problem import Problem, solve
from fastfm_ext._learning.samples import Samples
from fastfm_ext._learning.solvers.registry import SOLVERS, solver_named, solvers_that_read
from fastfm_ext._learning.solvers.sweeps import l2_of_factors
from fastfm_ext._names import PLAIN_CLASSES
from fastfm_ext._reference import als, ffm, fm, fmfm, fwfm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import N_FEATURES, N_ROWS, assert_same_parameters, loss_tolerance, random_rows, random_targets

COMBINATIONS = [
    pytest.param(model, loss, solver, id=f"{model}-{loss.name}-{solver.name}")
    for solver in SOLVERS
    for loss in LOSSES
    for model in sorted(solver.models)
    if loss.name in solver.losses
]
NAMES = {
    name.lower(): name for name in (cls.removesuffix("Regressor") for cls in PLAIN_CLASSES if cls.endswith("Regressor"))
}
SPREAD, K, N_EPOCHS = 2.5, 5, 3
FIELDS = Fields(4, (np.arange(N_FEATURES, dtype=np.int32) * 3) % 4)


def estimator_of(loss, solver, model="fm", **params):
    """An estimator of this model that learns this loss by this solver."""
    cls = getattr(fastfm_ext, NAMES[model] + ("Regressor" if loss.task == "regression" else "Classifier"))
    if "loss" in cls().get_params():
        params["loss"] = loss.name
    return cls(n_factors=K, solver=solver.name, random_state=0, **params)


def reference_of(params, options, X):
    """The reference model that begins with these parameters, and its pass over the rows."""
    w, V = params.w.astype(float), params.V.astype(float)
    if options.solver == "als":
        l2_V = l2_of_factors(options.l2_V, X)
        model = als.Als(params.w0, w, V, options.l2_w, l2_V, True)
        parts = BlockModel.of(blocks.split(X), None, K).parts
        return model, partial(model.sweep, order=np.concatenate([part.block.features for part in parts]))
    sizes = {f"sizes_{name}": fm.ReferenceSizes(**getattr(options, name)._asdict()) for name in ("w", "V", "R")}
    chosen = {"loss": options.loss, "solver": options.solver, "delta": options.delta}
    if "R" in params.tables:
        machine = fwfm.Fwfm if params.model is FWFM else fmfm.Fmfm
        model = machine(params.w0, w, V, params.R.astype(float), params.fields.of_feature, **chosen, **sizes)
    else:
        del sizes["sizes_R"]
        machine = partial(ffm.Ffm, fields=params.fields.of_feature) if params.model.has_fields else fm.Fm
        model = machine(params.w0, w, V, **chosen, **sizes)
    return model, model.epoch


@cache
def trained_reference(model, loss_name, solver_name):
    """Rows and options of a case, the parameters to begin with, and what the reference makes of them."""
    loss, solver = next(loss for loss in LOSSES if loss.name == loss_name), solver_named(solver_name)
    rng = np.random.default_rng(0)
    X, y = random_rows(rng), random_targets(rng, loss.name)
    unit = SPREAD if loss.task == "regression" else 1.0
    y = (unit * y).astype(np.float32).astype(float)
    settings = options_of(estimator_of(loss, solver, model), solver.name, loss, solver.defaults(loss))
    options, spec = settings.in_units_of(unit), model_named(model)
    fields = FIELDS if spec.has_fields else NO_FIELDS
    params = Parameters.initialise(N_FEATURES, K, options, intercept=0.3, rng=rng, model=spec, fields=fields)
    samples = Samples(canonical_csr(sp.csr_array(X.astype(np.float32))), y.astype(np.float32)[None], None)
    reference, epoch = reference_of(params, options, samples.X)
    losses = [epoch(X, y) / N_ROWS for _ in range(N_EPOCHS)]
    return samples, options, params, reference, losses


@pytest.mark.parametrize(("model", "loss", "solver"), COMBINATIONS)
def test_training_follows_the_reference(isa, model, loss, solver):
    samples, options, params, reference, losses = trained_reference(model, loss.name, solver.name)
    params = params.copy()
    schedule = Schedule(max_iter=N_EPOCHS, n_iter_no_change=N_EPOCHS, tol=0.0, n_threads=1, shuffle=False)
    guard = Guard(typical_loss=SPREAD**2, advice="")
    rng = np.random.default_rng(0)
    problem = Problem(samples, np.arange(N_ROWS), [params], options, schedule, guard, rng)
    run = solve(problem, solver)
    np.testing.assert_allclose(run.history.train_loss, losses, rtol=loss_tolerance(solver.name))
    assert_same_parameters(params, reference, solver.name, tuple(params.tables))


@pytest.mark.parametrize(("model", "loss", "solver"), COMBINATIONS)
def test_a_fit_beats_a_constant(model, loss, solver):
    rng = np.random.default_rng(1)
    X = rng.integers(0, 2, size=(2000, 8)).astype(float)
    y = 1.0 + X[:, 0] + 2.0 * X[:, 1] * X[:, 2] - X[:, 3]
    y = y if loss.task == "regression" else (y > 1.5).astype(int)
    fitted = estimator_of(loss, solver, model, early_stopping=False).fit(X, y)
    best = fitted.history_["train_loss"][-1]
    delta = fitted._options().delta
    constants = loss.best_constants(np.asarray(y, dtype=np.float32)[None], None, delta)
    of_constant = loss.values(np.asarray(y, dtype=np.float32), np.full(len(y), constants[0], np.float32), delta)
    assert best < 0.5 * of_constant.mean()


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
class TestLoss:
    def test_values_are_those_of_the_reference(self, loss, delta):
        y = np.array([0, 0, 1, 1, 0, 1], dtype=np.float32)
        p = np.array([-3, 0.2, 0.7, 8, 40, -40], dtype=np.float32)
        expected = [fm.LOSSES[loss.name](y_r, p_r, delta)[0] for y_r, p_r in zip(y.astype(float), p.astype(float))]  # noqa: B905
        np.testing.assert_allclose(loss.values(y, p, delta), expected, rtol=1e-6, atol=1e-12)

    @pytest.mark.parametrize(("y", "p"), list(itertools.product([0.0, 1.0], [-4.1, -0.35, 0.1, 0.8, 5.2])))
    def test_the_derivative_of_the_reference_matches_differences(self, loss, delta, y, p):
        f = fm.LOSSES[loss.name]
        assert f(y, p, delta)[1] == pytest.approx(central_difference(lambda q: f(y, q, delta)[0], p), abs=1e-8)

    def test_the_best_constant_is_least(self, loss, delta):
        rng = np.random.default_rng(2)
        y = random_targets(rng, loss.name, 2000).astype(np.float32)
        if loss.task == "regression":
            y = (np.exp(y) * delta).astype(np.float32)  # skewed, so that the mean is not every loss's constant
        weight = rng.integers(1, 4, len(y)).astype(np.float32)
        (best,) = loss.best_constants(y[None], weight, delta)

        def mean(constant):
            return np.average(loss.values(y, np.full(len(y), constant, np.float32), delta), weights=weight)

        assert mean(best) <= min(mean(best - 0.05), mean(best + 0.05)) + 1e-7


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_progress_shows_a_loss_with_its_name(loss):
    assert any(character.isdigit() for character in loss.show(0.25))
    assert loss.show(0.25) != loss.show(0.5)


def test_the_names_of_losses_and_solvers_are_those_of_the_reference():
    assert {loss.name for loss in LOSSES} == set(fm.LOSSES)
    assert {solver.name for solver in SOLVERS} == {*fm.RULES, "als"}


# --- hyperparameters that a solver or a loss does not read ----------------------------------------------------------

VALUES = {"l1_w": 0.1, "l1_V": 0.1, "delta": 0.5, "learning_rate": 0.1, "clip_gradient": 1.0, "shuffle": False}
VALUES |= {"l2_exponent": 0.5, "adaptive_l2": True, "dtype": "float16"}


def _pairs():
    for cls, task in ((FMRegressor, "regression"), (FMClassifier, "classification")):
        loss = losses_of(task)[0]
        for solver in SOLVERS:
            for name in cls().get_params():
                if loss.name in solver.losses and solvers_that_read(name):
                    yield pytest.param(cls, loss, solver, name, id=f"{cls.__name__}-{solver.name}-{name}")


@pytest.mark.parametrize(("cls", "loss", "solver", "name"), list(_pairs()))
def test_a_hyperparameter_that_the_solver_does_not_read_is_refused_by_name(cls, loss, solver, name):
    X, y = np.eye(6), np.arange(6) % 2
    validation = {"X_val": X, "y_val": y} if name == "adaptive_l2" else {}
    model = cls(solver=solver.name, max_iter=1, **{name: VALUES[name]})
    if name in solver.reads:
        model.fit(X, y, **validation)
        return
    with pytest.raises(ValueError, match=f'^{name} needs solver="') as error:
        model.fit(X, y)
    for reader in solvers_that_read(name):
        assert f'solver="{reader.name}"' in str(error.value)
    assert f'solver="{solver.name}", which does not read it' in str(error.value)


@pytest.mark.parametrize("loss", losses_of("regression"), ids=lambda loss: loss.name)
def test_a_hyperparameter_that_the_loss_does_not_read_is_refused_by_name(loss):
    X, y = np.eye(6), np.arange(6.0)
    for name in sorted(set().union(*(loss.reads for loss in LOSSES))):
        model = FMRegressor(loss=loss.name, max_iter=1, **{name: VALUES[name]})
        if name in loss.reads:
            model.fit(X, y)
        else:
            with pytest.raises(ValueError, match=f'^{name} needs loss="'):
                model.fit(X, y)


class WithoutLogistic:
    """A solver that lacks a loss and does not train on batches, as one over whole data does."""

    def __init__(self, solver):
        self._solver = solver
        self.losses = frozenset({"squared"})
        self.trains_on_batches = False

    def __getattr__(self, name):
        return getattr(self._solver, name)


@pytest.fixture
def whole_data(monkeypatch):
    """Let "sgd" be a solver that needs all data at once and has the squared loss only."""
    from fastfm_ext._estimators import batch_methods
    from fastfm_ext._learning.solvers import registry

    solvers = tuple(WithoutLogistic(s) if s.name == "sgd" else s for s in SOLVERS)
    monkeypatch.setattr(registry, "SOLVERS", solvers)
    monkeypatch.setattr(batch_methods, "SOLVERS", solvers)


def test_a_loss_that_the_solver_lacks_is_refused_with_those_it_has(whole_data):
    with pytest.raises(ValueError, match='solver="sgd" has no loss "logistic"; "sgd" has: "squared"'):
        FMClassifier(solver="sgd").fit(np.eye(4), [0, 1, 0, 1])


def test_a_solver_of_whole_data_gives_no_training_on_batches(whole_data):
    for cls in (FMRegressor, FMClassifier):
        assert not hasattr(cls(solver="sgd"), "partial_fit")
        assert not hasattr(cls(solver="sgd"), "fit_stream")
        assert hasattr(cls(solver="adagrad"), "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as error:
        FMRegressor(solver="sgd").partial_fit  # noqa: B018
    assert 'solver="sgd" needs all rows at once; training on batches needs "adagrad"' in str(error.value.__cause__)


def test_settings_of_a_loss_that_is_like_another_are_those_of_the_other():
    for solver in SOLVERS:
        for loss in LOSSES:
            like = replace(loss, name="another", like=loss.like or loss.name)
            assert solver.defaults(like) == solver.defaults(loss)


def test_solvers_are_found_by_name():
    assert [solver_named(solver.name) for solver in SOLVERS] == list(SOLVERS)
