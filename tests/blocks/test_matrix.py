"""Matrix in blocks: what it is when written out, rows of it, and what it refuses."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.utils import _safe_indexing

from fastfm_ext import BlockMatrix, FMRegressor

USERS = np.array([[1, 0, 0.5], [0, 1, 0.0]])
FILMS = np.eye(3)
IDS = [0, 0, 1, 1], [0, 2, 2, 1]
HOURS = np.array([[1.5], [0], [2], [1]])


def problem():
    X = BlockMatrix([(IDS[0], USERS), (IDS[1], sp.csr_array(FILMS)), HOURS])
    return X, np.hstack([USERS[IDS[0]], FILMS[IDS[1]], HOURS])


@given(st.integers(0, 2**32 - 1))
def test_a_matrix_of_blocks_written_out_is_the_blocks_side_by_side(seed):
    rng = np.random.default_rng(seed)
    n_rows = int(rng.integers(1, 20))
    parts, columns = [], []
    for _ in range(rng.integers(1, 4)):
        n_block_rows, width = rng.integers(1, 6, 2)
        rows = rng.normal(size=(n_block_rows, width)) * (rng.random((n_block_rows, width)) < 0.4)
        rows = (rows != 0) if rng.random() < 0.5 else rows
        if rng.random() < 0.3:
            rows = rows[rng.integers(0, n_block_rows, n_rows)]
            parts.append(rows)
            columns.append(rows)
        else:
            ids = rng.integers(0, n_block_rows, n_rows)
            parts.append((ids, sp.coo_array(rows) if rng.random() < 0.5 else rows))
            columns.append(rows[ids])
    X, wanted = BlockMatrix(parts), np.hstack(columns).astype(np.float32)
    written = X.tocsr()
    assert written.has_canonical_format
    np.testing.assert_array_equal(written.toarray(), wanted)
    assert X.nnz == np.count_nonzero(wanted)
    assert X.shape == wanted.shape
    features = np.concatenate([block.features for block in X.to_blocks().blocks])
    np.testing.assert_array_equal(np.sort(features), np.arange(X.shape[1]))
    rows = rng.integers(0, n_rows, 5)
    np.testing.assert_array_equal(X[rows].tocsr().toarray(), wanted[rows])


@pytest.mark.parametrize(
    "rows", [[3, 0, 3], np.array([1]), [True, False, True, False], slice(1, 3), slice(None), [], [-1]]
)
def test_rows_are_selected_as_of_an_array(rows):
    X, wanted = problem()
    expected = wanted[np.zeros(0, int) if isinstance(rows, list) and not rows else rows]
    taken = X[rows]
    assert len(taken) == len(expected)
    assert taken.shape == expected.shape
    np.testing.assert_array_equal(taken.tocsr().toarray(), expected.astype(np.float32))
    np.testing.assert_array_equal(taken.fields, X.fields)


def test_splitters_of_scikit_learn_take_it():
    X, wanted = problem()
    y = np.arange(4.0)
    train, test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
    for part, targets in ((train, y_train), (test, y_test)):
        np.testing.assert_array_equal(part.tocsr().toarray(), wanted[targets.astype(int)].astype(np.float32))
    assert len(cross_val_score(DummyRegressor(), X, y, cv=2)) == 2
    for fold, _ in KFold(2).split(X, y):
        np.testing.assert_array_equal(_safe_indexing(X, fold).tocsr().toarray(), wanted[fold].astype(np.float32))


def test_a_block_of_single_entries_is_one_of_its_features_and_others_keep_their_rows():
    users, films, hours = problem()[0].to_blocks().blocks
    assert users.X is not None
    assert users.n_block_rows == 2
    assert films.X is hours.X is None
    assert films.ids.tolist() == IDS[1]
    assert hours.values.tolist() == [1.5, 1, 2, 1]


def test_fields_are_found_in_each_block_or_given_and_named():
    assert problem()[0].fields.tolist() == [0, 0, 1, 2, 2, 2, 3]
    X = BlockMatrix([(IDS[0], USERS), (IDS[1], FILMS)], fields=[0, 0, 1, 2, 2, 2], field_names=["id", "age", "film"])
    assert X.fields.tolist() == [0, 0, 1, 2, 2, 2]
    assert X[:2].field_names == ["id", "age", "film"]
    assert X.to_blocks().groups.tolist() == [0, 0, 1, 2, 2, 2]


def test_it_is_pickled_and_shown_with_its_size():
    X, wanted = problem()
    assert repr(X) == "<BlockMatrix of shape (4, 7) in 3 blocks (2 x 3, 3 x 3, 2 x 1), 13 nonzeros>"
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(X)).tocsr().toarray(), wanted.astype(np.float32))


def test_more_nonzeros_than_allowed_are_not_written_out():
    X = problem()[0]
    assert X.tocsr(max_nnz=13).nnz == 13
    with pytest.raises(ValueError, match=r"has 13 nonzeros .* max_nnz is 12"):
        X.tocsr(max_nnz=12)
    ones = BlockMatrix([(np.zeros(2**20, dtype=int), np.ones((1, 2**10)))])
    with pytest.raises(ValueError, match="1,073,741,824 nonzeros"):
        ones.tocsr()


WRONG = {
    "no list": (lambda: BlockMatrix(USERS), TypeError, "blocks must be a list"),
    "empty": (lambda: BlockMatrix([]), TypeError, "blocks must be a list"),
    "a triple": (lambda: BlockMatrix([(IDS[0], USERS, 1)]), TypeError, "block 0 must be a pair"),
    "ids too large": (lambda: BlockMatrix([([0, 2, 5], USERS)]), ValueError, "from 0 to 1.*row 1 has 2"),
    "ids negative": (lambda: BlockMatrix([USERS, ([0, -1], USERS)]), ValueError, "ids of block 1.*row 1 has -1"),
    "ids of floats": (lambda: BlockMatrix([([0.0, 1.0], USERS)]), ValueError, "integers of shape"),
    "ids of two dimensions": (lambda: BlockMatrix([([[0], [1]], USERS)]), ValueError, "integers of shape"),
    "no ids": (lambda: BlockMatrix([(np.zeros(0, int), USERS)]), ValueError, "at least one row"),
    "lengths": (lambda: BlockMatrix([([0, 1, 1], USERS), USERS]), ValueError, r"same number of rows.*\[3, 2\]"),
    "NaN": (lambda: BlockMatrix([([0, 1], USERS * np.nan)]), ValueError, "X_block of block 0 contains NaN"),
    "one dimension": (lambda: BlockMatrix([([0, 1], np.ones(2))]), ValueError, "X_block of block 0.*2D"),
    "text": (lambda: BlockMatrix([([0], [["a"]])]), ValueError, "X_block of block 0"),
    "short fields": (lambda: BlockMatrix([USERS], fields=[0, 1]), ValueError, "each of the 3 columns"),
    "negative fields": (lambda: BlockMatrix([USERS], fields=[0, -1, 0]), ValueError, "from 0 on"),
    "few names": (lambda: BlockMatrix([USERS], field_names=["a"]), ValueError, "all 2 fields, got 1"),
    "a name": (lambda: BlockMatrix([USERS], field_names="ab"), TypeError, "list of strings"),
    "one row": (lambda: problem()[0][1], TypeError, "slice, an array or a mask"),
    "a cell": (lambda: problem()[0][1, 2], TypeError, "slice, an array or a mask"),
    "a short mask": (lambda: problem()[0][[True, False]], IndexError, "mask of 2 rows"),
    "rows of floats": (lambda: problem()[0][[0.5]], IndexError, "must be integers"),
    "a row that is not there": (lambda: problem()[0][[4]], IndexError, "out of bounds"),
    "a loop": (lambda: list(problem()[0]), TypeError, "no single rows"),
    "another estimator": (lambda: FMRegressor().fit(problem()[0], np.ones(4)), TypeError, r"X.tocsr\(\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_it_refuses_is_named(name):
    make, kind, message = WRONG[name]
    with pytest.raises(kind, match=message):
        make()
