"""Rows as the kernels read them: which matrices are taken as they are, and copies of rows."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext._engine import csr as _csr
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import N_FEATURES, random_rows


def test_rows_are_taken_in_the_given_order():
    rng = np.random.default_rng(10)
    X = random_rows(rng).astype(np.float32)
    rows = np.array([5, 0, 5, 59, 2])
    taken = _csr.take_rows(canonical_csr(sp.csr_array(X)), rows)
    dense = sp.csr_array((taken.data, taken.indices, taken.indptr), shape=(5, N_FEATURES)).toarray()
    np.testing.assert_array_equal(dense, X[rows])


def test_rows_of_ones_are_taken_without_values():
    X = random_rows(np.random.default_rng(11), ones=True).astype(np.float32)
    taken = _csr.take_rows(canonical_csr(sp.csr_array(X)), np.array([3, 1]))
    assert taken.data is None
    assert taken.nnz == X[[3, 1]].sum()


CSR_FAULTS = {
    "none": ([0, 2, 2, 4], [0, 2, 1, 2], [1, 2, 3, 4]),
    "duplicate": ([0, 2, 2, 4], [0, 0, 1, 2], [1, 2, 3, 4]),
    "descending": ([0, 2, 2, 4], [2, 0, 1, 2], [1, 2, 3, 4]),
    "negative index": ([0, 2, 2, 4], [-1, 2, 1, 2], [1, 2, 3, 4]),
    "index too large": ([0, 2, 2, 4], [0, 2, 1, 3], [1, 2, 3, 4]),
    "falling indptr": ([0, 3, 2, 4], [0, 2, 1, 2], [1, 2, 3, 4]),
    "late begin": ([1, 2, 2, 4], [0, 2, 1, 2], [1, 2, 3, 4]),
    "early end": ([0, 2, 2, 3], [0, 2, 1, 2], [1, 2, 3, 4]),
    "zero": ([0, 2, 2, 4], [0, 2, 1, 2], [1, 2, 0, 4]),
    "nan": ([0, 2, 2, 4], [0, 2, 1, 2], [1, 2, np.nan, 4]),
    "infinite": ([0, 2, 2, 4], [0, 2, 1, 2], [1, -np.inf, 3, 4]),
}


@pytest.mark.parametrize("fault", CSR_FAULTS)
def test_only_a_faultless_matrix_is_taken_at_once(isa, fault):
    types = (np.int64, np.int32, np.float32)
    arrays = [np.array(a, dtype=t) for a, t in zip(CSR_FAULTS[fault], types, strict=True)]
    taken = _csr.csr_at_once(*arrays, 3)
    assert (taken is not None) == (fault == "none")


@pytest.mark.parametrize("seed", range(30))
def test_a_random_matrix_is_taken_at_once_exactly_if_scipy_calls_it_canonical(isa, seed):
    rng = np.random.default_rng(seed)
    indptr = np.r_[0, np.cumsum(rng.integers(0, 3, 5))]
    indices = rng.integers(0, 4, indptr[-1]).astype(np.int32)
    X = sp.csr_array((np.ones(indptr[-1], dtype=np.float32), indices, indptr), shape=(5, 4))
    taken = _csr.csr_at_once(indptr.astype(np.int64), indices, X.data, 4)
    assert (taken is not None) == X.has_canonical_format


@pytest.mark.parametrize("n_features", [N_FEATURES, 100_000], ids=["marked", "sorted"])
def test_present_features_are_found_with_the_place_of_each_nonzero(n_features):
    rows = canonical_csr(sp.csr_array(random_rows(np.random.default_rng(12)).astype(np.float32)))
    X = _csr.Csr(rows.indptr, rows.indices * (n_features // N_FEATURES), rows.data, n_features)
    features, places = _csr.present_features(X)
    expected = np.unique(X.indices, return_inverse=True)
    np.testing.assert_array_equal(features, expected[0])
    np.testing.assert_array_equal(places, expected[1])
