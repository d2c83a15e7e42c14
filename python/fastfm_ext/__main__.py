"""Run the command line as ``python -m fastfm_ext``."""

import sys

from fastfm_ext.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
