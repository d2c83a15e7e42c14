"""The kernels of contributions against the NumPy reference, on every instruction set and path of k."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext._engine import contributions as engine
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import contributions as reference
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import K_PATHS, N_FEATURES, TOLERANCE, make_options, random_rows

GROUP_OF = (np.arange(N_FEATURES) % 5).astype(np.int32)


def random_machine(rng, k, solver="sgd"):
    params = Parameters.initialise(N_FEATURES, k, make_options(solver=solver), intercept=0.3, rng=rng)
    params.w[...] = rng.normal(size=N_FEATURES)
    return params


def as_csr(rows):
    return canonical_csr(sp.csr_array(rows.astype(np.float32)))


def at_nonzeros(values, rows):
    return np.concatenate([values[r, np.flatnonzero(rows[r])] for r in range(len(rows))])


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("k", K_PATHS)
def test_features_match_the_reference(isa, k, ones):
    rng = np.random.default_rng(0)
    rows, B, params = random_rows(rng, ones=ones), random_rows(rng, n_rows=9), random_machine(rng, k)
    w, V = params.w.astype(float), params.V.astype(float)
    to_zeros = engine.contributions_to_zeros(as_csr(rows), params)
    expected = reference.contributions_to_zeros(rows, w, V)
    np.testing.assert_allclose(to_zeros, at_nonzeros(expected, rows), **TOLERANCE)
    background = engine.Background.of(as_csr(B), params)
    own, rest = engine.feature_contributions(as_csr(rows), params, background)
    found = np.zeros((len(rows), N_FEATURES))
    found[rows != 0] = own
    found[:, background.features] += rest
    np.testing.assert_allclose(found, reference.contributions(rows, B, w, V), **TOLERANCE)


@pytest.mark.parametrize("ones", [False, True], ids=["values", "ones"])
@pytest.mark.parametrize("k", K_PATHS)
def test_groups_match_the_reference(isa, k, ones):
    rng = np.random.default_rng(1)
    rows, B, params = random_rows(rng, ones=ones), random_rows(rng, n_rows=9), random_machine(rng, k)
    w, V = params.w.astype(float), params.V.astype(float)
    for background, given in ((None, np.zeros((1, N_FEATURES))), (engine.Background.of(as_csr(B), params), B)):
        groups = engine.GroupSums.of(GROUP_OF, 5, params, background)
        of_features = reference.contributions(rows, given, w, V)
        expected = np.stack([of_features[:, g == GROUP_OF].sum(axis=1) for g in range(5)], axis=1)
        np.testing.assert_allclose(engine.group_contributions(as_csr(rows), params, groups), expected, **TOLERANCE)


def test_more_groups_than_a_register_has_lanes(isa):
    rng = np.random.default_rng(4)
    rows, B, params = random_rows(rng), random_rows(rng, n_rows=9), random_machine(rng, 16)
    group_of = (3 * np.arange(N_FEATURES)).astype(np.int32)  # 37 groups, most of them empty
    groups = engine.GroupSums.of(group_of, 37, params, engine.Background.of(as_csr(B), params))
    found = engine.group_contributions(as_csr(rows), params, groups)
    expected = reference.contributions(rows, B, params.w.astype(float), params.V.astype(float))
    np.testing.assert_allclose(found[:, group_of], expected, **TOLERANCE)
    assert not np.delete(found, group_of, axis=1).any()


@pytest.mark.parametrize("solver", ["sgd", "adagrad", "ftrl", "adam"])
def test_the_optimizers_state_is_passed_over(isa, solver):
    rng = np.random.default_rng(2)
    rows, params = random_rows(rng), random_machine(rng, 8, solver)
    expected = reference.contributions_to_zeros(rows, params.w.astype(float), params.V.astype(float))
    np.testing.assert_allclose(
        engine.contributions_to_zeros(as_csr(rows), params), at_nonzeros(expected, rows), **TOLERANCE
    )


def test_values_are_the_same_with_any_number_of_threads():
    rng = np.random.default_rng(3)
    rows, params = as_csr(random_rows(rng, n_rows=20_000)), random_machine(rng, 8)
    groups = engine.GroupSums.of(GROUP_OF, 5, params, engine.Background.of(rows, params))
    alone = engine.group_contributions(rows, params, groups)
    np.testing.assert_array_equal(engine.group_contributions(rows, params, groups, 3), alone)
    np.testing.assert_array_equal(
        engine.contributions_to_zeros(rows, params, 3), engine.contributions_to_zeros(rows, params)
    )
