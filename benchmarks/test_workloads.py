"""The made-up workloads have the shapes, the popularity and the targets that they promise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastfm_ext import _engine
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from numpy_fm import to_scipy
from workloads import FRAPPE_FIELDS, WORKLOADS, Workload, avazu, field_sizes, rat2, rat5, zipf_ids

SHAPES = {
    "rat2": (2, 9_746),
    "rat5": (5, 165_791),
    "frappe": (10, 5_382),
    "avazu": (22, 1_000_000),
    "ctr1": (39, 1_000_000),
    "ctr10": (39, 10_000_000),
}
SMALL = [name for name in WORKLOADS if name != "ctr10"]


def test_every_workload_has_its_shape_here() -> None:
    assert set(SHAPES) == set(WORKLOADS)


@pytest.mark.parametrize("name", WORKLOADS)
def test_rows_are_valid_and_of_the_promised_shape(name: str) -> None:
    made = WORKLOADS[name](300)
    nnz_per_row, n_features = SHAPES[name]
    assert (made.name, made.X.n_rows, made.X.n_features) == (name, 300, n_features)
    ids = np.sort(made.X.indices.reshape(300, nnz_per_row), axis=1)
    assert ids[:, 0].min() >= 0
    assert ids[:, -1].max() < n_features
    assert (np.diff(ids, axis=1) > 0).all()
    assert made.X.indptr.dtype == np.int64
    assert made.X.indices.dtype == np.int32
    assert made.X.data is None


@pytest.mark.parametrize("name", SMALL)
def test_targets_fit_the_loss_and_vary(name: str) -> None:
    made = WORKLOADS[name](1000)
    assert made.y.dtype == np.float32
    assert made.y.shape == (1000,)
    assert set(made.y) == ({1.0, 2.0, 3.0, 4.0, 5.0} if made.loss == "squared" else {0.0, 1.0})


def test_a_seed_names_the_rows() -> None:
    one, same, other = rat2(500, seed=1), rat2(500, seed=1), rat2(500, seed=2)
    np.testing.assert_array_equal(one.X.indices, same.X.indices)
    np.testing.assert_array_equal(one.y, same.y)
    assert (one.X.indices != other.X.indices).any()


def test_head_is_the_first_rows() -> None:
    whole = rat5(100)
    part = whole.head(40)
    np.testing.assert_array_equal(to_scipy(part.X).toarray(), to_scipy(whole.X)[:40].toarray())
    np.testing.assert_array_equal(part.y, whole.y[:40])
    assert whole.head(1000).X.n_rows == 100


def test_a_film_always_has_the_same_genres() -> None:
    ids = rat5(5000).X.indices.reshape(-1, 5)
    genres_of: dict[int, tuple[int, ...]] = {}
    for film, *genres in ids[:, 1:].tolist():
        assert genres_of.setdefault(film, tuple(genres)) == tuple(genres)


@pytest.mark.parametrize(("n_fields", "n_features"), [(22, 1_000_000), (39, 10_000_000)])
def test_field_sizes_rise_and_add_up(n_fields: int, n_features: int) -> None:
    sizes = field_sizes(n_fields, n_features)
    assert len(sizes) == n_fields
    assert sum(sizes) == n_features
    assert list(sizes) == sorted(sizes)
    assert sum(FRAPPE_FIELDS) == 5382


def test_popularity_follows_zipf_s_law() -> None:
    world, draws = np.random.default_rng(0), np.random.default_rng(1)
    counts = np.sort(np.bincount(zipf_ids(50, 200_000, 1.0, world, draws), minlength=50))[::-1]
    shares = 1 / np.arange(1, 51)
    np.testing.assert_allclose(counts / counts.sum(), shares / shares.sum(), rtol=0.1)


@pytest.mark.parametrize("make", [rat2, avazu])
def test_unseen_rows_come_from_the_same_planted_model(make: Callable[..., Workload]) -> None:
    train, test = make(60_000, seed=0), make(5_000, seed=1)
    options = Options(
        train.loss, "adagrad", learning_rate_w=0.1, learning_rate_V=0.1, l2_w=0.001, l2_V=0.001, init_stdev=0.01
    )
    params = Parameters.initialise(train.X.n_features, 4, options, float(train.y.mean()), np.random.default_rng(0))
    _engine.train_epoch(train.X, train.y, None, None, params, options)
    correlation = np.corrcoef(_engine.predict(test.X, params), test.y)[0, 1]
    assert correlation > 0.15
