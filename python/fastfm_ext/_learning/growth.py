"""Growth of parameters: fresh ones for features that come later."""

from __future__ import annotations

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._engine.parameters import Options, Parameters


def grown(params: Parameters, n_features: int, options: Options, rng: np.random.Generator) -> Parameters:
    """Return a copy with fresh parameters for the features from the last one on."""
    n_before = len(params.w_records)
    fresh = Parameters.initialise(n_features - n_before, params.n_factors, options, 0.0, rng)
    result = Parameters(
        params.w0_record.copy(),
        _engine.aligned_empty((n_features, *params.w_records.shape[1:])),
        _engine.aligned_empty((n_features, *params.V_records.shape[1:])),
        params.n_factors,
    )
    for whole, old, new in zip(result.arrays[1:], params.arrays[1:], fresh.arrays[1:], strict=True):
        whole[:n_before] = old
        whole[n_before:] = new
    return result
