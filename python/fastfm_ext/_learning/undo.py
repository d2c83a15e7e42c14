"""Undo of a step on a few features: what `partial_fit` puts back after an error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._engine.parameters import Parameters


class Undo:
    """Remembers the parameters of some features, and puts them back when called.

    Parameters
    ----------
    params : Parameters
    features : ndarray of shape (n_touched,)
    """

    def __init__(self, params: Parameters, features: NDArray[np.intp]) -> None:
        self.params = params
        self.features = features
        self.part = params.part(features)

    def __call__(self) -> None:
        self.params.put(self.features, self.part)
