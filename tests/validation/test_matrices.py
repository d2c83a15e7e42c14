"""Every way of writing the same rows trains the same model; rows that cannot be used are refused by name."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRegressor
from row_layouts import with_int64_indices, with_unsorted_indices

N_ROWS, N_FEATURES = 40, 7


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(5)
    values = rng.normal(size=(N_ROWS, N_FEATURES)) * (rng.random((N_ROWS, N_FEATURES)) < 0.5)
    values[3] = 0  # a row without any feature
    return values.astype(np.float32).astype(np.float64)


@pytest.fixture(scope="module")
def y(X):
    return X @ np.arange(1.0, N_FEATURES + 1) + X[:, 0] * X[:, 1]


def regressor(**params):
    return FMRegressor(**({"random_state": 0, "max_iter": 4, "n_factors": 5} | params))


def classifier(**params):
    return FMClassifier(**({"random_state": 0, "max_iter": 4, "n_factors": 5} | params))


# --- the same rows -------------------------------------------------------------------------------------------------


def with_duplicates(X):
    """Each value as a sum of two that float64 adds without rounding, and float32 does not."""
    coo = sp.coo_array(X)
    part = coo.data * 2.0**-26
    values = np.concatenate([coo.data - part, part])
    rows, columns = np.tile(coo.row, 2), np.tile(coo.col, 2)
    return sp.coo_array((values, (rows, columns)), shape=X.shape)


def duplicates_by_row(X):
    coo = with_duplicates(X)
    order = np.argsort(coo.row, kind="stable")
    indptr = np.searchsorted(coo.row[order], np.arange(X.shape[0] + 1))
    return sp.csr_array((coo.data[order], coo.col[order], indptr), shape=X.shape)


def with_explicit_zeros(X):
    csr = sp.csr_array(np.where(X == 0, 1.0, X))
    csr.data[csr.toarray().ravel() == 1.0] = 0.0
    return csr


def with_spare_room(X):
    """Entries beyond indptr[-1] are no part of the matrix."""
    csr = sp.csr_array(X)
    csr.indices, csr.data = np.append(csr.indices, np.int32(10**6)), np.append(csr.data, np.nan)
    return csr


WAYS_TO_WRITE = {
    "csr_matrix": sp.csr_matrix,
    "csr_array float32": lambda X: sp.csr_array(X.astype(np.float32)),
    "csc_matrix": sp.csc_matrix,
    "csc_array": sp.csc_array,
    "coo": sp.coo_array,
    "lil": sp.lil_array,
    "dok": sp.dok_array,
    "dia": sp.dia_array,
    "bsr": lambda X: sp.bsr_array(X, blocksize=(2, 1)),
    "int64 indices": with_int64_indices,
    "unsorted indices": with_unsorted_indices,
    "duplicates in COO": with_duplicates,
    "duplicates in CSR": duplicates_by_row,
    "duplicates in CSC": lambda X: duplicates_by_row(X.T).T,
    "explicit zeros": with_explicit_zeros,
    "spare room": with_spare_room,
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "float32": lambda X: X.astype(np.float32),
    "long double": lambda X: X.astype(np.longdouble),
    "big-endian": lambda X: X.astype(">f8"),
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "masked array without a mask": np.ma.masked_array,
}
FRAMES = {
    "pandas": pd.DataFrame,
    "pandas nullable": lambda X: pd.DataFrame(X).astype("Float64"),
    "pandas sparse": lambda X: pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(X)),
    "polars": lambda X: pl.DataFrame(X, schema=[f"c{j}" for j in range(X.shape[1])]),
}


def assert_same_training(written, X, target, make=regressor):
    expected = make().fit(sp.csr_array(X), target)
    model = make().fit(written, target)
    np.testing.assert_array_equal(model.V_, expected.V_)
    np.testing.assert_array_equal(model.w_, expected.w_)
    np.testing.assert_array_equal(model.user_bias(written), expected.user_bias(X))


@pytest.mark.parametrize("write", [*WAYS_TO_WRITE.values(), *FRAMES.values()], ids=[*WAYS_TO_WRITE, *FRAMES])
@pytest.mark.parametrize("make", [regressor, classifier])
def test_every_way_of_writing_the_rows_trains_the_same_model(X, y, write, make):
    assert_same_training(write(X), X, y if make is regressor else y > 0, make)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csc_array, sp.coo_array])
def test_one_hot_rows_of_any_type_train_the_same_model(X, y, dtype, container):
    assert_same_training(container((X != 0).astype(dtype)), (X != 0).astype(float), y)


@pytest.mark.parametrize("dtype", [bool, np.int8])
@pytest.mark.parametrize("container", [sp.csr_array, sp.coo_array])
def test_duplicates_of_small_types_are_summed_without_overflow(dtype, container):
    value = np.array(100).astype(dtype)
    stored = sp.csr_array((np.full(4, value), [0, 0, 1, 2], [0, 2, 3, 4]), shape=(3, 5))
    dense = np.diag([2.0, 1, 1])[:, [0, 1, 2, 2, 2]] * [1, 1, 1, 0, 0] * float(value)
    assert_same_training(container(stored), dense, [1.0, 2.0, 4.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_read_only_memory_map(X, y, tmp_path, dtype):
    csr = sp.csr_array(X.astype(dtype))
    arrays = {}
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / name, getattr(csr, name))
        arrays[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    mapped = sp.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=X.shape)
    assert not mapped.data.flags.writeable
    assert_same_training(mapped, X, y)


@pytest.mark.parametrize("write", WAYS_TO_WRITE.values(), ids=WAYS_TO_WRITE)
def test_the_callers_rows_are_not_changed(X, y, write):
    rows = write(X * 100)  # training scales these values
    parts = [name for name in ("data", "indices", "indptr", "row", "col", "offsets") if sp.issparse(rows)]
    before = {name: getattr(rows, name).copy() for name in parts if hasattr(rows, name)}
    dense_before = None if sp.issparse(rows) else np.array(rows, dtype=float)
    regressor().fit(rows, y, X_val=rows, y_val=y).partial_fit(rows, y).predict(rows)
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(rows, name), value)
        assert getattr(rows, name).dtype == value.dtype
    if dense_before is not None:
        np.testing.assert_array_equal(np.array(rows, dtype=float), dense_before)


def test_targets_and_weights_are_not_changed(X, y):
    target, weights = y.copy(), np.arange(N_ROWS, dtype=float)
    regressor(early_stopping=True).fit(X, target, sample_weight=weights)
    np.testing.assert_array_equal(target, y)
    np.testing.assert_array_equal(weights, np.arange(N_ROWS))


@pytest.mark.parametrize("convert", [list, pd.Series, pl.Series, lambda y: pd.Series(y, dtype="Float64")])
def test_targets_and_weights_of_any_kind(X, y, convert):
    weights = np.linspace(0.5, 2.0, N_ROWS)
    expected = regressor().fit(X, y, sample_weight=weights)
    model = regressor().fit(X, convert(y), sample_weight=convert(weights))
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@pytest.mark.parametrize(
    "convert",
    [list, pd.Series, pl.Series, pd.Categorical, lambda y: pd.Series(y, dtype="category"), lambda y: y.astype(object)],
)
def test_labels_of_any_kind(X, y, convert):
    labels = np.where(y > 0, "yes", "no")
    model = classifier().fit(X, convert(labels))
    assert list(model.classes_) == ["no", "yes"]
    np.testing.assert_array_equal(model.predict(X), classifier().fit(X, labels).predict(X))


def test_column_names_are_remembered_and_checked(X, y):
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    model = regressor().fit(frame, y)
    assert list(model.feature_names_in_) == list("abcdefg")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_float64_values_too_small_for_float32_are_zeros(X, y):
    assert_same_training(np.where(X == 0, 1e-60, X), X, y)


# --- rows that cannot be used --------------------------------------------------------------------------------------


def with_value(value):
    return lambda X: np.where(X.max() <= X, value, X)


BAD_ROWS = {
    "NaN": (with_value(np.nan), "{name} contains NaN"),
    "infinite": (with_value(-np.inf), "{name} contains infinity"),
    "beyond float32": (with_value(1e39), "{name} contains infinity or a value too large for dtype..float32"),
    "sparse NaN": (lambda X: sp.csr_array(with_value(np.nan)(X)), "{name} contains NaN"),
    "sparse beyond float32": (lambda X: sp.csc_array(with_value(1e39)(X)), "{name} contains infinity"),
    "sum beyond float32": (
        lambda X: sp.coo_array(([3e38, 3e38], ([0, 0], [0, 0])), shape=X.shape),
        "{name} contains infinity",
    ),
    "None": (lambda X: np.where(X > 1, None, X), "{name} contains NaN"),
    "no rows": (lambda X: X[:0], "{name} has 0 sample"),
    "no columns": (lambda X: X[:, :0], "{name} has 0 feature"),
    "no sparse rows": (lambda X: sp.csr_array((0, X.shape[1])), "{name} has 0 sample"),
    "no sparse columns": (lambda X: sp.csr_array((X.shape[0], 0)), "{name} has 0 feature"),
    "1-d": (lambda X: X[:, 0], "{name}: Expected 2D array"),
    "3-d": (lambda X: X[:, :, None], "{name}: Found array with dim 3"),
    "scalar": (lambda X: 3.0, "{name}: Expected 2D array"),
    "None alone": (lambda X: None, "X: Expected 2D array|X_val and y_val go together"),
    "pandas column": (lambda X: pd.Series(X[:, 0]), "{name}: Expected (a )?2(D|-dimensional)"),
    "polars column": (lambda X: pl.Series(X[:, 0]), "{name}: Expected 2D array"),
    "polars query": (lambda X: pl.DataFrame(X).lazy(), "{name} is a LazyFrame, which holds no rows yet"),
    "dictionary": (lambda X: {"a": 1}, "{name}: .* not 'dict'"),
    "ragged lists": (lambda X: [[1.0], [1.0, 2.0]], "{name}: setting an array element with a sequence"),
    "complex": (lambda X: X + 1j, "{name}: Complex data not supported"),
    "sparse complex": (lambda X: sp.coo_array(X + 1j), "{name}: Complex data not supported"),
    "strings": (lambda X: np.full(X.shape, "a"), "{name}: could not convert string"),
    "dates": (lambda X: np.full(X.shape, np.datetime64("2020-01-01")), "{name} holds dates"),
    "masked": (lambda X: np.ma.masked_greater(X, 1), "{name} has masked entries"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_rows_that_cannot_be_used_are_named(X, y, spoil, message):
    bad = spoil(X)
    with pytest.raises((ValueError, TypeError), match=message.format(name="X")):
        regressor().fit(bad, y)
    model = regressor().fit(X, y)
    with pytest.raises((ValueError, TypeError), match=message.format(name="X")):
        model.predict(bad)
    with pytest.raises((ValueError, TypeError), match=message.format(name="X_val")):
        model.fit(X, y, X_val=bad, y_val=y)


@pytest.mark.parametrize("value", ["red", pd.NA, None, pd.Timestamp("2020-01-01")])
@pytest.mark.parametrize("make_frame", [pd.DataFrame, pl.DataFrame])
def test_frame_columns_that_are_no_numbers(X, y, value, make_frame):
    if value is pd.NA and make_frame is pl.DataFrame:
        value = None
    frame = make_frame({"number": X[:, 0], "other": [value] * N_ROWS})
    with pytest.raises((ValueError, TypeError), match=r"\bX\b"):
        regressor().fit(frame, y)


@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, sp.csc_array])
@pytest.mark.parametrize("method", ["predict", "user_vector", "item_vector", "user_bias"])
def test_wrong_width(X, y, convert, method):
    model = regressor().fit(sp.csr_array(X), y)
    with pytest.raises(ValueError, match=f"X has 3 features, but FMRegressor is expecting {N_FEATURES} features"):
        getattr(model, method)(convert(X[:, :3]))
    with pytest.raises(ValueError, match="X has 3 features"):
        model.partial_fit(convert(X[:, :3]), y)
    with pytest.raises(ValueError, match="X_val has 3 features"):
        regressor().fit(sp.csr_array(X), y, X_val=convert(X[:, :3]), y_val=y)


@pytest.mark.parametrize("layout", ["csr", "coo", "dok"])  # a CSC of this width would hold 2^31 pointers
def test_more_features_than_32_bits_count(layout):
    wide = sp.dok_array((2, 2**31 + 1))
    wide[0, 2**31] = 1.0
    wide = wide.asformat(layout)
    model = regressor()
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="X has 2147483649 features; feature numbers are 32-bit"):
            train(wide, [1.0, 2.0])
    assert not hasattr(model, "n_features_in_")


def test_sparse_arrays_of_one_dimension(X, y):
    row = sp.coo_array(X[0])
    if row.ndim == 2:
        pytest.skip("this SciPy has no 1-d sparse arrays")
    with pytest.raises(ValueError, match=r"X must have 2 dimensions; got a sparse array of shape \(7,\)"):
        regressor().fit(row, y)


# --- damaged sparse matrices ---------------------------------------------------------------------------------------
# Each runs in a process of its own: what these guard against is a crash, which would end the other tests too.

DAMAGE = """
import sys
import numpy as np, scipy.sparse as sp
from fastfm_ext import FMRegressor

