"""Small models with fields, their references, and rows of theirs to take apart."""

import numpy as np
import scipy.sparse as sp

from fastfm_ext._engine.models import FFM, FMFM, FVFM, FWFM, Fields
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._reference import ffm, fmfm, fwfm
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import make_options

N_FIELDS, N_FEATURES = 3, 7
OF_FEATURE = np.array([2, 0, 0, 1, 2, 0, 1], dtype=np.int32)
GROUP_OF = np.array([0, 0, 1, 1, 2, 3, 3], dtype=np.int32)
MODELS = {
    "ffm": (FFM, ffm.score),
    "fwfm": (FWFM, fwfm.score),
    "fvfm": (FVFM, fmfm.score),
    "fmfm": (FMFM, fmfm.score),
}


def as_csr(rows):
    return canonical_csr(sp.csr_array(rows.astype(np.float32)))


def random_rows(rng, n_rows, *, ones=False):
    rows = (rng.random((n_rows, N_FEATURES)) < 0.6) * (1.0 if ones else rng.normal(size=(n_rows, N_FEATURES)))
    return rows.astype(np.float32).astype(float)


def random_parameters(rng, name, k):
    fields = Fields(N_FIELDS, OF_FEATURE)
    options = make_options(init_stdev=1.0)
    params = Parameters.initialise(N_FEATURES, k, options, 0.3, rng, model=MODELS[name][0], fields=fields)
    params.w[...] = rng.normal(size=N_FEATURES)
    if "R" in params.tables:
        params.tables["R"][:, 0] *= 1.0 + rng.normal(size=params.tables["R"][:, 0].shape)
        if name == "fmfm":  # matrices that are not diagonal; the padding stays 0
            matrices = params.tables["R"][:, 0].reshape(N_FIELDS, N_FIELDS, params.k, params.k)
            matrices[..., :k, :k] += rng.normal(size=(N_FIELDS, N_FIELDS, k, k))
    return params
