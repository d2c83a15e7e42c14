"""Kernels on factors in float16: exact when read, rounded without bias when written, and as good a model in the end."""

from dataclasses import replace

import numpy as np
import pytest

from fastfm_ext import _engine
from fastfm_ext._engine import storage
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters

K_PATHS = pytest.mark.parametrize("k", [4, 8, 16, 48])


def options_of(dtype="float16", **changes):
    plain = Options("logistic", "adagrad", 0.05, 0.05, 0.01, 0.01, 0.1, dtype=dtype)
    return replace(plain, **changes)


def begun(n_features, k, options, seed=0):
    return Parameters.initialise(n_features, k, options, 0.0, np.random.default_rng(seed))


def one_each(n_features):
    """Return rows of one feature each."""
    return Csr(np.arange(n_features + 1), np.arange(n_features, dtype=np.int32), None, n_features)


def random_rows(n_rows, sizes, seed=0):
    """Return rows of ones, a feature of each field, and targets that follow from the features."""
    rng = np.random.default_rng(seed)
    starts = np.cumsum([0, *sizes[:-1]])
    ids = np.stack([(rng.random(n_rows) ** 3 * size).astype(np.int32) for size in sizes], axis=1) + starts
    of_feature = np.random.default_rng(99).normal(size=sum(sizes))
    y = (rng.random(n_rows) < 1 / (1 + np.exp(-of_feature[ids].sum(axis=1)))).astype(np.float32)
    X = Csr(np.arange(0, ids.size + 1, len(sizes)), ids.astype(np.int32).ravel(), None, sum(sizes))
    return X, y


def train(X, y, params, options, n_epochs=1, n_threads=1):
    hot = _engine.hot_features(X, params.record, n_threads)
    losses = [_engine.train_epoch(X, y, None, None, params, options, n_threads, hot) for _ in range(n_epochs)]
    return losses[-1] / len(y)