def csr(X): return sp.csr_array(X)
def csc(X): return sp.csc_array(X)
def coo(X): return sp.coo_array(X)
def bsr(X): return sp.bsr_array(X, blocksize=(2, 1))
def lil(X): return sp.lil_array(X)

def set_index(S, value): S.indices[5] = value
def set_pointer(S, value): S.indptr[3] = value
def set_coordinate(S, axis, value): (S.row, S.col)[axis][4] = value
def drop_values(S): S.data = S.data[:-3]
def drop_pointers(S): S.indptr = S.indptr[:-3]
def no_entries_but_a_pointer(S): S.indptr[:] = 0; S.indptr[3] = 10**8
def set_column(S, value): S.rows[0], S.data[0] = [value], [1.0]

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 8)) * (rng.random((40, 8)) < 0.5)
y = X @ np.arange(8.0)
fitted = FMRegressor(max_iter=2).fit(X, y)

def attack(container, damage, *arguments):
    S = container(X)
    damage(S, *arguments)
    for use in (lambda: FMRegressor(max_iter=2).fit(S, y), lambda: fitted.predict(S), lambda: fitted.partial_fit(S, y)):
        try:
            use()
        except ValueError as error:
            assert str(error).startswith("X is not a valid"), error
        else:
            raise AssertionError((container.__name__, damage.__name__, arguments))

