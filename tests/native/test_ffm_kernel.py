"""The kernels of field-aware factorization machines against the NumPy reference."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import _engine
from fastfm_ext._engine.models import FFM, Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import ffm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import N_FEATURES, TOLERANCE, make_options, random_rows

N_FIELDS = 5


@pytest.mark.parametrize("ones", [False, True])
@pytest.mark.parametrize("k", [0, 1, 4, 7, 8, 16, 24])
def test_scores_are_those_of_the_reference(isa, k, ones):
    rng = np.random.default_rng(0)
    fields = Fields(N_FIELDS, rng.integers(0, N_FIELDS, N_FEATURES).astype(np.int32))
    options = make_options()
    params = Parameters.initialise(N_FEATURES, k, options, 0.3, rng, model=FFM, fields=fields)
    params.w[...] = rng.normal(size=N_FEATURES)
    X = random_rows(rng)
    if ones:
        X = (X != 0).astype(float)
    found = _engine.predict(canonical_csr(sp.csr_array(X.astype(np.float32))), params)
    V = params.V.astype(float).reshape(N_FEATURES, N_FIELDS, k)
    expected = [ffm.score(x, params.w0, params.w.astype(float), V, fields.of_feature) for x in X]
    np.testing.assert_allclose(found, expected, **TOLERANCE)
