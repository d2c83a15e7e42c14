"""Options of a training run in other units."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.models import FWFM
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import N_FEATURES, make_options, random_rows, random_targets
from registries import SOLVERS


def in_units_written_out(options, s):
    w_rate, V_rate, R_rate = (1.0, 1.0 / s, 1.0 / s**2) if options.solver == "sgd" else (s, s**0.5, 1.0)
    return replace(
        options,
        learning_rate_w=options.learning_rate_w * w_rate,
        learning_rate_V=options.learning_rate_V * V_rate,
        learning_rate_R=options.learning_rate_R * R_rate,
        l2_V=options.l2_V * s,
        l2_R=options.l2_R * s**2,
        l1_w=options.l1_w * s,
        l1_V=options.l1_V * s**1.5,
        l1_R=options.l1_R * s**2,
        beta_w=options.beta_w * s,
        beta_V=options.beta_V * s**1.5,
        beta_R=options.beta_R * s**2,
        init_stdev=options.init_stdev * s**0.5,
        initial_acc_w=options.initial_acc_w * s**2,
        initial_acc_V=options.initial_acc_V * s**3,
        initial_acc_R=options.initial_acc_R * s**4,
        clip_gradient=options.clip_gradient * s,
        delta=options.delta * s,
    )


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_option_has_its_power_of_the_unit_to_the_last_bit(solver):
    values = {"l1_w": 0.3, "l1_V": 0.7, "beta_w": 0.9, "beta_V": 1.1, "initial_acc_w": 0.6, "initial_acc_V": 0.4}
    values |= {"learning_rate_R": 0.08, "l2_R": 0.04, "l1_R": 0.2, "beta_R": 1.2, "initial_acc_R": 0.5}
    values |= {"model": FWFM, "clip_gradient": 1.3, "delta": 1.7}
    options = Options("squared", solver, 0.05, 0.07, 0.01, 0.02, 0.03, **values)
    for s in [1.0, 0.1, 1e-30, 1e20, *np.random.default_rng(0).lognormal(0.0, 5.0, 2000).tolist()]:
        assert options.in_units_of(s) == in_units_written_out(options, s)


@pytest.mark.parametrize("scale", [0.01, 30.0])
@pytest.mark.parametrize("solver", SOLVERS)
def test_training_in_other_units_gives_the_same_model_in_those_units(solver, scale):
    rng = np.random.default_rng(8)
    X, y = random_rows(rng), random_targets(rng, "squared").astype(np.float32)
    csr = canonical_csr(sp.csr_array(X.astype(np.float32)))
    predictions = []
    for s in (1.0, scale):
        options = make_options(solver=solver).in_units_of(s)
        params = Parameters.initialise(N_FEATURES, 5, options, intercept=0.0, rng=np.random.default_rng(9))
        for _ in range(3):
            _engine.train_epoch(csr, y * np.float32(s), None, None, params, options)
        predictions.append(_engine.predict(csr, params) / s)
    np.testing.assert_allclose(predictions[0], predictions[1], rtol=1e-4, atol=1e-4)