for container in (csr, csc, bsr):
    for value in (10**9, 8 if container is csr else 40, -1, -(10**9)):
        attack(container, set_index, value)
    for value in (10**8, 0, -5):
        attack(container, set_pointer, value)
    attack(container, drop_pointers)
    attack(container, no_entries_but_a_pointer)
for container in (csr, csc):
    attack(container, drop_values)
for axis in (0, 1):
    for value in (10**9, 40, -1):
        attack(coo, set_coordinate, axis, value)
attack(lil, set_column, 10**9)
print("survived")
"""


def test_damaged_sparse_matrices_never_crash_the_process():
    run = subprocess.run([sys.executable, "-c", DAMAGE], capture_output=True, text=True, timeout=120, check=False)
    assert run.stdout == "survived\n", run.stderr


def test_arrow_tables_are_rows_and_their_columns_have_names():
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    values = np.random.default_rng(0).normal(size=(30, 3))
    table = pa.table({f"f{j}": values[:, j] for j in range(3)})
    model = FMRegressor(2, random_state=0).fit(table, values[:, 0])
    same = FMRegressor(2, random_state=0).fit(values, values[:, 0])
    np.testing.assert_array_equal(model.predict(table), same.predict(values))
    with pytest.raises(ValueError, match="X holds dates or durations"):
        FMRegressor().fit(pa.table({"when": pa.array([1, 2], pa.timestamp("s"))}), [1.0, 2.0])
