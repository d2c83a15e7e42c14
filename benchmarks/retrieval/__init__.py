"""Speed of top-N search on trained vectors. Run with ``python -m benchmarks.retrieval``."""

import sys
from pathlib import Path

# The benchmarks import one another by their bare names, as pytest has them; -m alone would not find them.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
