"""Class weights: they are sample weights by class, for `fit`, `partial_fit` and streams."""

import numpy as np
import pytest
from sklearn.utils import compute_class_weight, compute_sample_weight

from fastfm_ext import FMClassifier, load_model, save_model

LABELS = {"two": ["no", "yes"], "three": ["a", "b", "c"], "numbers": [-1, 4]}


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(1).normal(size=(600, 5))


def targets(X, labels):
    noise = np.random.default_rng(2).normal(size=len(X))
    return np.asarray(labels)[np.digitize(X[:, 0] + noise, [1.2, 2.0][: len(labels) - 1])]


def make(**params):
    return FMClassifier(**({"n_factors": 3, "max_iter": 5, "random_state": 0} | params))


def assert_same_model(a, b):
    for name in ("w0_", "w_", "V_"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_class_weight_multiplies_the_weights_of_its_rows(X, labels, weighted, early_stopping):
    y = targets(X, labels)
    given = np.random.default_rng(3).integers(1, 4, len(y)).astype(float) if weighted else np.ones(len(y))
    class_weight = {labels[0]: 0.5, labels[-1]: 3.0}
    class_weight |= dict.fromkeys(labels[1:-1], 1.0)
    by_row = given * np.array([class_weight[label] for label in y.tolist()])
    model = make(class_weight=class_weight, early_stopping=early_stopping).fit(X, y, given if weighted else None)
    assert_same_model(model, make(early_stopping=early_stopping).fit(X, y, by_row))


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_balanced_is_that_of_scikit_learn(X, labels):
    y = targets(X, labels)
    balanced = make(class_weight="balanced").fit(X, y)
    assert_same_model(balanced, make().fit(X, y, compute_sample_weight("balanced", y)))


def test_balanced_counts_a_row_of_weight_two_twice(X):
    y = targets(X, LABELS["two"])
    weight = np.where(y == "yes", 2.0, 1.0)
    balanced = make(class_weight="balanced").fit(X, y, weight)
    n = np.array([weight[y == label].sum() for label in ("no", "yes")])
    by_row = weight * (n.sum() / (2 * n))[(y == "yes").astype(int)]
    assert_same_model(balanced, make().fit(X, y, by_row))


def test_a_warm_fit_balances_the_classes_that_it_is_given(X):
    y = targets(X, LABELS["three"])
    model = make(class_weight="balanced", warm_start=True).fit(X, y)
    some = y != "c"
    model.fit(X[some], y[some])
    assert list(model.classes_) == ["a", "b", "c"]
    assert np.isfinite(model.predict_proba(X)).all()


def test_validation_rows_that_are_given_count_as_they_are(X):
    y = targets(X, LABELS["two"])
    model = make(class_weight={"yes": 5.0}).fit(X, y, X_val=X, y_val=y)
    p = model.predict_proba(X)[np.arange(len(y)), (y == "yes").astype(int)]
    assert model.history_["val_loss"][model.best_epoch_ - 1] == pytest.approx(-np.log(p).mean(), rel=1e-5)


def test_a_batch_is_weighted_by_a_dict(X):
    y = targets(X, LABELS["two"])
    class_weight, by_row = {"yes": 4.0}, np.where(y == "yes", 4.0, 1.0)
    assert_same_model(make(class_weight=class_weight).partial_fit(X, y), make().partial_fit(X, y, sample_weight=by_row))
    streamed = make(class_weight=class_weight).fit_stream([(X, y)], 3, validation=(X, y))
    plain = make().fit_stream([(X, y, by_row)], 3, validation=(X, y))
    assert_same_model(streamed, plain)
    np.testing.assert_allclose(streamed.history_["val_loss"], plain.history_["val_loss"], rtol=1e-5)


def test_balanced_is_refused_where_rows_come_in_batches(X):
    y = targets(X, LABELS["two"])
    model = make(class_weight="balanced")
    for train in (lambda: model.partial_fit(X, y), lambda: model.fit_stream([(X, y)])):
        with pytest.raises(ValueError, match=r"compute_class_weight\(\"balanced\", classes=classes, y=y\)"):
            train()
    classes = np.unique(y)
    weights = dict(zip(classes, compute_class_weight("balanced", classes=classes, y=y), strict=True))
    by_hand = make(class_weight=weights).partial_fit(X, y)
    assert_same_model(by_hand, make().partial_fit(X, y, sample_weight=compute_sample_weight("balanced", y)))


@pytest.mark.parametrize(
    "value", ["even", 2.0, {"yes": 0.0}, {"yes": -1.0}, {"yes": np.nan}, {"yes": "2"}, [("yes", 2.0)]], ids=str
)
def test_other_class_weights_are_refused_by_name(X, value):
    with pytest.raises(ValueError, match=r'^class_weight of FMClassifier must be None, "balanced" or a dict'):
        make(class_weight=value).fit(X, targets(X, LABELS["two"]))


def test_weights_of_classes_that_there_are_not_are_refused(X):
    with pytest.raises(ValueError, match="are not in class_weight"):
        make(class_weight={"maybe": 2.0}).fit(X, targets(X, LABELS["two"]))


def test_weights_beyond_float32_are_refused(X):
    with pytest.raises(ValueError, match="class_weight times sample_weight is too large"):
        make(class_weight={"yes": 1e38}).fit(X, targets(X, LABELS["two"]), np.full(len(X), 1e3))


@pytest.mark.parametrize(
    "class_weight", [None, "balanced", {"no": 0.5, "yes": 2.0}, {np.str_("yes"): np.float64(2.0)}], ids=str
)
def test_class_weights_are_saved(X, tmp_path, class_weight):
    model = make(class_weight=class_weight).fit(X, targets(X, LABELS["two"]))
    save_model(tmp_path / "model.fm", model)
    assert load_model(tmp_path / "model.fm").model.class_weight == class_weight


def test_numbers_as_classes_come_back_as_numbers(X, tmp_path):
    model = make(class_weight={-1: 2.0, np.int64(4): 3.0}).fit(X, targets(X, LABELS["numbers"]))
    save_model(tmp_path / "model.fm", model)
    assert load_model(tmp_path / "model.fm").model.class_weight == {-1: 2.0, 4: 3.0}


# --- batches that lack classes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["partial_fit", "fit_stream"])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_a_first_batch_of_one_class_is_learned_when_the_classes_are_named(X, labels, first):
    y = targets(X, labels)
    only = y == labels[0]
    model = make(learning_rate=0.2)
    if first == "partial_fit":
        model.partial_fit(X[only], y[only], classes=labels)
    else:
        model.fit_stream([(X[only], y[only])], classes=labels)
    assert set(model.predict(X)) == {labels[0]}
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    for _ in range(20):
        model.partial_fit(X, y)
    afresh = make(learning_rate=0.2, max_iter=20, early_stopping=False).fit(X, y)
    assert model.score(X, y) > afresh.score(X, y) - 0.02


def test_a_stream_that_begins_with_one_class_soon_learns_the_rate_of_the_other():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(4000, 4))
    y = (rng.random(4000) < 0.5).astype(int)
    model = make().partial_fit(X[y == 1], y[y == 1], classes=[0, 1])
    for begin in range(0, 4000, 500):
        model.partial_fit(X[begin : begin + 500], y[begin : begin + 500])
    assert model.predict_proba(X)[:, 1].mean() == pytest.approx(0.5, abs=0.15)


def test_one_class_without_names_is_refused_with_advice(X):
    with pytest.raises(ValueError, match="name all of them with classes="):
        make().partial_fit(X, np.ones(len(X)))


@pytest.mark.parametrize("label", ["absent", "zebra"])
def test_a_label_that_is_none_of_the_classes_is_named_though_classes_have_weights(X, label):
    y = targets(X, LABELS["two"])
    model = make(class_weight={"yes": 2.0}).partial_fit(X, y)
    with pytest.raises(ValueError, match=f"y holds the class {label}, which is not among"):
        model.partial_fit(X, np.where(y == "yes", label, y))


@pytest.mark.parametrize("named", [{"007": 2.0, "7": 3.0}, {"7": 3.0, "007": 2.0}])
def test_texts_that_are_numbers_are_classes_by_their_text(X, named):
    y = np.array(["7", "007"] * len(X))[: len(X)]
    weighted = FMClassifier(random_state=0, class_weight=named).fit(X, y)
    by_row = FMClassifier(random_state=0).fit(X, y, np.where(y == "7", 3.0, 2.0))
    np.testing.assert_array_equal(weighted.predict_proba(X), by_row.predict_proba(X))
