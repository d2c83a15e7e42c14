"""Columns of vectors as sparse rows."""

import numpy as np
import pytest

from fastfm_ext.spark.vectors import BadRowError, csr_of_vectors

pa = pytest.importorskip("pyarrow", reason="no pyarrow: install the extra spark")


def column(*vectors):
    """Vectors as Spark hands them to Python: (size, indices, values) for sparse ones, values for dense ones, None."""
    rows = []
    for vector in vectors:
        if vector is None:
            rows.append(None)
        elif isinstance(vector, tuple):
            rows.append(dict(zip(("type", "size", "indices", "values"), (0, *vector), strict=True)))
        else:
            rows.append({"type": 1, "size": None, "indices": None, "values": vector})
    kinds = [pa.int8(), pa.int32(), pa.list_(pa.int32()), pa.list_(pa.float64())]
    return pa.array(rows, type=pa.struct(list(zip(("type", "size", "indices", "values"), kinds, strict=True))))


def dense(X):
    rows = np.zeros((X.n_rows, X.n_features), dtype=np.float32)
    of_rows = np.repeat(np.arange(X.n_rows), np.diff(X.indptr))
    rows[of_rows, X.indices] = 1.0 if X.data is None else X.data
    return rows.tolist()


SPARSE, DENSE = (3, [0, 2], [1.0, 5.0]), [0.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("vectors", "wanted"),
    [
        ([SPARSE, (3, [], []), (3, [1], [1.0])], [[1, 0, 5], [0, 0, 0], [0, 1, 0]]),
        ([DENSE, [1.0, 1.0, 1.0]], [[0, 2, 0], [1, 1, 1]]),
        ([DENSE, SPARSE, DENSE, (3, [], [])], [[0, 2, 0], [1, 0, 5], [0, 2, 0], [0, 0, 0]]),
        ([(3, [0, 1], [0.0, 4.0])], [[0, 4, 0]]),
        ([], []),
    ],
    ids=["sparse", "dense", "both", "stored zeros", "none"],
)
def test_vectors_become_rows(vectors, wanted):
    X = csr_of_vectors(column(*vectors), 3)
    assert dense(X) == wanted
    assert not (X.data == 0).any() if X.data is not None else True
    assert (X.indptr.dtype, X.indices.dtype) == (np.int64, np.int32)


def test_rows_of_ones_hold_no_values_and_pieces_are_read_from_where_they_begin():
    whole = column(SPARSE, DENSE, (3, [0, 1], [1.0, 1.0]), (3, [2], [1.0]))
    X = csr_of_vectors(whole[2:], 3)
    assert X.data is None
    assert dense(X) == [[1, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "is null"),
        ([1.0, 2.0], "has size 2, and 3 is needed"),
        ((4, [0], [1.0]), "has size 4, and 3 is needed"),
        ((3, [0], [float("nan")]), "nan stands at index 0"),
        ([1.0, 1e300, 0.0], "1e\\+300 stands at index 1 of the vector, which is beyond float32"),
        ((3, [3], [1.0]), "has index 3"),
        ((3, [2, 1], [1.0, 1.0]), "index 1 of the vector does not follow a smaller one"),
        ((3, [0, 1], [1.0]), "1 values, and another number of indices"),
    ],
    ids=["null", "short", "size", "NaN", "beyond float32", "index", "order", "uneven"],
)
@pytest.mark.parametrize("other", [SPARSE, DENSE], ids=["beside sparse", "beside dense"])
def test_the_row_that_is_bad_is_told(bad, reason, other):
    with pytest.raises(BadRowError, match=reason) as error:
        csr_of_vectors(column(other, other, bad, other), 3)
    assert error.value.row == 2
