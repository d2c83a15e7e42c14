"""Model files, pickles and clones of Bayesian models."""

import copy
import io
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

import bayesian_cases
from bayesian_cases import FIELDS
from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMOrdinalClassifier,
    BayesianFMRegressor,
    FMEncoder,
    ModelFileError,
    load_model,
    save_model,
)

ratings = bayesian_cases.ratings
SETTINGS = {"n_factors": 3, "max_sweeps": 40, "random_state": 0, "fields": FIELDS}


def saved_and_loaded(model):
    file = io.BytesIO()
    save_model(file, model)
    return load_model(file).model


def assert_same_state(first, second):
    assert vars(first).keys() == vars(second).keys() - {"_has_no_units"}
    for name in ("n_sweeps_", "burn_in_", "is_exact_", "mc_error_", "r_hat_", "history_", "n_samples_"):
        assert getattr(first, name) == getattr(second, name)
    np.testing.assert_equal(first.hyperparameters_, second.hyperparameters_)
    np.testing.assert_array_equal(first.autocorrelation_, second.autocorrelation_)


@pytest.mark.parametrize("keep", ["samples", "distilled", "mean"])
@pytest.mark.parametrize(
    ("estimator", "edges"),
    [
        (BayesianFMRegressor, None),
        (BayesianFMClassifier, [3]),
        (BayesianFMClassifier, [2, 4]),
        (BayesianFMOrdinalClassifier, [2, 3, 4]),
    ],
)
def test_a_saved_model_predicts_the_same(ratings, estimator, edges, keep):
    X, y, X_test, _ = ratings
    model = estimator(keep=keep, **SETTINGS).fit(X, y if edges is None else np.digitize(y, edges))
    again = saved_and_loaded(model)
    np.testing.assert_array_equal(again.fields, FIELDS)
    assert_same_state(model, again)
    for method in ("predict", "predict_proba", "predict_mean"):
        if hasattr(model, method):
            np.testing.assert_array_equal(getattr(again, method)(X_test), getattr(model, method)(X_test))
    if keep == "samples" and estimator is BayesianFMRegressor:
        np.testing.assert_array_equal(again.predict_std(X_test), model.predict_std(X_test))


def test_copies_and_clones(ratings):
    X, y, X_test, _ = ratings
    model = BayesianFMRegressor(warm_start=True, **SETTINGS).fit(X, y)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        np.testing.assert_array_equal(again.predict(X_test), model.predict(X_test))
        assert not hasattr(again, "_sampler")
    assert len(pickle.dumps(model)) < 100_000
    new = clone(model).fit(X, y)
    np.testing.assert_array_equal(new.predict(X_test), model.predict(X_test))


def test_a_file_with_damaged_draws_is_refused(ratings):
    X, y, _, _ = ratings
    model = BayesianFMRegressor(**SETTINGS).fit(X, y)
    meta, arrays = model._to_state()
    for changed in (
        {"draws_V_0": arrays["draws_V_0"][:, :-1]},
        {"draws_noise_0": np.zeros_like(arrays["draws_noise_0"])},
        {"mean_V_records_0": arrays["mean_V_records_0"][:-1]},
    ):
        with pytest.raises(ValueError, match=r"draws of shape|noise precision|parameters of shape"):
            BayesianFMRegressor._from_state(meta, arrays | changed)
    with pytest.raises(ValueError, match="shares"):
        BayesianFMRegressor._from_state(meta | {"covariance_shares": []}, arrays)
    file = io.BytesIO()
    save_model(file, model)
    content = bytearray(file.getvalue())
    content[len(content) // 2] ^= 1
    with pytest.raises(ModelFileError):
        load_model(io.BytesIO(bytes(content)))


def test_a_pipeline_with_an_encoder_is_saved():
    rng = np.random.default_rng(0)
    table = {"city": rng.choice(["Rome", "Oslo", "Lima"], 200).tolist(), "age": rng.normal(40, 9, 200).tolist()}
    y = np.array(table["age"]) / 10 + (np.array(table["city"]) == "Rome")
    pipeline = make_pipeline(FMEncoder(), BayesianFMRegressor(n_factors=2, max_sweeps=40, random_state=0))
    pipeline.fit(table, y)
    again = saved_and_loaded(pipeline)
    np.testing.assert_array_equal(again.predict(table), pipeline.predict(table))
    assert np.corrcoef(again.predict(table), y)[0, 1] > 0.9
