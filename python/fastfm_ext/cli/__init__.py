"""Commands of the console: arguments, settings, one file a job."""

from fastfm_ext.cli.program import main

__all__ = [
    "main",
]
