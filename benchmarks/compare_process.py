"""A process that runs `compare_driver.py` with one revision on its path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from revisions import RevisionError

DRIVER = Path(__file__).with_name("compare_driver.py")


class Driver:
    """Times jobs on request. Use it in a ``with`` block: leaving it ends the process.

    Parameters
    ----------
    site : Path
        The folder that the revision is installed in.
    files : sequence of Path
        The workloads.

    Raises
    ------
    RevisionError
        From every method, if the process fails; the message has its last words.
    """

    def __init__(self, site: Path, files: Sequence[Path]) -> None:
        environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._name = site.name
        self._stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by __exit__
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER), str(site), *map(str, files)],
            cwd=site,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._stderr.close()

    def time(self, workload: str, solver: str) -> dict[str, float]:
        """Return the seconds of the fastest epoch and of the fastest prediction."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # the process is gone; what it said is read below
            print(workload, solver, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._stderr.seek(0)
            raise RevisionError(f"timing {self._name} failed: {self._stderr.read().strip()[-4000:]}")
        seconds: dict[str, float] = json.loads(answer)
        return seconds
