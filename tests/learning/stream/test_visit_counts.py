"""L2 that is shared by frequency, where rows come in batches: by the visits so far."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor
from fastfm_ext._learning.l2 import counts_of, sum_of_counts
from fastfm_ext._learning.samples import Samples
from fastfm_ext._validation.matrices import canonical_csr
from field_aware_cases import FIELD_AWARE
from stream_cases import N_ROWS, Crash, assert_same_states, batches, crash_after, make, rows, target_of

L2 = {"l2_exponent": 0.3, "l2_w": 0.5, "l2_V": 0.5, "shuffle": False, "early_stopping": False, "max_iter": 1}


@pytest.fixture(scope="module")
def data():
    """Rows whose features are of unlike frequency."""
    X, y = rows()
    often = np.flatnonzero(X[:, [0, 25, 50]].sum(axis=1))
    order = np.random.default_rng(0).permutation(np.concatenate([np.arange(N_ROWS), np.repeat(often, 5)]))[:N_ROWS]
    return X[order], y[order]


def test_visits_add_up():
    np.testing.assert_array_equal(sum_of_counts(None, np.array([1.0, 2.0]), 3), [1, 2, 0])
    np.testing.assert_array_equal(sum_of_counts(np.array([4.0]), np.array([1.0, 2.0]), 2), [5, 2])
    np.testing.assert_array_equal(sum_of_counts(np.array([4.0, 1.0]), np.array([1.0]), 2), [5, 1])


def test_all_rows_count_unless_some_are_named():
    X = canonical_csr(sp.csr_array(np.array([[1, 2, 0], [0, 3, 0]], dtype=np.float32)))
    samples = Samples(X, np.zeros((1, 2), dtype=np.float32), np.array([1.0, 2.0], dtype=np.float32))
    np.testing.assert_array_equal(counts_of(samples), counts_of(samples, np.array([0, 1])))


@pytest.mark.parametrize("estimator", [FMClassifier, FMRegressor, *FIELD_AWARE])
@pytest.mark.parametrize("solver", ["sgd", "adagrad", "adam"])
def test_all_rows_in_one_batch_train_as_fit_does(data, estimator, solver):
    X, y = data[0], target_of(estimator, data[1])
    params = L2 | {"solver": solver}
    whole = make(estimator, **params).fit(X, y)
    assert_same_states(make(estimator, **params).fit_stream([(X, y)]), whole)
    assert_same_states(make(estimator, **params).partial_fit(X, y), whole)
    same_at_each_visit = make(estimator, **params | {"l2_exponent": 1.0}).fit(X, y)
    assert np.abs(whole.w_ - same_at_each_visit.w_).max() > 1e-4


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_weighted_rows_of_a_softmax_count_in_a_stream_as_in_fit(data, n_jobs):
    X, y = data[0], np.digitize(data[1], [-1.0, 1.0])
    weight = np.random.default_rng(0).uniform(0.5, 2.0, N_ROWS)
    params = L2 | {"multi_class": "multinomial", "n_jobs": n_jobs}
    whole = make(**params).fit(X, y, weight)
    stream = make(**params).fit_stream([(X, y, weight)])
    np.testing.assert_allclose(stream.w_, whole.w_, rtol=1e-5, atol=1e-7)


def test_copies_of_hot_features_count_as_the_features(data):
    X, y = data
    one, two = (make(FMRegressor, n_jobs=n, **L2).fit_stream([(X, y)] * 2, buffer_rows=N_ROWS) for n in (1, 2))
    np.testing.assert_array_equal(two._visit_counts, one._visit_counts)
    np.testing.assert_array_equal(one._visit_counts, 2 * X.sum(axis=0))


def test_batches_pay_by_all_visits_so_far(data):
    X, y = data
    first, second = slice(0, 500), slice(500, 900)
    streamed = make(FMRegressor, **L2).fit_stream([(X[first], y[first])])
    np.testing.assert_array_equal(streamed._visit_counts, X[first].sum(axis=0))
    both = streamed.partial_fit(X[second], y[second])
    np.testing.assert_array_equal(both._visit_counts, X[:900].sum(axis=0))
    without_first = make(FMRegressor, **L2).fit_stream([(X[first], y[first])])
    without_first._visit_counts = None
    assert np.abs(without_first.partial_fit(X[second], y[second]).w_ - both.w_).max() > 1e-5


def test_as_many_epochs_change_nothing_in_what_features_pay(data):
    X, y = data
    scales = []
    for n_epochs in (1, 3):
        model = make(FMRegressor, **L2).fit_stream(batches(X, y, 400), n_epochs)
        scales.append(model._visit_counts / model._visit_counts.sum())
    np.testing.assert_allclose(scales[1], scales[0], rtol=1e-12)


def test_counts_grow_with_the_model(data):
    X, y = data
    narrow = sp.csr_array(X[:, :40])
    by_stream = make(FMRegressor, **L2).fit_stream([(narrow, y), (X, y)], buffer_rows=N_ROWS)
    in_turn = make(FMRegressor, **L2).partial_fit(narrow, y).partial_fit(X, y)
    for model in (by_stream, in_turn):
        np.testing.assert_array_equal(model._visit_counts[:40], 2 * X[:, :40].sum(axis=0))
        np.testing.assert_array_equal(model._visit_counts[40:], X[:, 40:].sum(axis=0))
    grown = make(FMRegressor, **L2).fit(narrow, y).grow(70)
    grown.partial_fit(sp.csr_array((X.data, X.indices, X.indptr), (N_ROWS, 70)), y)
    assert len(grown._visit_counts) == 70


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("crash", [1, 3, 9])
def test_a_stream_goes_on_with_its_counts(data, tmp_path, crash, cached):
    X, y = data

    def fit(folder, listener=None):
        folder.mkdir(exist_ok=True)
        cache = folder / "cache" if cached else None
        files = {"cache": cache, "checkpoint": folder / "fit.fastfm", "checkpoint_every": 0.0}
        params = L2 | {"shuffle": True}
        return make(FMRegressor, **params).fit_stream(batches(X, y, 90), 2, buffer_rows=200, progress=listener, **files)

    with pytest.raises(Crash):
        fit(tmp_path / "a", crash_after(crash))
    resumed, unbroken = fit(tmp_path / "a"), fit(tmp_path / "b")
    assert_same_states(resumed, unbroken)
    np.testing.assert_array_equal(resumed._visit_counts, unbroken._visit_counts)


def test_a_saved_model_goes_on_with_its_counts(data, tmp_path):
    X, y = data
    model = make(FMRegressor, **L2).fit(X[:600], y[:600])
    twin = type(model)._from_state(*model._to_state())
    assert_same_states(twin.partial_fit(X[600:], y[600:]), model.partial_fit(X[600:], y[600:]))


def test_models_whose_l2_is_the_same_at_each_visit_count_nothing(data):
    X, y = data
    model = make(FMRegressor, **L2).fit(X, y)
    assert "visit_counts" in model._to_state()[1]
    model.set_params(l2_exponent=1.0)
    for train in (lambda: model.fit(X, y), lambda: model.partial_fit(X, y), lambda: model.fit_stream([(X, y)])):
        model._visit_counts = np.ones(3)
        train()
        assert "visit_counts" not in model._to_state()[1]


def test_a_cold_stream_begins_to_count_anew(data):
    X, y = data
    model = make(FMRegressor, **L2).fit(X, y)
    np.testing.assert_array_equal(model.fit_stream([(X, y)])._visit_counts, X.sum(axis=0))
    model.set_params(warm_start=True).fit_stream([(X, y)])
    np.testing.assert_array_equal(model._visit_counts, 2 * X.sum(axis=0))


NOT_COUNTS = [np.full(60, -1.0), np.full(60, np.nan), np.ones(61), np.ones((60, 1)), np.ones(9, dtype=int)]


@pytest.mark.parametrize("counts", NOT_COUNTS, ids=["negative", "NaN", "too many", "a table", "whole numbers"])
def test_counts_that_are_none_are_refused(data, counts):
    meta, arrays = make(FMRegressor, **L2).fit(*data)._to_state()
    with pytest.raises(ValueError, match="visit_counts"):
        FMRegressor._from_state(meta, arrays | {"visit_counts": counts})
