"""Hot features of the engine's gradient descent."""

import numpy as np

from fastfm_ext import _engine
from fastfm_ext._engine import csr as _csr


def test_rare_features_are_not_hot():
    rng = np.random.default_rng(15)
    indices = rng.integers(0, 50_000, 40_000).astype(np.int32)
    csr = _csr.Csr(np.arange(40_001, dtype=np.int64), indices, None, 50_000)
    assert len(_engine.hot_features(csr, 136)) == 0
