"""Rows in the arrays of a CSR matrix: to every estimator what the matrix is."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import BayesianFMRegressor, FFMRegressor, FMRegressor
from fastfm_ext._common.sparse import CsrRows, is_sparse, scipy_csr

MODELS = [
    FMRegressor(random_state=0),
    FFMRegressor(fields=[0, 0, 0, 1, 1, 1, 2, 2], random_state=0),
    BayesianFMRegressor(n_factors=2, random_state=0, max_sweeps=10),
]


def rows_of(matrix):
    X = sparse.csr_array(matrix, dtype=np.float32)
    return CsrRows(X.data, X.indices, X.indptr, X.shape), X


def random_rows(seed, values):
    """Rows that store some of these values, zeros too."""
    rng = np.random.default_rng(seed)
    rows, X = rows_of(rng.random((60, 8)) < 0.4)
    X.data[:] = rng.choice(values, X.nnz)
    return rows, X


@pytest.mark.parametrize("n_features", [1, 3, 5, 9])
def test_rows_are_cut_to_a_width_as_the_columns_of_a_matrix_are(n_features):
    rows, X = random_rows(0, [1.0, -2.5])
    cut, n_left_out = rows.to_width(n_features)
    wide = X.copy()
    wide.resize((60, n_features))
    assert (cut.shape, cut.nnz, n_left_out) == (wide.shape, wide.nnz, X.nnz - wide.nnz)
    np.testing.assert_array_equal(scipy_csr(cut).toarray(), wide.toarray())
    assert cut.indptr.dtype == rows.indptr.dtype


def test_matrices_of_scipy_and_rows_are_sparse_and_others_are_not():
    rows, X = rows_of(np.eye(3))
    assert all(is_sparse(each) for each in (rows, X, X.tocoo(), sparse.csc_matrix(X)))
    assert not any(is_sparse(each) for each in (X.toarray(), [[1.0]], None))


def test_scipy_is_loaded_with_the_first_matrix():
    code = "import sys; import numpy as np; from fastfm_ext._common.sparse import is_sparse, sparse\n"
    code += "print(is_sparse(np.eye(2)), 'scipy' in sys.modules, is_sparse(sparse.eye_array(2)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False", "True"]


@pytest.mark.parametrize("values", [[1.0], [0.5, 2.0], [0.0, 1.0, 3.0], [1e9, 1e9 + 64, 1e9 + 128]], ids=str)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_a_model_learns_the_same_from_rows_and_from_their_matrix(model, values):
    (rows, X), (new_rows, new_X) = random_rows(1, values), random_rows(2, values)
    y = np.random.default_rng(3).normal(size=60)
    predicted = model.fit(X, y).predict(new_X)
    np.testing.assert_array_equal(model.predict(new_rows), predicted)
    np.testing.assert_array_equal(model.fit(rows, y).predict(new_X), predicted)


def test_rows_of_another_width_are_refused_by_name():
    rows, X = random_rows(1, [1.0])
    model = FMRegressor(random_state=0).fit(X, np.arange(60.0))
    with pytest.raises(ValueError, match="X has 7 features"):
        model.predict(rows.to_width(7)[0])


def test_a_stream_takes_rows_of_several_widths():
    rows, X = random_rows(1, [1.0])
    y = np.arange(60.0)
    model, of_rows = FMRegressor(random_state=0), FMRegressor(random_state=0)
    narrow = rows.to_width(6)[0]
    model.fit_stream([(X, y), (scipy_csr(narrow), y)], buffer_rows=30)
    of_rows.fit_stream([(rows, y), (narrow, y)], buffer_rows=30)
    np.testing.assert_array_equal(of_rows.V_, model.V_)
