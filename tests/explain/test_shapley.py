"""Contributions are Shapley values: what the definition gives, and what shap's exact explainer finds."""

import io
import itertools
import lzma
import re

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_svmlight_file
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from fastfm_ext import (
    BayesianFMClassifier,
    BayesianFMRegressor,
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRegressor,
    multi,
    numeric,
)
from fastfm_ext._reference.contributions import shapley_values
from fastfm_ext.explain import contributions, importance
from field_aware_cases import FIELD_AWARE

N = 300


def make_rows(n_features=8, n_rows=N, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * (rng.random((n_rows, n_features)) < 0.6)
    X[:, 0] = 2000 + rng.integers(0, 30, n_rows)  # a year, which is centered
    y = X[:, 1] * X[:, 2] + 0.1 * (X[:, 0] - 2015) * X[:, 3] + X[:, 4]
    return X, y


def shuffled(y, n_classes):
    return np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))


X, Y = make_rows()
CASES = {
    "regressor": lambda: FMRegressor(3, random_state=0, max_iter=8).fit(X, Y),
    "far target": lambda: FMRegressor(3, random_state=0, max_iter=8).fit(X, Y + 1e6),
    "classifier": lambda: FMClassifier(3, random_state=0, max_iter=8).fit(X, shuffled(Y, 2)),
    "one against the rest": lambda: FMClassifier(3, random_state=0, max_iter=5).fit(X, shuffled(Y, 3)),
    "softmax": lambda: FMClassifier(3, multi_class="multinomial", random_state=0, max_iter=5).fit(X, shuffled(Y, 3)),
    "linear": lambda: FMRegressor(0, random_state=0, max_iter=8).fit(X, Y),
    "bayesian": lambda: BayesianFMRegressor(2, random_state=0, tol=0.5, n_samples=5).fit(X, Y),
}
FIELDS = np.arange(8) % 3
CASES |= {
    cls.__name__: lambda cls=cls: cls(3, fields=FIELDS, random_state=0, max_iter=8).fit(X, shuffled(Y, 3))
    for cls in FIELD_AWARE
}
FITTED = {}


def fitted(name):
    if name not in FITTED:
        FITTED[name] = CASES[name]()
    return FITTED[name]


def score_of(model, rows):
    if hasattr(model, "decision_function"):
        return model.decision_function(rows)
    return model.predict(rows)


def dense(values):
    values = [each.toarray() for each in values] if isinstance(values, list) else values
    if isinstance(values, list):
        return np.stack(values, axis=2)
    return values.toarray() if sp.issparse(values) else values


def by_definition(model, x, B, groups):
    """Shapley values (n_groups,) or (n_groups, n_classes) over all coalitions, by what the model predicts."""
    masks = {}
    for number in range(2 ** len(groups)):
        coalition = [g for g in range(len(groups)) if number >> g & 1]
        features = [i for g in coalition for i in groups[g]]
        rows = np.array(B)
        rows[:, features] = x[features]
        masks[frozenset(coalition)] = np.asarray(score_of(model, rows), dtype=float).mean(axis=0)
    empty = masks[frozenset()]
    if not np.ndim(empty):
        return shapley_values(lambda coalition: masks[frozenset(coalition)], len(groups))
    classes = range(len(empty))
    return np.stack([shapley_values(lambda t, c=c: masks[frozenset(t)][c], len(groups)) for c in classes], axis=1)


BACKGROUNDS = {"zeros": np.zeros((1, 8)), "mean": X.mean(axis=0, keepdims=True), "rows": X[:7]}


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_the_definition(case, background):
    model, B = fitted(case), BACKGROUNDS[background]
    found = contributions(model, X[50:53], None if background == "zeros" else B)
    tolerance = 1e-4 * max(1.0, float(np.abs(dense(found.values)).max()))
    for row in range(3):
        expected = by_definition(model, X[50 + row], B, [[i] for i in range(8)])
        np.testing.assert_allclose(dense(found.values)[row], expected, atol=tolerance)
    assert found.base_value == pytest.approx(score_of(model, B).mean(axis=0), rel=1e-4, abs=tolerance)


