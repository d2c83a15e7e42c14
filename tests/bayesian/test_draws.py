"""Kept draws: even thinning, 8 bits a factor, and the same mean as all sweeps have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.bayesian.draws import PackedDraw, PackedRows, PosteriorDraws, Thinning


@given(limit=st.integers(1, 12), n=st.integers(1, 300))
def test_thinning_keeps_as_many_as_it_may_evenly(limit, n):
    thinning, places = Thinning(limit), {}
    for number in range(n):
        place = thinning.place_of(number)
        if place is not None:
            places[place] = number
    assert sorted(places) == list(range(min(limit, n)))
    kept = sorted(places.values())
    assert kept == sorted(thinning.kept)
    assert kept[0] == 0
    gaps = np.diff([*kept, n])
    assert gaps.max() <= 2 * max(thinning.stride, 1)
    # Two strides at most stand side by side, and the smaller one is at least a fourth of an even one.
    assert gaps[:-1].min(initial=n) >= thinning.stride
    assert thinning.stride >= n / (4 * limit) or thinning.stride == 1


def test_packed_rows_are_within_half_a_code():
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    values[3] = 0.0
    values[4] *= 1e6
    packed = PackedRows.of(values)
    assert packed.codes.dtype == np.int8
    error = np.abs(packed.unpacked() - values)
    assert (error <= 0.501 * np.abs(values).max(axis=1, keepdims=True) / 127).all()
    assert not packed.unpacked()[3].any()


def some_draws(n, n_features=5, n_factors=3, seed=0):
    rng = np.random.default_rng(seed)
    return [
        PackedDraw(
            rng.normal(),
            rng.normal(size=n_features).astype(np.float32),
            PackedRows.of(rng.normal(size=(n_features, n_factors)).astype(np.float32)),
            1.0 + rng.random(),
            np.sort(rng.normal(size=2)),
        )
        for _ in range(n)
    ]


def mean_of(n_features=5, n_factors=3):
    rng = np.random.default_rng(9)
    return Parameters.of(
        n_factors,
        w0=np.array([[0.5]], np.float32),
        w=rng.normal(size=(n_features, 1)).astype(np.float32),
        V=rng.normal(size=(n_features, n_factors)).astype(np.float32),
    )


def test_draws_stand_around_the_mean_of_all_sweeps_with_the_spread_of_the_kept():
    kept, mean = some_draws(6), mean_of()
    draws = PosteriorDraws.around(mean, np.array([-0.5, 0.5]), kept)
    found = list(draws.all_parameters(mean))
    V, w = np.stack([params.V for params in found]), np.stack([params.w for params in found])
    w0 = np.array([params.w0 for params in found])
    np.testing.assert_allclose(V.mean(axis=0), mean.V, atol=0.02)  # rounding to 8 bits does not cancel
    np.testing.assert_allclose(w.mean(axis=0), mean.w, atol=1e-6)
    np.testing.assert_allclose(w0.mean(), mean.w0, rtol=1e-6)
    as_drawn = np.stack([draw.V.unpacked() for draw in kept])
    np.testing.assert_allclose(V.var(axis=0), as_drawn.var(axis=0, ddof=1), rtol=0.05, atol=0.01)
    np.testing.assert_allclose(w0.var(), np.var([draw.w0 for draw in kept], ddof=1), rtol=1e-6)
    assert (np.diff(draws.cuts, axis=1) >= 0).all()


def test_a_single_draw_is_the_mean():
    mean = mean_of()
    params = PosteriorDraws.around(mean, np.zeros(2), some_draws(1)).parameters(0, mean)
    np.testing.assert_array_equal(params.V, mean.V)
    assert params.w0 == mean.w0


def test_parameters_of_some_features_are_those_of_all():
    mean, columns = mean_of(), np.array([1, 3])
    draws = PosteriorDraws.around(mean, np.zeros(2), some_draws(4))
    whole, some = draws.parameters(2, mean), draws.parameters(2, mean, columns)
    np.testing.assert_array_equal(some.V, whole.V[columns])
    np.testing.assert_array_equal(some.w, whole.w[columns])


def test_arrays_of_a_file_are_checked():
    mean = mean_of()
    draws = PosteriorDraws.around(mean, np.zeros(2), some_draws(4))
    arrays = draws.to_arrays("_0")
    again = PosteriorDraws.from_arrays(arrays, "_0", mean)
    np.testing.assert_array_equal(again.V.codes, draws.V.codes)
    for name, bad in {
        "draws_V_0": arrays["draws_V_0"][:, 1:],
        "draws_w_0": arrays["draws_w_0"].astype(np.float64),
        "draws_noise_0": -arrays["draws_noise_0"],
        "draws_cuts_0": arrays["draws_cuts_0"][:, ::-1] + np.array([1.0, 0.0]),
        "draws_w0_0": np.full(4, np.nan),
    }.items():
        with pytest.raises(ValueError, match=r"draws|cut points"):
            PosteriorDraws.from_arrays(arrays | {name: bad}, "_0", mean)
