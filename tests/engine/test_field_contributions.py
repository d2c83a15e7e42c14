"""Contributions to the scores of models with fields, against Shapley values by the definition."""

import numpy as np
import pytest

from fastfm_ext import _engine
from fastfm_ext._engine import field_contributions
from fastfm_ext._engine.contributions import (
    Background,
    GroupSums,
    contributions_to_zeros,
    feature_contributions,
    group_contributions,
)
from fastfm_ext._reference.contributions import shapley_values
from field_contribution_cases import (
    GROUP_OF,
    MODELS,
    N_FEATURES,
    OF_FEATURE,
    as_csr,
    random_parameters,
    random_rows,
)
from kernel_cases import TOLERANCE


def by_definition(rows, B, params, name, groups):
    """Shapley values of groups of features, (n_rows, n_groups): all coalitions, all rows of the background."""
    of_pairs = [params.R.astype(float)] if "R" in params.tables else []
    given = (params.w0, params.w.astype(float), params.V.astype(float), *of_pairs, OF_FEATURE)

    def value_of(x):
        def value(coalition):
            mixed, of_x = B.copy(), [i for group in coalition for i in groups[group]]
            mixed[:, of_x] = x[of_x]
            return np.mean([MODELS[name][1](row, *given) for row in mixed])

        return value

    return np.array([shapley_values(value_of(x), len(groups)) for x in rows])


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("k", [0, 3])
@pytest.mark.parametrize("name", MODELS)
def test_features_have_their_shapley_values(name, k, ones):
    rng = np.random.default_rng(0)
    rows, B, params = random_rows(rng, 3, ones=ones), random_rows(rng, 2), random_parameters(rng, name, k)
    features = [[i] for i in range(N_FEATURES)]
    to_zeros = by_definition(rows, np.zeros((1, N_FEATURES)), params, name, features)
    np.testing.assert_allclose(contributions_to_zeros(as_csr(rows), params), to_zeros[rows != 0], **TOLERANCE)
    background = Background.of(as_csr(B), params)
    own, rest = feature_contributions(as_csr(rows), params, background)
    found = np.zeros((len(rows), N_FEATURES))
    found[rows != 0] = own
    found[:, background.features] += rest
    np.testing.assert_allclose(found, by_definition(rows, B, params, name, features), **TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
def test_groups_have_their_shapley_values(name):
    rng = np.random.default_rng(1)
    rows, B, params = random_rows(rng, 3), random_rows(rng, 2), random_parameters(rng, name, 5)
    groups = [np.flatnonzero(group == GROUP_OF) for group in range(4)]
    fields = [np.flatnonzero(field == OF_FEATURE) for field in range(3)]
    found = group_contributions(as_csr(rows), params, GroupSums(OF_FEATURE, 3))
    np.testing.assert_allclose(found, by_definition(rows, np.zeros((1, N_FEATURES)), params, name, fields), **TOLERANCE)
    for background, given in ((None, np.zeros((1, N_FEATURES))), (Background.of(as_csr(B), params), B)):
        sums = GroupSums.of(GROUP_OF, 4, params, background)
        found = group_contributions(as_csr(rows), params, sums)
        np.testing.assert_allclose(found, by_definition(rows, given, params, name, groups), **TOLERANCE)


@pytest.mark.parametrize("name", MODELS)
def test_contributions_add_up_to_the_kernels_scores_however_many_rows_are_in_memory(name, monkeypatch):
    rng = np.random.default_rng(2)
    rows, B, params = random_rows(rng, 100), as_csr(random_rows(rng, 20)), random_parameters(rng, name, 4)
    X, background = as_csr(rows), Background.of(B, params)
    groups = GroupSums.of(GROUP_OF, 4, params, background)

    def all_of_them():
        parts = feature_contributions(X, params, background)
        return [*parts, contributions_to_zeros(X, params), group_contributions(X, params, groups)]

    at_once = all_of_them()
    monkeypatch.setattr(field_contributions, "MOST_VALUES", 200)
    for whole, in_parts in zip(at_once, all_of_them(), strict=True):
        np.testing.assert_allclose(in_parts, whole, rtol=1e-6, atol=1e-6)
    base = params.w0 + background.of_zeros.sum()
    np.testing.assert_allclose(base, _engine.predict(B, params).mean(), **TOLERANCE)
    np.testing.assert_allclose(base + at_once[-1].sum(axis=1), _engine.predict(X, params), **TOLERANCE)
