"""Speed, memory and time to quality of fastfm-ext and of other libraries, each in an environment of its own."""

import sys
from pathlib import Path

# The modules beside this package import each other by their bare names, as pytest finds them too.
_BENCHMARKS = str(Path(__file__).resolve().parents[1])
if _BENCHMARKS not in sys.path:
    sys.path.insert(0, _BENCHMARKS)
