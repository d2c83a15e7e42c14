"""Changes of parameters by other means than training steps, together with the optimizer's state for them."""

from __future__ import annotations

import numpy as np

from fastfm_ext._engine import storage
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


def with_state_decayed(params: Parameters, keep: float, options: Options) -> Parameters:
    """Return a copy with the same parameters, of whose optimizer's sums of squares a part is kept, so that steps grow.

    AdaGrad's sums fall to no less than what they began with. FTRL's parameters follow from z and n (McMahan et al.
    2013, algorithm 1), ``theta = -(z - clamp(z, -l1, l1)) / ((beta + sqrt(n)) / eta + l2)``: what is beyond l1 of z
    shrinks with the denominator.
    """
    decayed = params.copy()
    if not decayed.n_slots:  # of another program, without a state yet
        return decayed
    for name, records in decayed.tables.items():
        sizes = getattr(options, name)
        if options.solver == "adagrad":
            acc = storage.states_of(records)
            least = min(sizes.initial_acc, acc.min(initial=np.inf))
            storage.put_states(records, np.maximum(acc * np.float32(keep), np.float32(least)))
            continue
        z, n = records[:, 1].astype(np.float64), records[:, 2].astype(np.float64)
        before, after = ((sizes.beta + np.sqrt(part)) / sizes.learning_rate + sizes.l2 for part in (n, keep * n))
        within = z.clip(-sizes.l1, sizes.l1)
        records[:, 1] = within + (z - within) * (after / before)
        records[:, 2] = keep * n
    return decayed
