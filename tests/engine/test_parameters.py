"""Options, instruction sets and hot features of the engine."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine import csr as _csr
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import N_FEATURES, make_options, random_rows, random_targets
from registries import SOLVERS


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


def test_an_unknown_instruction_set_is_refused():
    with pytest.raises(ValueError, match="choose from"):
        _engine.use_isa("mmx")


def test_rare_features_are_not_hot():
    rng = np.random.default_rng(15)
    indices = rng.integers(0, 50_000, 40_000).astype(np.int32)
    csr = _csr.Csr(np.arange(40_001, dtype=np.int64), indices, None, 50_000)
    assert len(_engine.hot_features(csr, 136)) == 0
