"""Merging of what workers have learned apart."""

import numpy as np
import pytest

from fastfm_ext import _engine
from fastfm_ext._engine.csr import Csr, take_rows
from fastfm_ext._engine.models import FFM, FMFM, FVFM, FWFM, Fields
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._learning.merging import Learned, Merger, RowsLearned, growth_of_squares
from fastfm_ext._learning.solvers.gradient import GRADIENT_SOLVERS

N_USERS, N_ITEMS, K = 40, 30, 4
OPTIONS = {"loss": "squared", "learning_rate_w": 0.05, "learning_rate_V": 0.05, "l2_w": 0.01, "l2_V": 0.01}


def options_of(solver, **changes):
    steps = {"ftrl": 0.5, "adam": 0.01}.get(solver, 0.05)
    rates = {"learning_rate_w": steps, "learning_rate_V": steps}
    return Options(solver=solver, init_stdev=0.1, **(OPTIONS | rates | changes))


def ratings(n_rows=3000, seed=0):
    """Rows of a user and an item, and their labels."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(N_USERS, size=n_rows), rng.integers(N_ITEMS, size=n_rows)
    U, V = np.random.default_rng(5).normal(size=(2, 60, 2))
    y = (U[users] * V[items]).sum(axis=1) + 0.1 * rng.normal(size=n_rows)
    indices = np.stack([users, N_USERS + items], axis=1).astype(np.int32).ravel()
    X = Csr(np.arange(0, 2 * n_rows + 1, 2, dtype=np.int64), indices, None, N_USERS + N_ITEMS)
    return X, y.astype(np.float32), users


def learned_from(before, X, y, options, weight=None):
    """What a worker learns from rows in one pass."""
    params = before.copy()
    loss = _engine.train_epoch(X, y, weight, None, params, options)
    weights = np.ones(X.n_rows) if weight is None else weight.astype(float)
    visits = np.bincount(X.indices, weights=np.repeat(weights, np.diff(X.indptr)), minlength=X.n_features)
    features = np.flatnonzero(np.bincount(X.indices, minlength=X.n_features)).astype(np.int32)
    records = params.part(features)
    rows = RowsLearned(
        loss=loss,
        weight=float(weights.sum()),
        squared_weight=float((weights**2).sum()),
        row_norm=float(np.diff(X.indptr).mean()),
        growth=growth_of_squares(before, records, features, options),
    )
    return Learned(features, visits[features].astype(np.float32), records, rows)


def merged(before, workers, options):
    merger = Merger(before, options)
    for learned in workers:
        merger.add(learned)
    return merger.merged()


def begun(options, k=K, n_features=N_USERS + N_ITEMS, **model):
    return Parameters.initialise(n_features, k, options, 0.0, np.random.default_rng(1), **model)


def rmse(params, X, y):
    return float(np.sqrt(np.mean((_engine.predict(X, params, 1) - y) ** 2)))


@pytest.mark.parametrize("solver", [solver.name for solver in GRADIENT_SOLVERS])
def test_one_worker_has_learned_what_is_learned(solver):
    options = options_of(solver)
    X, y, _ = ratings()
    before, alone = begun(options), begun(options)
    _engine.train_epoch(X, y, None, None, alone, options)
    after = merged(before, [learned_from(before, X, y, options)], options)
    for name, records in alone.tables.items():
        np.testing.assert_array_equal(after.tables[name], records)


@pytest.mark.parametrize("solver", [solver.name for solver in GRADIENT_SOLVERS])
def test_what_one_worker_alone_touches_is_taken_over_as_it_is(solver):
    options = options_of(solver)
    X, y, users = ratings()
    before = begun(options)
    parts = [np.flatnonzero(users % 2 == part).astype(np.int64) for part in range(2)]
    workers = [learned_from(before, take_rows(X, rows), y[rows], options) for rows in parts]
    after = merged(before, workers, options)
    for part, learned in enumerate(workers):
        own = np.flatnonzero(learned.features < N_USERS)
        assert (learned.features[own] % 2 == part).all()
        for name in ("w", "V"):
            np.testing.assert_array_equal(after.tables[name][learned.features[own]], learned.records[name][own])


@pytest.mark.parametrize("solver", [solver.name for solver in GRADIENT_SOLVERS])
@pytest.mark.parametrize("model", [FFM, FMFM, FVFM, FWFM], ids=lambda model: model.name)
def test_models_with_fields_are_merged_as_well(model, solver):
    options = options_of(solver, learning_rate_R=0.05)
    fields = Fields(2, np.repeat([0, 1], [N_USERS, N_ITEMS]).astype(np.int32))
    X, y, _ = ratings()
    before, in_turn = (begun(options, model=model, fields=fields) for _ in range(2))
    parts = [np.arange(worker, len(y), 2) for worker in range(2)]
    after = before
    for _ in range(5):
        workers = [learned_from(after, take_rows(X, rows), y[rows], options) for rows in parts]
        after = merged(after, workers, options)
        _engine.train_epoch(X, y, None, None, in_turn, options)
    assert rmse(in_turn, X, y) < 0.5 * rmse(before, X, y)
    assert rmse(after, X, y) < 0.5 * rmse(before, X, y)
    if "R" in after.tables:
        apart, together = (np.abs(params.R[0, 1] - before.R[0, 1]).max() for params in (after, in_turn))
        assert apart == pytest.approx(together, rel=0.3)


@pytest.mark.parametrize("solver", ["adagrad", "sgd", "ftrl"])
@pytest.mark.parametrize("n_rows", [10, 3000])
def test_one_weight_goes_as_far_as_in_one_run_over_all_rows(solver, n_rows):
    # Two workers with optima of 1 and 3. A few steps add up; after many, each has arrived, and the mean is the optimum.
    options = options_of(solver, l2_w=0.0, fit_intercept=False)
    X = Csr(np.arange(n_rows + 1, dtype=np.int64), np.zeros(n_rows, dtype=np.int32), None, 1)
    noise = np.random.default_rng(0).normal(size=n_rows)
    targets = [(center + noise).astype(np.float32) for center in (1.0, 3.0)]
    before = begun(options, k=0, n_features=1)
    after = merged(before, [learned_from(before, X, y, options) for y in targets], options)
    both = Csr(np.arange(2 * n_rows + 1, dtype=np.int64), np.zeros(2 * n_rows, dtype=np.int32), None, 1)
    in_turn = begun(options, k=0, n_features=1)
    _engine.train_epoch(both, np.stack(targets, axis=1).ravel(), None, None, in_turn, options)
    assert after.w[0] == pytest.approx(in_turn.w[0], rel=0.2)


@pytest.mark.parametrize("solver", [solver.name for solver in GRADIENT_SOLVERS])
@pytest.mark.parametrize("n_workers", [2, 8])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_workers_apart_learn_about_as_well_as_one(solver, n_workers, is_weighted):
    options = options_of(solver, heaviest=3.0)
    weight = np.random.default_rng(2).uniform(0.1, 3.0, size=3000).astype(np.float32) if is_weighted else None
    X, y, users = ratings()
    X_test, y_test, _ = ratings(seed=1)
    parts = [np.flatnonzero(users % n_workers == part).astype(np.int64) for part in range(n_workers)]
    alone, params, best = begun(options), begun(options), [np.inf, np.inf]
    for _ in range(60):
        _engine.train_epoch(X, y, weight, None, alone, options)
        workers = [
            learned_from(params, take_rows(X, rows), y[rows], options, None if weight is None else weight[rows])
            for rows in parts
        ]
        params = merged(params, workers, options)
        best = [min(value, rmse(each, X_test, y_test)) for value, each in zip(best, (alone, params), strict=True)]
    assert best[1] < 1.15 * best[0] + 0.05
    assert params.is_finite()


def test_ftrl_gives_the_merged_parameters_back():
    options = options_of("ftrl", l1_w=2.0, l1_V=1.0)
    X, y, users = ratings()
    before = begun(options)
    parts = [np.flatnonzero(users % 2 == part).astype(np.int64) for part in range(2)]
    after = merged(before, [learned_from(before, take_rows(X, rows), y[rows], options) for rows in parts], options)
    for name, sizes in (("w", options.w), ("V", options.V)):
        theta, z, n = (after.tables[name][:, slot].astype(float) for slot in range(3))
        divisor = (sizes.beta + np.sqrt(n)) / sizes.learning_rate + sizes.l2
        from_state = np.where(np.abs(z) <= sizes.l1, 0, -(z - np.sign(z) * sizes.l1) / divisor)
        np.testing.assert_allclose(from_state, theta, rtol=1e-4, atol=1e-6)


def test_parts_of_a_worker_add_up_to_the_worker():
    options = options_of("adagrad")
    X, y, users = ratings()
    before = begun(options)
    parts = [np.flatnonzero(users % 2 == part).astype(np.int64) for part in range(2)]
    workers = [learned_from(before, take_rows(X, rows), y[rows], options) for rows in parts]
    pieces = []
    for learned in workers:
        for first in range(0, len(learned.features), 10):
            some = slice(first, first + 10)
            records = {name: learned.records[name][some] for name in ("w", "V")}
            if first == 0:
                records["w0"] = learned.records["w0"]
            pieces.append(Learned(learned.features[some], learned.visits[some], records, learned.rows))
    whole, piecewise = merged(before, workers, options), merged(before, pieces, options)
    for name, records in whole.tables.items():
        np.testing.assert_array_equal(piecewise.tables[name], records)


def test_nothing_learned_changes_nothing():
    options = options_of("adagrad")
    before = begun(options)
    after = merged(before, [], options)
    for name, records in before.tables.items():
        np.testing.assert_array_equal(after.tables[name], records)


@pytest.mark.parametrize(
    "fits", [{"fit_intercept": False}, {"fit_linear": False}, {"fit_intercept": False, "fit_linear": False}]
)
@pytest.mark.parametrize("loss", ["squared", "logistic", "huber"])
def test_workers_apart_learn_without_intercept_or_weights(loss, fits):
    options = options_of("adagrad", loss=loss, **fits)
    X, y, users = ratings()
    y = (y > 0).astype(np.float32) if loss == "logistic" else y
    parts = [np.flatnonzero(users % 4 == part).astype(np.int64) for part in range(4)]
    params, losses = begun(options), []
    for _ in range(20):
        workers = [learned_from(params, take_rows(X, rows), y[rows], options) for rows in parts]
        params = merged(params, workers, options)
        losses.append(sum(learned.rows.loss for learned in workers) / len(y))
    assert losses[-1] < 0.7 * losses[0]
    assert max(losses) < 1.5 * losses[0]
