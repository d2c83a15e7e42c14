"""What inner products of pooled factors lose without the items' own terms: ``python -m benchmarks.inner_product``."""

import sys
from pathlib import Path

# The benchmarks import one another by their bare names, as pytest has them; -m alone would not find them.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
