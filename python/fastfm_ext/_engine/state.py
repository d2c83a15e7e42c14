"""Changes of parameters by other means than training steps, together with the optimizer's state for them."""

from __future__ import annotations

import numpy as np

from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters


def with_w0_moved(params: Parameters, change: float, options: Options) -> Parameters:
    """Return a copy whose w0 is larger by `change`, and from which training goes on.

    FTRL takes w0 = -eta z / (beta + sqrt(n)) from its state at each step (McMahan et al. 2013, algorithm 1), so that z
    has to follow.
    """
    moved = params.copy()
    record = moved.tables["w0"][0, :, 0]
    record[0] += np.float32(change)
    if options.solver == "ftrl" and moved.n_slots:
        sizes, n = options.w0, float(record[2])
        record[1] = -float(record[0]) * (sizes.beta + np.sqrt(n)) / sizes.learning_rate
    return moved
