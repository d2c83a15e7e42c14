"""A short run of the fuzzer of arrays, and what longer runs have found."""

import numpy as np
import pytest
import scipy.sparse as sp

import fuzz_arrays
from fastfm_ext import DivergenceError, FMEncoder, FMRanker, FMRegressor, metrics


def test_attacked_arrays_give_answers_or_documented_errors():
    ends, found = fuzz_arrays.fuzz(seconds=60, most=1500, seed=3)
    assert found == []
    assert ends["answer"] > 300
    assert ends["ValueError"] > 300


def target_of(call):
    return fuzz_arrays.Target("test", lambda: None, lambda subject, X: call(X), lambda: {"X": np.eye(3)})


@pytest.mark.parametrize(
    ("call", "only_layout", "finding"),
    [
        (lambda X: [np.full(3, np.nan)], False, "NaN without a word"),
        (lambda X: [X.flags.c_contiguous], True, "another answer than"),
        (lambda X: [X.fill(2.0)], False, "argument X was changed"),
        (lambda X: [{}["x"]], False, "KeyError"),
        (lambda X: [X.nothing], False, "AttributeError"),
    ],
)
def test_bad_answers_changed_arguments_and_errors_nobody_documented_are_findings(call, only_layout, finding):
    attacked = fuzz_arrays.Call(target_of(call), {"X": np.asfortranarray(np.eye(3))}, {"X": "F"}, only_layout)
    assert finding in fuzz_arrays.outcome(attacked)[1]


def test_a_sound_answer_and_a_documented_error_are_no_findings():
    def fails(X):
        raise ValueError("X must be something else")

    for call, end in ((lambda X: [X.sum()], "answer"), (fails, "ValueError")):
        attacked = fuzz_arrays.Call(target_of(call), {"X": np.asfortranarray(np.eye(3))}, {"X": "F"}, True)
        assert fuzz_arrays.outcome(attacked) == (end, None)


# --- what was found ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["X", "y", "sample_weight"])
def test_integers_beyond_float64_are_refused_by_name(name):
    arguments = {"X": np.eye(4), "y": np.arange(4.0), "sample_weight": np.ones(4)}
    arguments[name] = arguments[name].astype(object)
    arguments[name].flat[0] = 10**400
    with pytest.raises(ValueError, match=name):
        FMRegressor(2).fit(**arguments)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("indices", np.array([0.0, 1.0, 2.0]), "its indices must hold integers; got dtype float64"),
        ("indptr", [0, 1, 2, 3], "its indptr must be an array; got a list"),
        ("data", 1.0, "its data must be an array; got a float"),
    ],
)
def test_sparse_matrices_over_something_else_than_arrays_of_their_types_are_refused(part, value, message):
    X = sp.eye_array(3, format="csr")
    setattr(X, part, value)
    with pytest.raises(ValueError, match=f"X is not a valid CSR matrix: {message}"):
        FMRegressor(2).fit(X, [1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match=f"relevant is not a valid CSR matrix: {message}"):
        metrics.recall_at_k([[0], [1], [2]], X, 1)


def test_a_matrix_with_rows_beyond_its_indptr_is_refused():
    X = sp.eye_array(3, format="csr")
    X._shape = (5, 3)
    model = FMRegressor(2, max_iter=1).fit(np.eye(3), [1.0, 2.0, 4.0])
    with pytest.raises(ValueError, match="X is not a valid CSR matrix"):
        model.predict(X)


def test_values_that_only_the_units_of_features_make_infinite_are_divergence():
    model = FMRegressor(2, max_iter=1, random_state=0).fit(np.arange(8.0)[:, None] * 1e-3 + 1e-4, np.arange(8.0))
    with pytest.raises((DivergenceError, ValueError), match="largest"):
        model.partial_fit(np.full((4, 1), 3e38), np.arange(4.0))


def test_long_doubles_among_objects_are_the_values_that_they_are():
    column = np.array([np.longdouble(1), "x", np.longdouble(2)], dtype=object)
    encoder = FMEncoder(user=["a"]).fit({"a": column})
    plain = FMEncoder(user=["a"]).fit({"a": np.array([1, "x", 2], dtype=object)})
    np.testing.assert_array_equal(
        encoder.transform({"a": column}).toarray(), plain.transform({"a": [1, "x", 2]}).toarray()
    )


def test_item_vectors_beyond_float32_cannot_be_folded_in():
    model = FMRanker(2, max_iter=1, random_state=0).fit(np.eye(4)[:2], np.eye(4)[2:], np.eye(2))
    with pytest.raises(ValueError, match="item_vectors has a value that is NaN or infinite"):
        model.fold_in([0], np.full((3, 3), 1e39))
    with pytest.raises(ValueError, match="item_vectors must hold real numbers, got dtype complex128"):
        model.fold_in([0], np.ones((2, 3)) * 1j)
