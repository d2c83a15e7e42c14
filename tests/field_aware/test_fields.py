"""Field-aware estimators: where the fields come from, growth, normalized rows, and what they refuse."""

import io
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import field_aware_cases
from fastfm_ext import FMEncoder, ModelFileError, load_model, save_model
from field_aware_cases import CLASSIFIERS, FIELD_AWARE, REGRESSORS, encoded, make, plain, scores, target_of

table = field_aware_cases.table


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_the_fields_of_an_encoder_reach_the_model_in_a_pipeline(estimator, table):
    encoder, X = encoded(table)
    y = target_of(estimator, table)
    given = make(estimator, fields=encoder.fields_).fit(plain(X), y)
    noted = make(estimator).fit(X, y)
    pipeline = make_pipeline(clone(encoder), make(estimator)).fit(table[0], y)
    assert given.field_names_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(given.fields_, encoder.fields_)
    np.testing.assert_array_equal(scores(noted, X), scores(given, X))
    np.testing.assert_array_equal(scores(pipeline, table[0]), scores(given, X))


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_pipelines_are_cross_validated(estimator, table):
    columns = np.column_stack(list(table[0].values()))
    frame = pytest.importorskip("pandas", reason="needs pandas").DataFrame(columns, columns=list(table[0]))
    pipeline = make_pipeline(FMEncoder(user=["user"], item=["item"]), make(estimator, max_iter=50))
    assert cross_val_score(pipeline, frame, table[2], cv=3).mean() > 0.8


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_columns_without_fields_are_fields_of_their_own(estimator, table):
    columns = np.column_stack(list(table[0].values()))
    model = make(estimator).fit(columns, target_of(estimator, table))
    assert model.fields_.tolist() == [0, 1, 2]
    pd = pytest.importorskip("pandas", reason="needs pandas")
    model.fit(pd.DataFrame(columns, columns=["user", "item", "day"]), target_of(estimator, table))
    assert model.field_names_[model.fields_].tolist() == ["user", "item", "day"]


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_wide_rows_without_fields_are_refused(estimator, table):
    X = sp.csr_array((np.ones(900), (np.arange(900), np.arange(900) % 300)))
    with pytest.raises(ValueError, match=r"X has 300 features; without it, .*fields=encoder.fields_"):
        make(estimator).fit(X, target_of(estimator, table))


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_fields_of_too_few_features_are_refused(estimator, table):
    encoder, X = encoded(table)
    with pytest.raises(ValueError, match=f"fields of 20 features, and there are {X.shape[1]}"):
        make(estimator, fields=encoder.fields_[:20]).fit(plain(X), target_of(estimator, table))


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_fields_of_values_are_refused_with_what_to_do(estimator, table):
    encoder, X = encoded(table)
    X = plain(X)
    of_values = encoder.fields_[X.indices]
    with pytest.raises(ValueError, match=r"one for each value of X, as read_libffm returns .*fields_of_features\(X"):
        make(estimator, fields=of_values).fit(X, target_of(estimator, table))
    with pytest.raises(ValueError, match=r"got 2,700 of them for 30 features"):
        make(estimator, fields=of_values).partial_fit(X[:, :30], target_of(estimator, table))


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_too_many_fields_for_the_memory_are_told(estimator, table, monkeypatch):
    def aligned_empty(shape, dtype):
        raise MemoryError("Unable to allocate 1.16 TiB")

    monkeypatch.setattr("fastfm_ext._engine.parameters.aligned_empty", aligned_empty)
    _, X = encoded(table)
    message = rf"^{X.shape[1]} features in 3 fields, with n_factors=4: Unable to allocate 1\.16 TiB$"
    with pytest.raises(MemoryError, match=message):
        make(estimator, n_factors=4).fit(X, target_of(estimator, table))


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_fields_make_the_model_another_one_unless_only_their_names_change(estimator, table):
    encoder, X = encoded(table)
    X, y = plain(X), target_of(estimator, table)
    fields = encoder.fields_
    first = make(estimator, fields=fields).fit(X, y)
    named = make(estimator, fields=np.array(["a", "b", "c"])[fields]).fit(X, y)
    np.testing.assert_array_equal(scores(first, X), scores(named, X))
    other = make(estimator, fields=fields // 2).fit(X, y)
    assert (scores(first, X) != scores(other, X)).any()


# --- growth --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_a_model_grows_with_its_encoder(estimator, table):
    encoder, X = encoded(table)
    y = target_of(estimator, table)
    model = make(estimator).fit(X, y)
    before = scores(model, X)
    n_before = X.shape[1]
    X = encoder.partial_fit({"user": [100], "item": [200], "day": [0]}).transform(table[0])
    model.set_params(fields=encoder.fields_).grow(X.shape[1])
    np.testing.assert_array_equal(scores(model, X), before)
    np.testing.assert_array_equal(model.fields_, encoder.fields_)
    new = encoder.transform({"user": [100], "item": [200], "day": [0]})
    model.set_params(fields=None).partial_fit(new, y[:1])
    assert model.w_[n_before:].all()


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_growth_without_fields_says_what_to_set(estimator, table):
    encoder, X = encoded(table)
    model = make(estimator, fields=encoder.fields_).fit(X, target_of(estimator, table))
    with pytest.raises(ValueError, match=r"model.set_params\(fields=encoder.fields_\)"):
        model.grow(X.shape[1] + 1)
    assert model.n_features_in_ == X.shape[1]
    longer = make(estimator, fields=[*encoder.fields_, 1]).fit(plain(X), target_of(estimator, table))
    assert longer.grow(X.shape[1] + 1).fields_[-1] == 1


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_a_warm_start_with_other_fields_is_refused(estimator, table):
    encoder, X = encoded(table)
    y = target_of(estimator, table)
    model = make(estimator, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="feature 0 was of the field 0 and is now of 2"):
        model.set_params(fields=2 - encoder.fields_).fit(X, y)
    model.set_params(warm_start=False).fit(X, y)


# --- streams -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_a_stream_trains_the_model_of_fit(estimator, table):
    _, X = encoded(table)
    y = target_of(estimator, table)
    batches = [(X[first : first + 300], y[first : first + 300]) for first in range(0, 900, 300)]
    batches[0][0].fields = X.fields
    params = {"shuffle": False, "early_stopping": False, "max_iter": 3, "n_iter_no_change": 3}
    streamed = make(estimator, **params).fit_stream(batches, 3)
    fitted = make(estimator, **params).fit(X, y)
    np.testing.assert_array_equal(scores(streamed, X), scores(fitted, X))


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_a_stream_is_taken_up_from_its_checkpoint(estimator, table, tmp_path):
    encoder, X = encoded(table)
    y = target_of(estimator, table)

    def trained(n_epochs, path):
        model = make(estimator, fields=encoder.fields_)
        return model.fit_stream([(plain(X), y)], n_epochs, validation=(X, y), checkpoint=path)

    trained(1, tmp_path / "a")
    resumed, whole = trained(3, tmp_path / "a"), trained(3, tmp_path / "b")
    np.testing.assert_array_equal(scores(resumed, X), scores(whole, X))
    with pytest.raises(ValueError, match="fields was"):
        make(estimator, fields=encoder.fields_[::-1]).fit_stream([(plain(X), y)], 4, checkpoint=tmp_path / "a")


# --- rows of unit length -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_normalized_rows_are_those_of_unit_length(estimator, table):
    X, y = np.random.default_rng(0).normal(3.0, 1.0, size=(900, 6)), target_of(estimator, table)
    lengths = np.sqrt((X**2).sum(axis=1, keepdims=True))
    model = make(estimator, normalize=True).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(scores(model, X), scores(model, 7 * X), rtol=1e-5, atol=1e-6)
    by_hand = make(estimator, normalize=True).fit(X / lengths, y, X_val=X / lengths, y_val=y)
    np.testing.assert_allclose(scores(model, X), scores(by_hand, X / lengths), rtol=1e-4, atol=1e-4)
    streamed = make(estimator, normalize=True, shuffle=False).fit_stream([(X, y)])
    np.testing.assert_allclose(scores(streamed, X), scores(streamed, X / lengths), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(scores(model, sp.csr_array((1, 6))), np.float32([model.w0_]))


# --- copies, files, refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_files_and_pickles_keep_the_fields(estimator, table):
    _, X = encoded(table)
    names = np.array(["user", "item", "day"])[X.fields]
    model = make(estimator, fields=[*names, "day"]).fit(plain(X), target_of(estimator, table))
    file = io.BytesIO()
    save_model(file, model)
    for twin in (load_model(file).model, pickle.loads(pickle.dumps(model))):
        assert type(twin) is estimator
        np.testing.assert_array_equal(scores(twin, X), scores(model, X))
        assert twin.field_names_.tolist() == ["day", "item", "user"]
        twin.partial_fit(plain(X), target_of(estimator, table))
        assert twin.grow(X.shape[1] + 1).fields_[-1] == 0


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_parameters_of_another_model_are_refused(estimator, table):
    _, X = encoded(table)
    meta, arrays = make(estimator).fit(X, target_of(estimator, table))._to_state()
    with pytest.raises(ValueError, match="parameters of the model 'fm'"):
        estimator._from_state(meta | {"model": "fm"}, arrays)
    assert issubclass(ModelFileError, Exception)


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_solvers_for_factorization_machines_alone_are_refused(estimator, table):
    _, X = encoded(table)
    with pytest.raises(ValueError, match=rf'solver="als" is for factorization machines; {estimator.__name__} takes'):
        make(estimator, solver="als").fit(X, target_of(estimator, table))


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_numeric_columns_far_from_zero_have_weights_of_their_own_values(estimator, table):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(50, 1, 900), rng.normal(-20, 2, 900), rng.normal(size=900)])
    model = make(estimator, max_iter=20).fit(X, X[:, 0] * X[:, 1] + 1000 > 0 if estimator in CLASSIFIERS else X[:, 0])
    assert len(model._units.centers) == 2
    # The score of a row of nothing is w0, and that of a single value adds its weight.
    rows = np.vstack([np.zeros(3), np.eye(3)])
    found = scores(model, rows).astype(float)
    expected = model.w0_ + np.concatenate([[0], model.w_])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


