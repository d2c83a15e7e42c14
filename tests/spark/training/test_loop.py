"""Training on packed rows."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

import fastfm_ext
from fastfm_ext.spark.training import TrainingSettings, train
from field_aware_cases import REGRESSORS
from model_bits import bits

N_USERS, N_ITEMS = 60, 30


def test_it_learns_what_one_machine_learns(ratings):
    estimator = fastfm_ext.FMRegressor(n_factors=4, random_state=0)
    model = train(estimator, ratings.packed, TrainingSettings(n_epochs=12, n_rounds=3))
    assert len(model.history_["val_loss"]) == model.n_iter_
    alone = fastfm_ext.FMRegressor(n_factors=4, random_state=0, max_iter=12, early_stopping=False)
    alone.fit(ratings.X, ratings.y)
    errors = [np.sqrt(np.mean((each.predict(ratings.X) - ratings.y) ** 2)) for each in (model, alone)]
    assert errors[1] < errors[0] < 0.25 < 0.3 * ratings.y.std()


def test_it_keeps_the_best_epoch(ratings):
    estimator = fastfm_ext.FMRegressor(n_factors=4, learning_rate=1.0, n_iter_no_change=2, random_state=0)
    model = train(estimator, ratings.packed, TrainingSettings(n_epochs=8, n_rounds=1))
    losses = model.history_["val_loss"]
    assert model.best_epoch_ == int(np.argmin(losses)) + 1
    until_best = train(estimator, ratings.packed, TrainingSettings(n_epochs=model.best_epoch_, n_rounds=1))
    np.testing.assert_array_equal(bits(model), bits(until_best))


def test_what_comes_worker_by_worker_is_merged_to_the_same_bits(ratings, monkeypatch):
    estimator = fastfm_ext.FMRegressor(n_factors=4, random_state=0)
    settings = TrainingSettings(n_epochs=1, n_rounds=2)
    at_once = train(estimator, ratings.packed, settings)
    monkeypatch.setattr("fastfm_ext.spark.training.loop.MOST_BYTES_AT_ONCE", 0)
    one_by_one = train(estimator, ratings.packed, settings)
    np.testing.assert_array_equal(bits(one_by_one), bits(at_once))


@pytest.mark.parametrize(
    "estimator",
    [
        fastfm_ext.FMRegressor(n_factors=4, random_state=0),
        fastfm_ext.FMRegressor(n_factors=4, solver="ftrl", random_state=0),
        fastfm_ext.FFMRegressor(n_factors=4, fields=np.arange(900) // N_USERS, random_state=0),
    ],
    ids=["adagrad", "ftrl", "fields"],
)
def test_features_without_rows_need_not_travel(ratings, estimator, monkeypatch):
    first = ratings.packed.first
    wide = replace(ratings.packed, n_features=900, first=first._replace(X=replace(first.X, n_features=900)))
    settings = TrainingSettings(n_epochs=2, n_rounds=2)
    touched_alone = train(estimator, wide, settings)
    assert np.count_nonzero(touched_alone.w_) == ratings.X.shape[1]
    monkeypatch.setattr("fastfm_ext.spark.training.sending._Touched", None)  # that it is not used, now
    monkeypatch.setattr("fastfm_ext.spark.training.sending.LEAST_SHARE_OF_ALL", 0.0)
    all_sent = train(estimator, wide, settings)
    np.testing.assert_array_equal(bits(touched_alone), bits(all_sent))
    assert touched_alone.history_["val_loss"] == all_sent.history_["val_loss"]


def test_a_divergence_says_what_to_try(ratings):
    estimator = fastfm_ext.FMRegressor(n_factors=4, learning_rate=1e6, solver="sgd", l2_w=0, l2_V=0, random_state=0)
    with pytest.raises(fastfm_ext.DivergenceError, match="learning_rate"):
        train(estimator, ratings.packed, TrainingSettings(n_epochs=2))


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_field_aware_models_learn_what_they_learn_on_one_machine(ratings, estimator):
    fields = np.repeat(["user", "item"], [N_USERS, N_ITEMS])
    params = {"n_factors": 4, "fields": fields, "normalize": True, "random_state": 0}
    model = train(estimator(**params), ratings.packed, TrainingSettings(n_epochs=12, n_rounds=3))
    assert model.field_names_[model.fields_].tolist() == fields.tolist()
    alone = estimator(**params, max_iter=12, early_stopping=False).fit(ratings.X, ratings.y)
    errors = [np.sqrt(np.mean((each.predict(ratings.X) - ratings.y) ** 2)) for each in (model, alone)]
    assert max(errors) < 0.5 * ratings.y.std()
    if hasattr(model, "R_"):  # no row has a pair of one field, which is as it began
        assert (model.R_[0, 1] != model.R_[0, 0]).any()


def test_fields_of_too_few_features_are_refused(ratings):
    with pytest.raises(ValueError, match="fields holds the fields of 3 features, and there are 90"):
        train(fastfm_ext.FFMRegressor(fields=[0, 0, 1]), ratings.packed, TrainingSettings(n_epochs=1))


def test_factors_in_float16_and_l2_by_frequency_are_refused(ratings):
    with pytest.raises(ValueError, match="Spark trains with dtype=\"float32\"; got 'float16'"):
        train(fastfm_ext.FMRegressor(dtype="float16"), ratings.packed, TrainingSettings(n_epochs=1))
    with pytest.raises(ValueError, match=r"Spark trains with l2_exponent=1\.0, at which L2 needs no counts; got 0.5"):
        train(fastfm_ext.FMRegressor(l2_exponent=0.5), ratings.packed, TrainingSettings(n_epochs=1))