@K_PATHS
def test_every_float16_is_read_exactly(isa, k):
    params = begun(-(-(1 << 16) // k), k, options_of())
    bits = np.resize(np.arange(1 << 16, dtype=np.uint16), (params.n_features, k))
    params.tables["V"][:, 0] = bits
    _, sum_vx = _engine.pool(one_each(params.n_features), params)
    is_normal = (bits & 0x7C00) != 0x7C00  # infinity and NaN end a training before they are read
    np.testing.assert_array_equal(sum_vx[is_normal], bits.view(np.float16).astype(np.float32)[is_normal])
    assert not np.isfinite(sum_vx[~is_normal]).any()


@K_PATHS
@pytest.mark.parametrize("acc", [1.0, 3e-5, 7e8])
def test_rounding_is_to_a_neighbour_and_unbiased(isa, k, acc):
    # A row of one feature moves its factors by L2 alone, which is the same step for all features, to the bit where all
    # have the same gradient.
    n = 40_000
    sizes = {"l2_V": 2.0, "initial_acc_V": acc, "fit_intercept": False}
    halves, floats = options_of(**sizes), options_of("float32", **sizes)
    params = begun(n, k, halves)
    params.tables["V"][:] = params.tables["V"][:1]
    exact = begun(1, k, floats)
    exact.tables["V"][0, 0] = params.V[0]
    exact.tables["V"][0, 1] = np.float32(acc)
    state = storage.narrowed(exact.tables["V"])[0, 1]
    exact.tables["V"][0, 1] = (state.astype(np.uint32) << 16).view(np.float32)
    train(one_each(n), np.zeros(n, np.float32), params, halves)
    train(one_each(1), np.zeros(1, np.float32), exact, floats)
    V, states = params.V, (params.tables["V"][:, 1].astype(np.uint32) << 16).view(np.float32)
    for got, wanted, bits in ((V, exact.V[0], 11), (states, exact.tables["V"][0, 1], 8)):
        # Where a step ends near zero, what float32 itself has lost is no longer small.
        usual = (np.abs(wanted) > 1e-3) | (bits == 8)
        ulp = 2.0 ** (np.floor(np.log2(np.abs(wanted))) - bits + 1)
        errors = ((got.astype(np.float64) - wanted) / ulp)[:, usual]
        assert (np.abs(errors) < 1).all()
        # The standard deviation of the mean of n such errors is at most 0.5 / sqrt(n).
        np.testing.assert_allclose(errors.mean(axis=0), 0.0, atol=5 * 0.5 / np.sqrt(n) + 2**-12)


@K_PATHS
def test_features_of_a_row_are_rounded_without_bias(isa, k):
    # Features with the same factors make the same step, but for rounding.
    n = 4000
    X, y = Csr(np.array([0, n]), np.arange(n, dtype=np.int32), None, n), np.zeros(1, np.float32)
    errors = []
    for seed in range(5):
        trained = {}
        for dtype in ("float16", "float32"):
            options = options_of(dtype, fit_intercept=False)
            trained[dtype] = params = begun(n, k, options, seed)
            factors = np.linspace(0.001, 0.002, k, dtype=np.float16)
            params.tables["V"][:, 0] = factors.view(np.uint16) if dtype == "float16" else factors
            train(X, y, params, options)
        wanted = trained["float32"].V[0]
        ulp = 2.0 ** (np.floor(np.log2(np.abs(wanted))) - 10)
        errors.append((trained["float16"].V.astype(np.float64) - wanted) / ulp)
        assert (np.abs(errors[-1]) < 1).all()
        assert len(np.unique(trained["float16"].V, axis=0)) > 1
    np.testing.assert_allclose(np.mean(errors, axis=(0, 1)), 0.0, atol=0.5 * 5 / np.sqrt(n) + 2**-12)


def test_the_same_parameters_give_the_same_bits_and_later_epochs_other_ones(isa):
    X, y = random_rows(300, (20, 30, 7))
    options = options_of()
    one, twin = begun(X.n_features, 10, options), begun(X.n_features, 10, options)
    train(X, y, one, options, n_epochs=2)
    train(X, y, twin, options)
    train(X, y, twin, options)
    for array, other in zip(one.arrays, twin.arrays, strict=True):
        np.testing.assert_array_equal(array, other)


def test_padding_stays_zero(isa):
    X, y = random_rows(300, (20, 30, 7))
    options = options_of()
    params = begun(X.n_features, 10, options)
    train(X, y, params, options, n_epochs=3)
    assert (params.tables["V"][:, 0, 10:] == 0).all()


@pytest.mark.parametrize("k", [1, 8, 16, 40])
@pytest.mark.parametrize("has_values", [False, True])
def test_training_is_like_that_of_float32(isa, k, has_values):
    X, y = random_rows(4000, (50, 60, 7))
    if has_values:
        X = replace(X, data=np.random.default_rng(1).uniform(0.5, 1.5, X.nnz).astype(np.float32))
    losses, scores = [], []
    for dtype in ("float32", "float16"):
        options = options_of(dtype)
        params = begun(X.n_features, k, options)
        losses.append(train(X, y, params, options, n_epochs=5))
        scores.append(_engine.predict(X, params))
    assert losses[1] == pytest.approx(losses[0], rel=5e-3)
    assert np.std(scores[1] - scores[0]) < 0.05 * np.std(scores[0])


def test_threads_with_replicas_give_the_same_bits_again():
    X, y = random_rows(20_000, (50, 60, 7))
    options = options_of()
    found = []
    for _ in range(2):
        params = begun(X.n_features, 8, options)
        loss = train(X, y, params, options, n_epochs=3, n_threads=2)
        found.append(params.tables["V"].copy())
    np.testing.assert_array_equal(*found)
    one = begun(X.n_features, 8, options)
    assert loss == pytest.approx(train(X, y, one, options, n_epochs=3), rel=0.02)


def test_threads_with_copies_of_hot_features_learn_as_one_does():
    X, y = random_rows(20_000, (60_000, 12_000, 7))
    options = options_of()
    losses = []
    for n_threads in (1, 2):
        params = begun(X.n_features, 16, options)
        assert n_threads == 1 or len(_engine.hot_features(X, params.record, n_threads).features)
        losses.append(train(X, y, params, options, n_epochs=3, n_threads=n_threads))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_other_rules_refuse_halves():
    X, y = random_rows(10, (5, 5))
    with pytest.raises(ValueError, match="mismatch"):
        train(X, y, begun(X.n_features, 4, options_of()), options_of(solver="sgd"))
