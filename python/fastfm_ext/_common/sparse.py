"""Sparse matrices: SciPy's, whose import takes longer than a small fit, and rows as arrays, which do without it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Float32, Int32

if TYPE_CHECKING:
    from scipy import sparse as sparse
else:

    class _OnDemand:
        """The module `scipy.sparse`, loaded when one of its names is asked for."""

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module("scipy.sparse"), name)

    sparse = _OnDemand()


@dataclass(frozen=True)
class CsrRows:
    """Rows in the arrays of a `csr_array`, and with its names for them."""

    data: Float32
    indices: Int32
    indptr: AnyArray
    shape: tuple[int, int]
    format = "csr"
    ndim = 2
    dtype = np.dtype(np.float32)

    @property
    def nnz(self) -> int:
        return len(self.data)

    def to_width(self, n_features: int) -> tuple[CsrRows, int]:
        """Return the rows cut to (n_rows, n_features), and the number of values that this leaves out."""
        kept = self.indices < n_features
        shape, n_left_out = (self.shape[0], n_features), self.nnz - int(np.count_nonzero(kept))
        if not n_left_out:
            return CsrRows(self.data, self.indices, self.indptr, shape), 0
        indptr = np.concatenate(([0], np.cumsum(kept)))[self.indptr].astype(self.indptr.dtype)
        return CsrRows(self.data[kept], self.indices[kept], indptr, shape), n_left_out

    def to_scipy(self) -> sparse.csr_array:
        """Return the matrix of SciPy over the same arrays."""
        return sparse.csr_array((self.data, self.indices, self.indptr), shape=self.shape)


def is_sparse(X: Any) -> bool:
    """Return whether this is a sparse matrix, or `CsrRows`."""
    # There is no matrix of a module that nobody has loaded.
    return isinstance(X, CsrRows) or ("scipy.sparse" in sys.modules and bool(sparse.issparse(X)))


def scipy_csr(X: Any) -> sparse.csr_array:
    """Return a sparse matrix, or `CsrRows`, as a `csr_array`."""
    return X.to_scipy() if isinstance(X, CsrRows) else sparse.csr_array(X)
