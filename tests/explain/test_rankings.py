"""Contributions to a ranking's score add up to it, and name the features of the user and the item."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMEncoder, FMRanker, FMRegressor
from fastfm_ext.explain import ranking_contributions

RNG = np.random.default_rng(0)
USERS = {"user": np.arange(12), "age": RNG.integers(20, 60, 12)}
ITEMS = {"item": np.arange(15), "kind": RNG.choice(["red", "blue"], 15), "year": RNG.integers(1990, 2020, 15)}
CHOICES = sp.csr_array(RNG.random((12, 15)) < 0.4)
LOSSES = {
    "cosine": {"similarity": "cosine"},
    "dot": {"similarity": "dot"},
    "squared": {"loss": "squared"},
}


@pytest.fixture(scope="module")
def encoded():
    encoder = FMEncoder(user=["user", "age"], item=["item", "kind", "year"])
    rows = {name: np.resize(values, 15) for name, values in (USERS | ITEMS).items()}
    encoder.fit(rows)
    return encoder, encoder.transform(USERS, side="user"), encoder.transform(ITEMS, side="item")


@pytest.mark.parametrize("loss", LOSSES)
def test_values_add_up_to_scores(encoded, loss):
    encoder, users, items = encoded
    model = FMRanker(4, random_state=0, max_iter=3, **LOSSES[loss]).fit(users, items, CHOICES)
    scores = (model.user_vector(users[:5]) * model.item_vector(items[:5])).sum(axis=1)
    found = ranking_contributions(model, users[:5], items[:5], None, encoder)
    assert [sum(part.value for part in parts) for parts in found] == pytest.approx(scores.tolist(), rel=1e-4, abs=1e-5)
    names = {(part.user_feature, part.item_feature) for part in found[0]}
    assert ("user=0", "item=0") in names
    assert ("(anybody)", "(item alone)") in names
    assert ranking_contributions(model, users[:5], items[:5], 2, encoder) == [parts[:2] for parts in found]


def test_values_of_inner_products_are_products(encoded):
    encoder, users, items = encoded
    model = FMRanker(4, random_state=0, max_iter=3, similarity="dot").fit(users, items, CHOICES)
    (found,) = ranking_contributions(model, users[:1], items[:1], None, encoder)
    i, j = encoder.feature_index("user", 0), encoder.feature_index("item", 0)
    value = {(part.user_feature, part.item_feature): part.value for part in found}["user=0", "item=0"]
    assert value == pytest.approx(model.V_[i] @ model.V_[j])


def test_one_user_meets_many_items_and_given_vectors_count(encoded):
    encoder, users, items = encoded
    model = FMRanker(4, random_state=0, max_iter=3, similarity="dot").fit(users, items, CHOICES)
    found = ranking_contributions(model, users[:1], items, None)
    assert len(found) == 15
    folded = model.fold_in(np.array([1, 2]), model.item_vector(items))
    (parts,) = ranking_contributions(model, users[:1], items[:1], None, encoder, user_vectors=folded[None])
    assert sum(part.value for part in parts) == pytest.approx(float(folded @ model.item_vector(items[:1])[0]), rel=1e-4)
    assert "(all else)" in {part.user_feature for part in parts}


def test_a_regressor_ranks_by_inner_products(encoded):
    encoder, users, items = encoded
    rows = sp.csr_array(users[np.arange(15) % 12] + items)
    model = FMRegressor(3, random_state=0, max_iter=3).fit(rows, np.arange(15.0))
    (parts,) = ranking_contributions(model, users[:1], items[:1], None, encoder)
    expected = float(model.user_vector(users[:1])[0] @ model.item_vector(items[:1])[0])
    assert sum(part.value for part in parts) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_without_factors_an_item_scores_by_itself(encoded):
    _, users, items = encoded
    model = FMRanker(0, random_state=0, max_iter=3).fit(users, items, CHOICES)
    for parts, vector in zip(ranking_contributions(model, users[:1], items), model.item_vector(items), strict=True):
        assert parts == [("(anybody)", "(item alone)", pytest.approx(vector[0]))]


def test_rows_must_fit_each_other(encoded):
    _, users, items = encoded
    model = FMRanker(2, random_state=0, max_iter=1).fit(users, items, CHOICES)
    with pytest.raises(ValueError, match="of as many users as items, or of one"):
        ranking_contributions(model, users[:2], items[:3])
    with pytest.raises(ValueError, match="n must be a positive integer, or None for all; got 0"):
        ranking_contributions(model, users[:2], items[:2], 0)
    with pytest.raises(ValueError, match="user_vectors contains NaN"):
        ranking_contributions(model, users[:1], items[:1], user_vectors=np.full((1, 3), np.nan))
    with pytest.raises(TypeError, match="model must be a fitted model with user and item vectors; got a NoneType"):
        ranking_contributions(None, users[:1], items[:1])


def test_choices_of_users_are_features_where_these_represent_users(encoded):
    encoder, _, items = encoded
    model = FMRanker(4, random_state=0, max_iter=3, user_history=True).fit(None, items, CHOICES)
    rows = model.with_history(CHOICES[[2]])
    (parts,) = ranking_contributions(model, rows, items[:1], None, encoder)
    expected = float(model.user_vector(rows)[0] @ model.item_vector(items[:1])[0])
    assert sum(part.value for part in parts) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    chosen = {f"has item {item}" for item in CHOICES[[2]].indices}
    assert chosen <= {part.user_feature for part in parts} <= chosen | {"(anybody)", "(all else)"}
    # What the model was trained with counts, whatever the next fit will do.
    assert ranking_contributions(model.set_params(user_history=False), rows, items[:1], None, encoder) == [parts]
