"""A fitted model to export, and what an exported file holds."""

import numpy as np
import pytest

from fastfm_ext import (
    FMEncoder,
    FMRegressor,
)

RATINGS = {"user": ["ann", "ann", "bob", "cat"], "film": ["Alien", "Brazil", "Alien", "Čapek"]}


STARS = [5.0, 4.0, 2.0, 3.0]


@pytest.fixture(scope="module")
def fitted():
    encoder = FMEncoder(user=["user"], item=["film"])
    return FMRegressor(n_factors=3, random_state=0).fit(encoder.fit_transform(RATINGS), STARS), encoder


def loaded(path):
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)
