"""Blocks of columns: put together again they give the matrix, and each has the form that its field asks for."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from fastfm_ext._engine import blocks as _blocks
from fastfm_ext._engine.blocks import fields_found, split
from fastfm_ext._validation.matrices import canonical_csr


def csr(X):
    return canonical_csr(sp.csr_array(np.asarray(X, dtype=np.float32)))


def dense(X):
    data = np.ones(X.nnz, np.float32) if X.data is None else X.data
    return sp.csr_array((data, X.indices, X.indptr), shape=(X.n_rows, X.n_features)).toarray()


def put_together(blocks):
    """Return the matrix as the definition of a block has it, and how many blocks each feature is in."""
    X = np.zeros((blocks.n_rows, blocks.n_features), dtype=np.float32)
    uses = np.zeros(blocks.n_features, dtype=int)
    for block in blocks.blocks:
        uses[block.features] += 1
        if block.X is None:
            rows = np.eye(len(block.features) + 1, len(block.features), dtype=np.float32)[: block.n_block_rows]
        else:
            rows = dense(block.X)
        assert rows.shape == (block.n_block_rows, len(block.features))
        factors = 1 if block.values is None else block.values[:, None]
        X[:, block.features] = rows[block.ids] * factors
    return X, uses


@st.composite
def matrices(draw):
    """Fields of one-hot, valued and multi-hot columns, in any order of the columns."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_rows = draw(st.integers(1, 30))
    columns, fields = [], []
    for field, kind in enumerate(draw(st.lists(st.sampled_from(["ids", "gaps", "values", "multi"]), min_size=1))):
        width = int(rng.integers(1, 6))
        ids = rng.integers(0, width + (kind != "ids"), n_rows)
        X = np.eye(width + 1, width)[ids]
        if kind == "values":
            X *= rng.choice([0.5, -2.0, 1.0], size=(n_rows, 1))
        if kind == "multi":
            X = rng.choice([0.0, 0.0, 1.0, 0.5], size=(4, width))[rng.integers(0, 4, n_rows)]
        columns.append(X)
        fields += [field] * width
    order = rng.permutation(len(fields)) if draw(st.booleans()) else np.arange(len(fields))
    return np.hstack(columns)[:, order].astype(np.float32), np.array(fields, dtype=np.int32)[order]


@given(matrices(), st.sampled_from(["alone", "sides", "found"]), st.integers(0, 99))
def test_blocks_put_together_give_the_matrix_and_hold_every_feature_once(problem, way, seed):
    X, fields = problem
    n_fields = fields.max() + 1
    sides = np.random.default_rng(seed).integers(-1, 2, n_fields).astype(np.int32) if way == "sides" else None
    blocks = split(csr(X), None if way == "found" else fields, sides)
    again, uses = put_together(blocks)
    np.testing.assert_array_equal(again, X)
    np.testing.assert_array_equal(uses, 1)
    if way != "found":
        np.testing.assert_array_equal(blocks.groups, fields)
    for block in blocks.blocks:
        assert (np.diff(block.features) > 0).all()
        assert block.ids.min() >= 0
        assert block.ids.max() < block.n_block_rows
        np.testing.assert_array_equal(dense(block.rows)[block.ids] != 0, X[:, block.features] != 0)
        if block.X is not None:
            assert block.values is None
            distinct = np.unique(X[:, block.features], axis=0)
            assert block.n_block_rows == len(distinct)


def test_a_field_of_one_entry_a_row_is_a_block_of_its_features():
    X = np.eye(3, 5)[[2, 0, 0, 1]]
    X[:, 3] = [2, 0.5, 1, 1]
    first, second, third = split(csr(X), np.array([0, 0, 0, 1, 2], dtype=np.int32)).blocks
    assert first.X is second.X is third.X is None
    assert first.values is None
    assert first.ids.tolist() == [2, 0, 0, 1]
    assert first.n_block_rows == 3
    assert second.values.tolist() == [2, 0.5, 1, 1]
    assert third.ids.tolist() == [1] * 4  # the empty block row: no row has the feature
    assert third.n_block_rows == 2


def test_rows_without_an_entry_share_the_empty_block_row():
    X = np.array([[0, 3], [0, 0], [4, 0]])
    (block,) = split(csr(X), np.zeros(2, dtype=np.int32)).blocks
    assert block.ids.tolist() == [1, 2, 0]
    assert block.n_block_rows == 3
    assert block.values.tolist() == [3, 1, 4]


def test_a_field_of_several_entries_a_row_is_a_block_of_its_distinct_rows_in_the_order_of_rows():
    sets = np.array([[1, 1, 0], [0, 0.5, 1], [0, 0, 0]])
    (block,) = split(csr(sets[[1, 0, 1, 2, 0]]), np.zeros(3, dtype=np.int32)).blocks
    assert block.ids.tolist() == [0, 1, 0, 2, 1]
    np.testing.assert_array_equal(dense(block.X), sets[[1, 0, 2]])


def test_a_side_is_one_block_where_that_makes_few_block_rows():
    user = np.arange(80) % 8
    X = np.hstack([np.eye(8)[user], np.eye(2)[user % 2], np.eye(40)[np.arange(80) % 40], np.eye(3)[user % 3]])
    fields = np.repeat([0, 1, 2, 3], [8, 2, 40, 3]).astype(np.int32)
    blocks = split(csr(X), fields, np.array([0, 0, 1, 1], dtype=np.int32)).blocks
    assert [len(block.features) for block in blocks] == [10, 40, 3]
    assert [block.n_block_rows for block in blocks] == [8, 40, 3]
    assert blocks[0].X is not None


def test_a_side_of_one_field_stays_a_block_of_features():
    blocks = split(csr(np.eye(3)[[0, 1] * 20]), np.zeros(3, dtype=np.int32), np.zeros(1, dtype=np.int32))
    assert blocks.blocks[0].X is None


def test_rows_whose_first_sums_meet_are_told_apart_by_the_second(monkeypatch):
    mixed = _blocks._mixed
    first_salt = np.uint64(0x9E3779B97F4A7C15)
    monkeypatch.setattr(
        _blocks, "_mixed", lambda bits, salt: np.zeros_like(bits) if salt == first_salt else mixed(bits, salt)
    )
    X = np.array([[1, 1, 0], [0, 1, 1], [1, 1, 0], [2, 1, 0]])
    (block,) = split(csr(X), np.zeros(3, dtype=np.int32)).blocks
    assert block.ids.tolist() == [0, 1, 0, 2]


def test_fields_are_found_where_columns_first_share_a_row():
    X = np.hstack([np.eye(3)[[0, 1, 2, 0]], np.eye(2)[[0, 1, 1, 0]], np.ones((4, 1)), np.zeros((4, 1))])
    assert fields_found(csr(X)).tolist() == [0, 0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(("n_columns", "n_fields"), [(255, 255), (256, 256), (257, 1), (400, 1)])
def test_more_than_256_fields_are_taken_for_none(n_columns, n_fields):
    assert fields_found(csr(np.ones((2, n_columns)))).max() + 1 == n_fields


def test_a_matrix_without_entries_has_one_field_of_the_empty_block_row():
    (block,) = split(csr(np.zeros((3, 4)))).blocks
    assert block.ids.tolist() == [4, 4, 4]
    assert block.n_block_rows == 5
