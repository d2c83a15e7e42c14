"""Columns of blocks put in other blocks: the same matrix."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import BlockMatrix
from fastfm_ext._engine.block_columns import as_csr, gathered, in_one_block, without
from fastfm_ext._engine.blocks import Blocks
from fastfm_ext._engine.scipy_matrices import as_scipy

WANTED = np.array([6, 1, 4, 0], dtype=np.int32)


@pytest.fixture
def matrix():
    """Blocks of a relation, of ids, and of a number."""
    rng = np.random.default_rng(0)
    rows = np.array([[1, 0, 0.5], [0, 2, 0.5], [0, 0, 1], [3, 0, 0]])
    n = 40
    number = rng.integers(0, 3, (n, 1)).astype(float)
    return BlockMatrix([(rng.integers(0, 4, n), rows), (rng.integers(0, 3, n), np.eye(3)), number])


def dense(X):
    return as_scipy(X).toarray()


def test_gathered_columns_are_those_of_the_matrix(matrix):
    whole = matrix.tocsr().toarray()
    for blocks in (matrix.to_blocks(), in_one_block(as_csr(matrix.tocsr()))):
        ids, X = gathered(blocks, WANTED)
        np.testing.assert_array_equal(X.toarray()[ids], whole[:, WANTED])
    ids, X = gathered(matrix.to_blocks(), WANTED)
    assert X.shape[0] == len(np.unique(whole[:, [0, 1, 2, 3, 4, 5, 6]], axis=0))


def test_block_rows_of_a_single_block_stay(matrix):
    blocks = matrix.to_blocks()
    ids, X = gathered(blocks, np.array([2, 0], dtype=np.int32))
    assert ids is blocks.blocks[0].ids
    np.testing.assert_array_equal(X.toarray(), dense(blocks.blocks[0].rows)[:, [2, 0]])


def test_features_that_no_block_has_are_empty(matrix):
    blocks = matrix.to_blocks()
    ids, X = gathered(Blocks(blocks.n_rows, 7, blocks.blocks[:1], blocks.groups), np.array([6], dtype=np.int32))
    assert not ids.any()
    assert X.shape == (1, 1)
    assert X.nnz == 0


def test_what_is_left_has_all_other_columns(matrix):
    whole, blocks = matrix.tocsr().toarray(), matrix.to_blocks()
    left = without(blocks, WANTED)
    found = Blocks(blocks.n_rows, 7, tuple(left), blocks.groups).expanded()
    expected = whole.copy()
    expected[:, WANTED] = 0
    np.testing.assert_array_equal(dense(found), expected)
    assert without(blocks, WANTED[:1])[0] is blocks.blocks[0]
    assert sum(block.n_features for block in left) == 3
    assert sp.issparse(gathered(blocks, WANTED)[1])
