"""Graphs of models of real data predict as the models do."""

import numpy as np
import pytest

from fastfm_ext import (
    BayesianFMRegressor,
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRegressor,
    interactions_from_table,
    multi,
    numeric,
)
from fastfm_ext.text_formats import read_libsvm
from field_aware_cases import CLASSIFIERS
from onnx_cases import exported, ids_and_values, run

pd = pytest.importorskip("pandas", reason="needs pandas")


@pytest.fixture(scope="module")
def ratings(data_dir):
    """Ratings of MovieLens 100K, a fifth of them, with what is known of users and films."""
    folder = data_dir / "ml-100k"
    names = ["user", "film", "stars", "time"]
    table = pd.read_csv(folder / "u.data.xz", sep="\t", names=names).sample(20_000, random_state=0)
    users = pd.read_csv(folder / "u.user.xz", sep="|", names=["user", "age", "gender", "occupation", "zip"])
    items = pd.read_csv(folder / "u.item.xz", sep="|", header=None, encoding="latin-1")
    genres = pd.read_csv(folder / "u.genre", sep="|", header=None)[0].to_numpy()
    of_items = [genres[row.astype(bool)].tolist() for row in items.iloc[:, 5:].to_numpy()]
    items = pd.DataFrame({"film": items[0], "genres": of_items})
    return table.merge(users, on="user").merge(items, on="film")


def encoder_of():
    return FMEncoder(user=["user", numeric("age"), "occupation"], item=["film", multi("genres", sep=None)])


def tensors(table, *names):
    width = table["genres"].map(len).max()
    cells = [cell + [""] * (width - len(cell)) for cell in table["genres"]]
    found = {
        "user": table["user"].to_numpy(np.int64),
        "age": table["age"].to_numpy(np.float64),
        "occupation": table["occupation"].to_numpy(object),
        "film": table["film"].to_numpy(np.int64),
        "genres": np.array(cells, dtype=object),
    }
    return {name: found[name] for name in names or found}


@pytest.mark.parametrize(
    "model",
    [
        FMRegressor(max_iter=3, early_stopping=False, clip_predictions=True, random_state=0),
        BayesianFMRegressor(n_factors=8, max_sweeps=5, keep="distilled", random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_ratings_of_movielens(ratings, model):
    encoder = encoder_of()
    X = encoder.fit_transform(ratings)
    model.fit(X, ratings["stars"])
    found = run(exported(model, encoder), tensors(ratings))["score"]
    np.testing.assert_allclose(found, model.predict(X), rtol=0, atol=1e-5)


def test_rankings_of_movielens(ratings):
    encoder = encoder_of().fit(ratings)
    users, items = (ratings.drop_duplicates(name).reset_index(drop=True) for name in ("user", "film"))
    X_user, X_item = encoder.transform(users, side="user"), encoder.transform(items, side="item")
    chosen = interactions_from_table(
        ratings, user="user", item="film", user_ids=users["user"], item_ids=items["film"]
    ).matrix
    model = FMRanker(n_factors=16, max_iter=2, random_state=0).fit(X_user, X_item, chosen)
    graph = exported(model, encoder, what="user_vector")
    found = run(graph, tensors(users, "user", "age", "occupation"))["vector"]
    np.testing.assert_allclose(found, model.user_vector(X_user), rtol=0, atol=1e-5)
    graph = exported(model, encoder, what="item_vector")
    found = run(graph, tensors(items, "film", "genres"))["vector"]
    np.testing.assert_allclose(found, model.item_vector(X_item), rtol=0, atol=1e-5)


def test_clicks_of_frappe(data_dir):
    X, y = read_libsvm(data_dir / "frappe-nfm" / "frappe.validation.libfm.xz", n_features=5382, zero_based=True)
    model = FMClassifier(max_iter=3, early_stopping=False, random_state=0).fit(X, y)
    found = run(exported(model), ids_and_values(X))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=0, atol=1e-5)
    # Where the score is 0 but for rounding, either label is right.
    is_sure = np.abs(model.decision_function(X)) > 1e-5
    assert is_sure.mean() > 0.999
    np.testing.assert_array_equal(found["label"][is_sure], model.predict(X)[is_sure])


@pytest.mark.parametrize("estimator", [*CLASSIFIERS], ids=lambda estimator: estimator.__name__)
def test_clicks_of_frappe_by_fields(data_dir, estimator):
    X, y = read_libsvm(data_dir / "frappe-nfm" / "frappe.validation.libfm.xz", n_features=5382, zero_based=True)
    position = np.arange(X.nnz) - np.repeat(X.indptr[:-1], np.diff(X.indptr))  # each row has its ten fields in order
    fields = np.zeros(X.shape[1], dtype=int)
    fields[X.indices] = position
    model = estimator(fields=fields, max_iter=3, early_stopping=False, random_state=0).fit(X, y)
    found = run(exported(model), ids_and_values(X))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=0, atol=1e-5)
