"""The made-up clicks are the same in both forms of file, and in both kinds of fit; not timed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams import clicks


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of few rows, and a model of few features."""
    monkeypatch.setattr(clicks, "CHUNK_ROWS", 100)
    monkeypatch.setattr(clicks, "FILE_ROWS", 200)
    monkeypatch.setattr(clicks, "N_VALIDATION", 200)


@pytest.mark.usefixtures("few_rows")
def test_both_forms_hold_the_same_rows(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    found = {}
    for form in ("libsvm", "parquet"):
        clicks.generate(tmp_path / form, form, 100_000)
        source = clicks.source(tmp_path / form, "train", batch_rows=64)
        assert len(source.paths) > 1
        parts = [(X.indices, X.data, np.repeat(np.asarray(y) > 0, clicks.N_FIELDS)) for X, y, *_ in source]
        found[form] = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    n_values = min(len(arrays[0]) for arrays in found.values())
    assert n_values % clicks.N_FIELDS == 0
    for a, b in zip(found["libsvm"], found["parquet"], strict=True):
        np.testing.assert_array_equal(a[:n_values], b[:n_values])


def test_a_chunk_is_the_same_each_time_and_unlike_others() -> None:
    (X, y), (X_again, y_again), (other, _) = clicks.chunk(3), clicks.chunk(3), clicks.chunk(4)
    np.testing.assert_array_equal(X.data, X_again.data)
    np.testing.assert_array_equal(X.indices, X_again.indices)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(X.indices, other.indices)
    assert 0.1 < y.mean() < 0.6
