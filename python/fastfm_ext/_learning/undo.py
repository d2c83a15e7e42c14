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
        self.w0 = params.w0_record.copy()
        self.w = params.w_records[self.features]
        self.V = params.V_records[self.features]

    def __call__(self) -> None:
        self.params.w0_record[...] = self.w0
        self.params.w_records[self.features] = self.w
        self.params.V_records[self.features] = self.V
