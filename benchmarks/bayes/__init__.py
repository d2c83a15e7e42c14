"""Bayesian factorization machine against myFM: seconds a sweep, error for the time, and what its intervals cover.

Run with ``python -m benchmarks.bayes.sweeps``, or ``quality``, ``control_variate``, ``uncertainty``, ``plots``.
"""

import sys
from pathlib import Path

# The benchmarks import one another by their bare names, as pytest has them; -m alone would not find them.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
