"""The text that the benchmark of the readers makes is what it says, and both readers read the same from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_svmlight_file

from fastfm_ext.text_formats import read_libsvm
from reading import KINDS, N_FEATURES, VALUES_A_ROW, measure, read_in_batches, write_text


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_has_twenty_values_a_row_and_both_readers_agree(tmp_path: Path, kind: str) -> None:
    write_text(tmp_path / "text", kind, 100_000)
    X, y = read_libsvm(tmp_path / "text", n_features=N_FEATURES, zero_based=True)
    X_theirs, y_theirs = load_svmlight_file(
        str(tmp_path / "text"), n_features=N_FEATURES, zero_based=True, dtype=np.float32
    )
    assert (np.diff(X.indptr) == VALUES_A_ROW).all()
    np.testing.assert_array_equal(X.indices, X_theirs.indices)
    np.testing.assert_array_equal(X.data, X_theirs.data)
    np.testing.assert_array_equal(y, y_theirs)
    assert read_in_batches(tmp_path / "text") == X.nnz


def test_the_same_seed_makes_the_same_text(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_text(tmp_path / name, "decimals", 10_000)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_each_reader_has_a_line(tmp_path: Path) -> None:
    write_text(tmp_path / "text", "ones", 10_000)
    lines = measure(tmp_path / "text", "ones", rounds=1)
    assert [line[1] for line in lines] == ["read_libsvm", "iter_libsvm", "load_svmlight_file"]
    assert lines[-1][-1].startswith("1.00 ")
