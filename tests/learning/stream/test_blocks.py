"""Blocks of rows on disk: they come back as they were, and damaged ones are refused."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from fastfm_ext import FMRegressor
from fastfm_ext._learning.samples import Samples, concat_samples, slice_samples
from fastfm_ext._learning.stream.blocks import RowCache, RowCacheWriter
from fastfm_ext._validation.matrices import to_csr
from stream_cases import rows


@pytest.fixture(scope="module")
def data():
    X, y = rows()
    return X, y > 0


@pytest.fixture
def blocks(data, tmp_path):
    path = str(tmp_path / "rows")
    csr = to_csr(FMRegressor(), data[0] * np.linspace(1, 2, 60), reset=True)
    whole = Samples(csr, data[1].astype(np.float32)[None], None, np.arange(csr.n_rows))
    writer = RowCacheWriter(path)
    for first in range(0, csr.n_rows, 400):
        writer.append(slice_samples(whole, first, min(first + 400, csr.n_rows)))
    writer.finish()
    return path, whole


def test_blocks_of_rows_come_back(blocks):
    path, whole = blocks
    with RowCache(path) as file:
        assert (len(file), file.n_rows) == (4, whole.X.n_rows)
        in_order, in_another = file.read(range(4), 1, 60), file.read([3, 0, 2], 1, 60)
    places = ((1200, 1500), (0, 400), (800, 1200))
    others = concat_samples([slice_samples(whole, first, last) for first, last in places])
    for again, expected in ((in_order, whole), (in_another, others)):
        for name in ("indptr", "indices", "data"):
            np.testing.assert_array_equal(getattr(again.X, name), getattr(expected.X, name))
        np.testing.assert_array_equal(again.targets, expected.targets)
        np.testing.assert_array_equal(again.numbers, expected.numbers)
        assert again.sample_weight is None


def test_blocks_with_and_without_values_and_weights_are_read_together(blocks, tmp_path):
    path, rows = str(tmp_path / "mixed"), slice_samples(blocks[1], 0, 100)
    targets = np.concatenate([rows.targets, 2 * rows.targets])
    zero = np.where(np.arange(rows.X.nnz) == 5, np.float32(0), rows.X.data)
    first = replace(rows, X=replace(rows.X, data=zero), targets=targets)
    second = replace(rows, X=replace(rows.X, data=None), targets=targets, sample_weight=np.full(100, 2, np.float32))
    writer = RowCacheWriter(path)
    writer.append(first)
    writer.append(second)
    writer.finish()
    with RowCache(path) as file:
        again = file.read([1, 0], 2, 60)
    np.testing.assert_array_equal(again.X.data, np.concatenate([np.ones(rows.X.nnz, np.float32), zero]))
    np.testing.assert_array_equal(again.targets, np.concatenate([targets, targets], axis=1))
    np.testing.assert_array_equal(again.sample_weight, np.repeat(np.float32([2, 1]), 100))


class RefusedError(Exception):
    """The file was refused, and as it should be."""


@contextlib.contextmanager
def refusal_of(path):
    try:
        yield
    except ValueError as error:
        if f"{path} is not a complete cache of rows" not in str(error):
            raise
        raise RefusedError from error


def test_damaged_blocks_are_refused(blocks):
    path, _ = blocks
    with open(path, "rb") as file:
        content = file.read()
    rng = np.random.default_rng(0)
    n_refused = 0
    for _ in range(200):
        damaged = bytearray(content)
        if rng.random() < 0.2:
            del damaged[rng.integers(len(damaged)) :]
        else:
            for at in rng.integers(len(damaged), size=5):
                damaged[at] = rng.integers(256)
        with open(path, "wb") as file:
            file.write(damaged)
        with contextlib.suppress(RefusedError), refusal_of(path), RowCache(path) as again:
            for block in range(len(again)):
                X = again.read([block], 1, 60).X
                assert 0 <= X.indices.min(initial=0) <= X.indices.max(initial=0) < 60
                assert X.indptr[-1] == X.nnz
            continue
        n_refused += 1
    assert n_refused > 40


def test_an_unfinished_file_of_blocks_has_no_name(blocks, tmp_path):
    path = str(tmp_path / "others")
    writer = RowCacheWriter(path)
    writer.append(slice_samples(blocks[1], 0, 10))
    writer.abandon()
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]