# --- parameters of another program -----------------------------------------------------------------------------------


def given(model, **hyperparameters):
    """A model of the parameters of another."""
    parts = {"R": model.R_} if hasattr(model, "R_") else {}
    if hasattr(model, "classes_"):
        parts["classes"] = model.classes_
    return type(model).from_parameters(model.w0_, model.w_, model.V_, **parts, random_state=0, **hyperparameters)


@pytest.mark.parametrize("n_factors", [0, 3, 4])
@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_given_parameters_predict_as_those_of_the_model_and_are_trained_further(estimator, n_factors, table):
    encoder, X = encoded(table)
    X, y = plain(X), target_of(estimator, table)
    model = make(estimator, n_factors=n_factors, fields=encoder.fields_, max_iter=30).fit(X, y)
    twin = given(model, fields=encoder.fields_)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_allclose(scores(twin, X), scores(model, X), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(twin.V_, model.V_)
    file = io.BytesIO()
    save_model(file, twin)
    np.testing.assert_array_equal(scores(load_model(file).model, X), scores(twin, X))
    twin.partial_fit(X, y)
    fresh = make(estimator, n_factors=n_factors, fields=encoder.fields_).partial_fit(X, y)
    assert twin.history_["train_loss"][0] < fresh.history_["train_loss"][0]


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_given_parameters_of_several_classes(estimator, table):
    encoder, X = encoded(table)
    model = make(estimator, fields=encoder.fields_).fit(plain(X), np.digitize(table[1], [-0.5, 0.5]))
    twin = given(model, fields=encoder.fields_)
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))
    assert twin.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_given_parameters_of_other_shapes_are_refused(estimator, table):
    encoder, X = encoded(table)
    model = make(estimator, fields=encoder.fields_).fit(plain(X), table[1])
    fields = np.where(encoder.fields_ == 2, 3, encoder.fields_)
    fields[0] = 2
    with pytest.raises(
        ValueError, match=r"V has vectors for 3 fields, and the features are of 4|R must have the shape \(n_fields=4"
    ):
        given(model, fields=fields)
    w0, w, V = model.w0_, model.w_, model.V_
    if not hasattr(model, "R_"):
        with pytest.raises(ValueError, match=f"{estimator.__name__} has no R"):
            estimator.from_parameters(w0, w, V, np.eye(3), fields=encoder.fields_)
        return
    with pytest.raises(ValueError, match="R is missing"):
        estimator.from_parameters(w0, w, V, fields=encoder.fields_)
    R = model.R_.copy()
    R[0, 1] += 1.0
    with pytest.raises(ValueError, match=r"R\[G, F\] must be"):
        estimator.from_parameters(w0, w, V, R, fields=encoder.fields_)
