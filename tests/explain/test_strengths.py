"""Strengths of fields: by the definition, and by the model's own weights."""

import numpy as np
import pytest

import field_aware_cases
from fastfm_ext import FFMRegressor, FMRegressor
from fastfm_ext._engine.interactions import interactions as interactions_of
from fastfm_ext.explain import field_strengths
from field_aware_cases import FIELD_AWARE, encoded, target_of

table = field_aware_cases.table


def by_definition(model, fields, n_fields):
    params, every = model._scorers[0], np.arange(len(fields))
    pairs = interactions_of(params, every, every).astype(float)
    found = np.zeros((n_fields, n_fields))
    for F, G in np.ndindex(n_fields, n_fields):
        values = pairs[np.ix_(fields == F, fields == G)]
        values = values[~np.eye(len(values), dtype=bool)] if F == G else values
        found[F, G] = np.sqrt(np.mean(values**2))
    return found


@pytest.mark.parametrize("estimator", [FMRegressor, FFMRegressor])
def test_strengths_are_root_mean_squares_over_pairs(estimator, table):
    encoder, X = encoded(table)
    model = estimator(n_factors=3, max_iter=5, random_state=0).fit(X, table[1])
    found = field_strengths(model, encoder)
    assert (found.names.tolist(), found.measure) == (["user", "item", "day"], "interactions")
    np.testing.assert_allclose(found.values, by_definition(model, encoder.fields_, 3), rtol=1e-4)
    np.testing.assert_allclose(found.values, found.values.T)


@pytest.mark.parametrize("estimator", FIELD_AWARE)
def test_the_pair_that_decides_is_the_strongest(estimator, table):
    encoder, X = encoded(table)
    found = field_strengths(estimator(random_state=0).fit(X, target_of(estimator, table)), encoder)
    values = np.triu(np.abs(found.values), 1)
    assert np.unravel_index(values.argmax(), values.shape) == (0, 1)


def test_features_that_no_row_trained_do_not_count(table):
    encoder, X = encoded(table)
    model = FMRegressor(n_factors=3, max_iter=5, random_state=0).fit(X, table[1])
    before = field_strengths(model, fields=encoder.fields_).values
    model.grow(X.shape[1] + 5)
    found = field_strengths(model, fields=[*encoder.fields_, 0, 0, 1, 1, 2])
    np.testing.assert_allclose(found.values, before)


def test_fields_of_a_model_that_has_its_own_are_refused(table):
    encoder, X = encoded(table)
    model = FFMRegressor(max_iter=2).fit(X, table[1])
    with pytest.raises(ValueError, match="fields are those that the model has"):
        field_strengths(model, fields=encoder.fields_)
