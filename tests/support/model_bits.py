"""Bits of a model, by which two trainings are compared."""

import numpy as np


def bits(model):
    """Return all parameters of a factorization machine with one scorer."""
    return np.concatenate([[model.w0_], model.w_, model.V_.ravel()])
