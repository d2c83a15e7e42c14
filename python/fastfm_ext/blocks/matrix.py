"""Matrix in blocks: each row is made of rows of smaller matrices, which are stored once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import Int32
from fastfm_ext._common.checks import kind_of
from fastfm_ext._engine.blocks import Blocks
from fastfm_ext.blocks.parts import blocks_of_parts

# 2 GB as CSR. Nobody makes such a matrix of blocks on purpose.
MOST_NONZEROS = 1 << 28


class BlockMatrix:
    """A sparse matrix whose rows are made of rows of smaller matrices.

    Of a million ratings, the columns of the users have as many distinct rows as there are users. Here they are stored
    once, and each rating has the number of its user's row. Samplers also visit them once each. libFM calls such parts
    relations, myFM relation blocks.

    Parameters
    ----------
    blocks : list of pairs ``(ids, X_block)`` and of matrices
        Their columns lie side by side, in this order. Of a pair, `X_block` is a sparse or dense matrix of shape
        (n_block_rows, n_block_features), and `ids` an array of integers of shape (n_rows,): row r of the matrix holds
        ``X_block[ids[r]]``. A matrix alone has n_rows rows: its columns are those of the rows themselves.
    fields : array of integers of shape (n_features,), default=None
        Field of every column, from 0 on: columns of a field share a prior. None: in each block, the next field begins
        with the first column that shares a row with one of the current field; more than 256 fields become one.
    field_names : sequence of str, default=None
        Name of every field.

    Attributes
    ----------
    shape : tuple of int
        (n_rows, n_features).
    fields : int32 ndarray of shape (n_features,)
    field_names : list of str, or None
    nnz : int
        Number of nonzeros that the matrix has when it is written out.

    Raises
    ------
    TypeError
        If `blocks` or `field_names` is of another type.
    ValueError
        If ids are no row numbers of their matrix, numbers of rows differ, values are not finite, or `fields` or
        `field_names` do not fit the columns.

    See Also
    --------
    fastfm_ext.FMEncoder.transform_blocks : Makes one of a table.

    Notes
    -----
    Rows are selected as from an array, so scikit-learn's splitters and `cross_val_score` take it: ``X[mask]``,
    ``X[[3, 1]]``, ``X[:100]``. The blocks' own rows stay, also where no row uses them any more.

    References
    ----------
    Rendle, "Scaling Factorization Machines to Relational Data", VLDB (2013).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import BlockMatrix
    >>> users = np.array([[1, 0, 0.5], [0, 1, 0.2]])  # two users: an id each, and a number
    >>> films = np.eye(3)
    >>> X = BlockMatrix([([0, 0, 1, 1], users), ([0, 2, 2, 1], films)])
    >>> X.shape
    (4, 6)
    >>> X[[0, 2]].tocsr().toarray()
    array([[1. , 0. , 0.5, 1. , 0. , 0. ],
           [0. , 1. , 0.2, 0. , 0. , 1. ]], dtype=float32)
    >>> X.fields
    array([0, 0, 1, 2, 2, 2], dtype=int32)
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(
        self, blocks: Sequence[Any], *, fields: ArrayLike | None = None, field_names: Sequence[str] | None = None
    ) -> None:
        self._keep(blocks_of_parts(blocks, fields), field_names)

    @classmethod
    def from_blocks(cls, blocks: Blocks, field_names: Sequence[str] | None = None) -> Self:
        """Return the matrix of these blocks of the engine; undoes `to_blocks`.

        Parameters
        ----------
        blocks : Blocks
        field_names : sequence of str, default=None

        Returns
        -------
        BlockMatrix
        """
        matrix = cls.__new__(cls)
        matrix._keep(blocks, field_names)
        return matrix

    def _keep(self, blocks: Blocks, field_names: Sequence[str] | None) -> None:
        if field_names is not None:
            if isinstance(field_names, str) or not all(isinstance(name, str) for name in field_names):
                raise TypeError(f"field_names must be a list of strings, got {field_names!r}")
            if len(field_names) < blocks.n_groups:
                raise ValueError(f"field_names must name all {blocks.n_groups} fields, got {len(field_names)} names")
        self._blocks = blocks
        self.field_names = None if field_names is None else list(field_names)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self._blocks.n_rows, self._blocks.n_features

    @property
    def fields(self) -> Int32:
        """Field of every column."""
        return self._blocks.groups

    @property
    def nnz(self) -> int:
        """Number of nonzeros of the matrix written out."""
        return self._blocks.nnz

    def to_blocks(self) -> Blocks:
        """Return the blocks as the engine reads them.

        Returns
        -------
        Blocks
        """
        return self._blocks

    def tocsr(self, max_nnz: int = MOST_NONZEROS) -> sp.csr_array:
        """Write the matrix out.

        Parameters
        ----------
        max_nnz : int, default=2**28
            The most nonzeros that are written; each takes 8 bytes.

        Returns
        -------
        float32 csr_array of shape (n_rows, n_features)
            Sorted indices, no duplicates, no stored zeros.

        Raises
        ------
        ValueError
            If there are more.
        """
        if self.nnz > max_nnz:
            raise ValueError(
                f"the matrix has {self.nnz:,} nonzeros when it is written out, {8 * self.nnz / 1e9:.1f} GB as CSR, and "
                f"max_nnz is {max_nnz:,}; estimators that take a BlockMatrix do not need it"
            )
        X = self._blocks.expanded()
        data = np.ones(X.nnz, dtype=np.float32) if X.data is None else X.data
        return sp.csr_array((data, X.indices, X.indptr), shape=self.shape)

    def __len__(self) -> int:
        return self._blocks.n_rows

    def __getitem__(self, rows: Any) -> BlockMatrix:
        if isinstance(rows, tuple) and len(rows) == 2 and (rows[1] is Ellipsis or rows[1] == slice(None)):
            rows = rows[0]
        if not isinstance(rows, slice):
            rows = self._checked_rows(rows)
        return BlockMatrix.from_blocks(self._blocks.take(rows), self.field_names)

    def _checked_rows(self, rows: Any) -> np.ndarray[Any, Any]:
        """Return row numbers or a mask as an array, or raise TypeError or IndexError."""
        array = np.asarray(rows)
        if array.ndim != 1 or isinstance(rows, tuple):
            raise TypeError(f"rows of a BlockMatrix are selected by a slice, an array or a mask; got {rows!r}")
        if not len(array):
            array = array.astype(np.intp)
        if array.dtype.kind == "b" and len(array) != len(self):
            raise IndexError(f"a mask of {len(array)} rows for a BlockMatrix of {len(self)}")
        if array.dtype.kind not in "biu":
            raise IndexError(f"row numbers of a BlockMatrix must be integers, got {array.dtype}")
        return array

    def __iter__(self) -> NoReturn:
        raise TypeError("a BlockMatrix has no single rows to go through; select some, as X[:100], or use X.tocsr()")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError(
            f"{kind_of(self)} is no array: the estimators of fastfm_ext.bayesian take it, others need X.tocsr()"
        )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{block.n_block_rows:,} x {block.n_features:,}" for block in self._blocks.blocks)
        return (
            f"<BlockMatrix of shape {self.shape} in {len(self._blocks.blocks)} blocks ({sizes}), {self.nnz:,} nonzeros>"
        )
