"""SciPy's form of the kernels' sparse matrices, and what it is good for."""

from __future__ import annotations

import numpy as np

from fastfm_ext._common.sparse import sparse as sp
from fastfm_ext._engine.csr import Csr


def as_scipy(X: Csr) -> sp.csr_array:
    """Return a matrix that scipy can compute with, (n_rows, n_features); it shares the arrays that X has."""
    data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
    return sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features))


def transposed(X: Csr) -> Csr:
    """Return the transposed matrix by rows, (n_features, n_rows)."""
    matrix = as_scipy(X).T.tocsr()
    data = None if X.data is None else matrix.data
    return Csr(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), data, X.n_rows)
