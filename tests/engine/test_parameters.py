"""Parameters as tables: the forms that files have, growth, and parts that are put back."""

import numpy as np
import pytest

from fastfm_ext._engine import parameters
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from registries import ALL_SOLVERS


def make(solver="adagrad", n_features=5, n_factors=3):
    options = Options("squared", solver, 0.1, 0.1, 0.01, 0.01, 0.5)
    return Parameters.initialise(n_features, n_factors, options, 0.25, np.random.default_rng(0)), options


def assert_same(one, other):
    for array, twin in zip(one.arrays, other.arrays, strict=True):
        np.testing.assert_array_equal(array, twin)


@pytest.mark.parametrize("solver", ALL_SOLVERS)
@pytest.mark.parametrize("n_factors", [0, 1, 3])
def test_arrays_of_files_give_the_same_tables_without_a_copy(solver, n_factors):
    params, _ = make(solver, n_factors=n_factors)
    arrays = params.to_arrays("_0")
    n_values = 1 + params.n_slots
    assert {name: array.shape for name, array in arrays.items()} == {
        "w0_record_0": (n_values,),
        "w_records_0": (5, n_values),
        "V_records_0": (5, n_values, params.k),
    }
    again = Parameters.from_arrays(arrays, n_factors, suffix="_0")
    assert_same(again, params)
    assert np.shares_memory(again.w, params.w)


def test_arrays_for_another_number_of_features_are_refused():
    params, _ = make()
    with pytest.raises(ValueError, match=r"parameters of shape \(5, 2\) and type float32, where \(6, 2\) and float32"):
        Parameters.from_arrays(params.to_arrays(), 3, n_features=6)


@pytest.mark.parametrize("features", [None, np.array([0, 3, 3, 8])])
@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_how_many_are_drawn_at_a_time_changes_no_bit(solver, features, monkeypatch):
    options = Options("squared", solver, 0.1, 0.1, 0.01, 0.01, 0.5)
    whole = Parameters.initialise(9, 5, options, 0.25, np.random.default_rng(0), features)
    all_drawn = np.random.default_rng(0).standard_normal((9, 5), dtype=np.float32) * np.float32(0.5)
    seen = slice(None) if features is None else features
    np.testing.assert_array_equal(whole.V[seen], all_drawn[seen])
    monkeypatch.setattr(parameters, "_VALUES_AT_ONCE", 10)
    assert_same(Parameters.initialise(9, 5, options, 0.25, np.random.default_rng(0), features), whole)


def test_growth_keeps_what_is_there():
    params, options = make()
    grown = params.grown(9, options)
    assert (grown.n_features, grown.w0) == (9, 0.25)
    assert_same(Parameters({name: t if name == "w0" else t[:5] for name, t in grown.tables.items()}, 3), params)
    assert not grown.w[5:].any()
    assert not grown.V[5:].any()


@pytest.mark.parametrize("solver", ALL_SOLVERS)
def test_features_that_no_row_has_start_from_zero_and_are_drawn_when_they_come(solver):
    whole, options = make(solver, n_features=9)
    start = Parameters.initialise(9, 3, options, 0.25, np.random.default_rng(0), np.array([7, 1, 7, 4]))
    seen, unseen = [1, 4, 7], [0, 2, 3, 5, 6, 8]
    for records, all_drawn in zip(start.arrays[1:], whole.arrays[1:], strict=True):
        np.testing.assert_array_equal(records[seen], all_drawn[seen])
    assert not start.V[unseen].any()
    begun = start.copy()
    begun.draw_fresh(np.array([8, 1, 2, 8]), options, (5, 0))
    assert begun.V[[2, 8]].all()
    again = start.copy()
    again.draw_fresh(np.array([2, 8]), options, (5, 0))
    assert_same(again, begun)
    again.draw_fresh(np.array([2, 8]), options, (6, 0))  # they have been drawn
    assert_same(again, begun)
    begun.put(np.array([2, 8]), start.part(np.array([2, 8])))
    assert_same(begun, start)


def test_a_feature_with_no_factors_but_a_state_is_not_drawn_again():
    """FTRL's L1 makes factors of trained features 0."""
    params, options = make("ftrl")
    params.tables["V"][2, 0] = 0.0
    before = params.copy()
    params.draw_fresh(np.arange(5), options, (1, 0))
    assert_same(params, before)


def test_a_part_is_put_back():
    params, _ = make()
    before, features = params.copy(), np.array([1, 4])
    part = params.part(features)
    for records in params.arrays:
        records[[0] if len(records) == 1 else features] = np.nan
    assert not params.is_finite()
    assert not params.is_finite(features)
    params.put(features, part)
    assert_same(params, before)