@pytest.mark.parametrize(
    "as_given", [np.asarray, list, lambda row: row[None], lambda row: sp.csr_matrix(row[None]).mean(axis=0)]
)
def test_one_row_is_a_background_in_any_form(as_given):
    mean = X.mean(axis=0)
    found = contributions(fitted("regressor"), X[:2], as_given(mean))
    expected = contributions(fitted("regressor"), X[:2], mean[None])
    np.testing.assert_array_equal(dense(found.values), dense(expected.values))


def test_ten_features_need_all_coalitions_of_ten():
    rng = np.random.default_rng(1)
    model = FMRegressor.from_parameters(0.5, rng.normal(size=10), rng.normal(size=(10, 4)))
    x, B = rng.normal(size=10), rng.normal(size=(3, 10))
    found = contributions(model, x[None], B)
    np.testing.assert_allclose(
        dense(found.values)[0], by_definition(model, x, B, [[i] for i in range(10)]), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("background", [False, True], ids=["zeros", "rows"])
@pytest.mark.parametrize("case", CASES)
def test_columns_play_as_a_whole(case, background):
    model, groups = fitted(case), [[1, 5], [0, 2, 7], [3, 4, 6]]
    fields = np.empty(8, dtype=int)
    for number, group in enumerate(groups):
        fields[group] = number
    B = X[:5] if background else np.zeros((1, 8))
    found = contributions(model, X[50:52], B if background else None, fields=fields)
    assert found.names.tolist() == ["0", "1", "2"]
    tolerance = 1e-4 * max(1.0, float(np.abs(found.values).max()))
    for row in range(2):
        expected = by_definition(model, X[50 + row], B, groups)
        np.testing.assert_allclose(found.values[row], expected, atol=tolerance)
    alone = contributions(model, X[50:52], B if background else None)
    sums = np.stack([dense(alone.values)[:, group].sum(axis=1) for group in groups], axis=1)
    np.testing.assert_allclose(found.values, sums, atol=tolerance)


@pytest.mark.parametrize("fields", [None, np.arange(8) // 3], ids=["features", "fields"])
@pytest.mark.parametrize("background", [None, X], ids=["zeros", "rows"])
@pytest.mark.parametrize("case", CASES)
def test_they_add_up_to_the_score(case, background, fields):
    model = fitted(case)
    found = contributions(model, X, background, fields=fields)
    size = np.abs(dense(found.values)).max() + np.abs(found.base_value).max()
    np.testing.assert_allclose(found.scores, score_of(model, X), rtol=2e-6, atol=2e-6 * size)


@pytest.mark.parametrize("cls", FIELD_AWARE)
def test_rows_of_unit_length_are_taken_apart_as_they_are_then(cls):
    model = cls(3, fields=FIELDS, normalize=True, random_state=0, max_iter=8).fit(X, shuffled(Y, 2))
    found = contributions(model, X, X[:5], fields=model.fields_)
    np.testing.assert_allclose(found.scores, score_of(model, X), rtol=1e-5, atol=1e-5)
    assert found.base_value == pytest.approx(score_of(model, X[:5]).mean(), abs=1e-5)
    sizes = importance(model, X, X[:5], fields=model.fields_)
    expected = dict(zip(found.names.tolist(), np.abs(found.values).mean(axis=0).tolist(), strict=True))
    assert sizes == pytest.approx(expected, rel=1e-5)


def test_a_sparse_row_has_values_where_it_has_features():
    rng = np.random.default_rng(2)
    model = FMRegressor.from_parameters(0.0, rng.normal(size=6), rng.normal(size=(6, 2)))
    rows = sp.csr_array([[1.0, 0, 0, 2, 0, 0], [0, 1, 0, 0, 0, 1]])
    found = contributions(model, rows)
    assert found.values.indices.tolist() == rows.indices.tolist()
    with_background = contributions(model, rows[:1], rows[1:])
    assert with_background.values.indices.tolist() == [0, 1, 3, 5]


def test_means_of_draws_come_with_their_spread():
    model = fitted("bayesian")
    found = contributions(model, X[:4], X, fields=np.arange(8) // 2)
    of_draws = []
    for number in range(model.n_samples_):
        drawn = model._with_draw(number)
        drawn._draws = drawn._means = None
        of_draws.append(contributions(drawn, X[:4], X, fields=np.arange(8) // 2).values)
    np.testing.assert_allclose(found.std, np.std(of_draws, axis=0), rtol=1e-3, atol=1e-5)
    assert (found.std > 0).all()
    assert found.top(0)[0].std == found.std[0, np.abs(found.values[0]).argmax()]


def test_a_bayesian_classifier_that_keeps_one_machine_is_explained_by_it():
    model = BayesianFMClassifier(2, random_state=0, tol=0.5, keep="distilled", n_samples=5).fit(X, shuffled(Y, 2))
    found = contributions(model, X[:5])
    np.testing.assert_allclose(found.scores, model.decision_function(X[:5]), rtol=1e-4, atol=1e-4)
    assert found.std is None


def test_a_bayesian_classifier_that_keeps_draws_is_explained_by_their_mean_score():
    model = BayesianFMClassifier(2, random_state=0, tol=0.5, n_samples=4).fit(X, shuffled(Y, 3))
    found = contributions(model, X[:5], X[:50])
    _, parts = model._score_draws(X[:5])
    expected = np.concatenate([scores.mean(axis=1) for _, scores in parts], axis=1).T
    np.testing.assert_allclose(found.scores, expected, rtol=1e-3, atol=1e-3)
    assert [each.shape for each in found.std] == [(5, 8)] * 3


def test_rows_in_blocks_are_explained_as_they_are_written_out():
    blocks = FMEncoder(user=["day"], item=["tags"]).fit(TABLE).transform_blocks(TABLE)
    model = BayesianFMRegressor(2, random_state=0, tol=0.5, n_samples=3).fit(blocks, LIKED)
    found, expected = (contributions(model, rows, rows) for rows in (blocks, blocks.tocsr()))
    np.testing.assert_array_equal(found.values.toarray(), expected.values.toarray())


# --- tables ----------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
TABLE = {
    "day": RNG.choice(["sat", "sun", "mon"], N),
    "tags": np.array(["a|b", "b", "", "a|c|b"], dtype=object)[RNG.integers(0, 4, N)],
    "heat": RNG.normal(20, 8, N),
}
LIKED = 2.0 * (TABLE["day"] == "sun") + TABLE["heat"] / 8


def part(rows):
    return {name: values[rows] for name, values in TABLE.items()}


@pytest.fixture(scope="module")
def pipeline():
    columns = ["day", multi("tags"), numeric("heat")]
    return make_pipeline(FMEncoder(columns), FMRegressor(2, random_state=0, max_iter=20)).fit(TABLE, LIKED)


def test_a_pipeline_is_explained_by_the_columns_of_its_table(pipeline):
    found = contributions(pipeline, part(slice(0, 20)), TABLE)
    assert found.names.tolist() == ["day", "tags", "heat"]
    np.testing.assert_allclose(found.scores, pipeline.predict(part(slice(0, 20))), rtol=1e-4)
    encoded = pipeline[0].transform(part(slice(0, 20)))
    same = contributions(pipeline[-1], encoded, pipeline[0].transform(TABLE), encoder=pipeline[0])
    np.testing.assert_array_equal(found.values, same.values)
    assert contributions(pipeline, TABLE, by_feature=True).values.shape == (N, len(pipeline[0].fields_))


def test_the_largest_are_listed_with_what_the_row_has(pipeline):
    rows = np.flatnonzero((TABLE["day"] == "sun") & (TABLE["tags"] == "a|c|b"))[:1]
    found = contributions(pipeline, part(rows), TABLE)
    listed = found.top(0)
    assert [abs(each.value) for each in listed] == sorted((abs(each.value) for each in listed), reverse=True)
    data = {each.name: each.data for each in listed}
    assert data["day"] == "sun"
    assert data["tags"] == "a|c|b"
    assert float(data["heat"]) == pytest.approx(TABLE["heat"][rows[0]], rel=1e-4)
    encoder, model = pipeline[0], pipeline[-1]
    encoded = contributions(model, encoder.transform(part(rows)), encoder=encoder)
    assert {each.name: each.data for each in encoded.top(0)} | {"heat": None} == {
        "day": "sun",
        "tags": "a, b, c",
        "heat": None,
    }
    assert len(found.top(0, n=1)) == 1
    assert found.top(0, 1)[0] == listed[0]


def test_classes_are_listed_by_name():
    model = fitted("softmax")
    found = contributions(model, X[:2])
    assert found.top(0, label=2)[0].value != found.top(0, label=1)[0].value
    with pytest.raises(ValueError, match=r"label must name one of the classes \[0, 1, 2\]; got None"):
        found.top(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda found: found.top(3), "row must be the number of a row, 0 to 2; got 3"),
        (lambda found: found.top(0, 0), "n must be a positive integer, or None for all; got 0"),
        (lambda found: found.top(0, label=1), "label is for models of more than two classes; got 1"),
    ],
)
def test_what_is_not_there_cannot_be_listed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(contributions(fitted("regressor"), X[:3]))


def test_errors_say_what_to_do():
    with pytest.raises(NotFittedError):
        contributions(FMRegressor(), X)
    with pytest.raises(TypeError, match="explain these with ranking_contributions"):
        contributions(FMRanker(), X)
    with pytest.raises(TypeError, match="takes models of fastfm_ext"):
        contributions(object(), X)
    with pytest.raises(ValueError, match="fields has 3 features, and the model has 8"):
        contributions(fitted("regressor"), X, fields=[0, 1, 2])
    with pytest.raises(ValueError, match="background"):
        contributions(fitted("regressor"), X, np.full((1, 8), np.nan))
    with pytest.raises(ValueError, match="beyond float32"):
        contributions(fitted("regressor"), np.full((1, 8), 1e30))


def test_a_gigabyte_of_values_is_refused():
    n = 20_000
    model = FMRegressor.from_parameters(0.0, np.ones(n), np.ones((n, 1)))
    rows = sp.eye_array(n, format="csr")
    with pytest.raises(ValueError, match=r"20,000 rows of X has a contribution of every .*20,000: 1.6 GB"):
        contributions(model, rows, rows)


# --- shap ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ["regressor", "classifier", "softmax"])
def test_values_are_those_of_shaps_exact_explainer(case):
    shap = pytest.importorskip("shap", reason="shap is not installed")
    model, B = fitted(case), X[:10]
    explainer = shap.explainers.Exact(lambda rows: score_of(model, rows), shap.maskers.Independent(B, max_samples=100))
    expected = explainer(X[20:22])
    found = contributions(model, X[20:22], B).to_shap()
    assert type(found) is shap.Explanation
    tolerance = 1e-4 * np.abs(expected.values).max()
    np.testing.assert_allclose(found.values, expected.values, atol=tolerance)
    np.testing.assert_allclose(found.base_values, expected.base_values, atol=tolerance)


@pytest.mark.filterwarnings("ignore")
def test_shap_draws_columns_of_a_table(pipeline):
    shap = pytest.importorskip("shap", reason="shap is not installed")
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    explanation = contributions(pipeline, part(slice(0, 30)), TABLE).to_shap()
    assert explanation.feature_names == ["day", "tags", "heat"]
    for draw in (shap.plots.bar, shap.plots.beeswarm, lambda e, show: shap.plots.waterfall(e[0], show=show)):
        pyplot.figure()
        draw(explanation, show=False)
        texts = [label.get_text() for label in pyplot.gca().get_yticklabels()]
        assert any("day" in text for text in texts)
        pyplot.close("all")


# --- real data -------------------------------------------------------------------------------------------------------


def test_frappe_adds_up(data_dir):
    with lzma.open(data_dir / "frappe-nfm" / "frappe.test.libfm.xz") as file:
        rows, target = load_svmlight_file(io.BytesIO(b"".join(itertools.islice(file, 5000))), zero_based=True)
    fields = np.zeros(rows.shape[1], dtype=int)
    fields[rows.indices] = np.arange(rows.nnz) % 10  # ten columns, one feature of each in a row
    model = FMClassifier(8, random_state=0, max_iter=2).fit(rows, target)
    for background in (None, rows):
        found = contributions(model, rows, background, fields=fields)
        np.testing.assert_allclose(found.scores, model.decision_function(rows), atol=2e-5)
