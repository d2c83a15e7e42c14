"""Rows and options for the kernels, factors that reach every path, and how near to the reference a kernel must be."""

import numpy as np

from fastfm_ext._engine.options import Options
from fastfm_ext._learning.losses import losses_of

# The kernel rounds to float32 (2^-24 = 6e-8) in every operation, the reference to float64. Over the few hundred steps
# taken here the differences add up like a random walk to some 1e-6 of the parameters' size. 2e-5 leaves a margin and is
# far below what any wrong term would cause.
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}

# AdaGrad's kernel has the CPU's estimate of 1 / sqrt(acc), which is off by at most so much of itself: with SSE and AVX
# as the manuals of Intel and AMD say of RSQRTPS, with AVX-512 by 2^-14, on ARM by less than both. Makers of CPUs chose
# other errors below that bound, so tests know no more than the bound.
ROOT_ERROR = 1.5 * 2.0**-12

K_PATHS = [0, 1, 3, 4, 5, 8, 10, 16, 17, 32, 40, 48, 64, 80, 100]
N_ROWS, N_FEATURES = 60, 12


def random_rows(rng, *, ones=False, n_rows=N_ROWS, density=0.4):
    X = rng.normal(size=(n_rows, N_FEATURES)) * (rng.random((n_rows, N_FEATURES)) < density)
    X[0] = 0  # a row without any feature
    return (X != 0).astype(float) if ones else X.astype(np.float32).astype(float)


def make_options(**changes):
    defaults = {
        "loss": "squared",
        "solver": "sgd",
        "learning_rate_w": 0.02,
        "learning_rate_V": 0.01,
        "l2_w": 0.01,
        "l2_V": 0.02,
        "init_stdev": 0.1,
        "initial_acc_w": 0.5,
        "initial_acc_V": 0.7,
        "l1_w": 0.05,
        "l1_V": 0.01,
        "beta_w": 0.8,
        "beta_V": 1.3,
    }
    return Options(**(defaults | changes))


def random_targets(rng, loss, n_rows=N_ROWS):
    is_regression = loss in [of_regression.name for of_regression in losses_of("regression")]
    return rng.normal(size=n_rows) if is_regression else rng.integers(0, 2, n_rows).astype(float)


def assert_same_parameters(params, reference, solver, tables=("w0", "w", "V")):
    """Check the parameters of a kernel against those of the reference.

    AdaGrad's may be further away. Each of its steps is the reference's but for `ROOT_ERROR` of its length, so that a
    parameter is off by at most `ROOT_ERROR` of the length of its path: the sum of |eta G / sqrt(acc)| over its steps,
    which the reference adds up. Later gradients make no more of it, for they lead back to the same minimum.
    """
    for name in tables:
        found, expected = np.asarray(getattr(params, name)), np.asarray(getattr(reference, name))
        path = getattr(reference, f"state_{name}")[1] if solver == "adagrad" else 0.0
        allowed = TOLERANCE["atol"] + TOLERANCE["rtol"] * np.abs(expected) + ROOT_ERROR * path
        excess = np.abs(found - expected) / allowed
        assert np.max(excess, initial=0.0) <= 1.0, f"{name} is {np.max(excess):.3g} times as far off as it may be"


def loss_tolerance(solver):
    """The relative error that a loss may have: what training takes off it is as inexact as steps are."""
    return TOLERANCE["rtol"] + (ROOT_ERROR if solver == "adagrad" else 0.0)
