"""Download one file into a folder: checked before it takes its final name, so that a partial file is never seen."""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

# Long enough for a slow server to answer, short enough that a closed network is noticed.
CONNECT_TIMEOUT = 10.0
PIP_TIMEOUT = 180.0


class Digest(NamedTuple):
    """The checksum that a file must have."""

    algorithm: str
    hexdigest: str


def problem_with(path: Path, digest: Digest | None) -> str | None:
    """Say what is wrong with a zip file, or None when it is as expected."""
    if digest is not None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.new(digest.algorithm, usedforsecurity=False)).hexdigest()
        if found != digest.hexdigest:
            return f"its {digest.algorithm} checksum is {found}, expected {digest.hexdigest}"
    if not zipfile.is_zipfile(path):
        return "it is not a zip file"
    return None


def download_url(url: str, target: Path, *, digest: Digest | None, n_retries: int, delay: float) -> None:
    """Download a zip file over HTTP.

    A broken transfer or a server error is tried again, `n_retries` times, `delay` seconds apart; a host that cannot be
    reached is not.

    Raises
    ------
    OSError
        If the file cannot be had, or is not the expected one.
    """
    with TemporaryDirectory(dir=target.parent, prefix="part-") as folder:
        part = Path(folder) / target.name
        while True:
            try:
                _copy(url, part)
                break
            except (OSError, http.client.HTTPException) as error:
                if n_retries <= 0 or not _worth_a_retry(error):
                    raise OSError(_reason(error)) from error
                warnings.warn(f"{url}: {_reason(error)}; trying again", stacklevel=2)
                n_retries -= 1
                time.sleep(delay)
        _put(part, target, digest)


def download_with_pip(requirement: str, target: Path, *, digest: Digest) -> None:
    """Download a wheel with this interpreter's pip, in the user's own configuration, and do not install it.

    Raises
    ------
    OSError
        If pip is missing or fails, or the wheel is not the expected one.
    """
    with TemporaryDirectory(dir=target.parent, prefix="part-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--no-input", "--disable-pip-version-check", "--quiet", "--dest", folder, requirement]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT, check=False)
        except subprocess.TimeoutExpired as error:
            raise OSError(f"no result within {PIP_TIMEOUT:.0f} seconds") from error
        if result.returncode != 0:
            lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
            raise OSError(lines[-1] if lines else f"pip ended with exit code {result.returncode}")
        wheel = Path(folder) / target.name
        if not wheel.exists():
            raise OSError(f"pip did not deliver {target.name}")
        _put(wheel, target, digest)


def _copy(url: str, part: Path) -> None:
    with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT) as response, part.open("wb") as file:
        shutil.copyfileobj(response, file)


def _put(part: Path, target: Path, digest: Digest | None) -> None:
    problem = problem_with(part, digest)
    if problem is not None:
        raise OSError(f"the downloaded file is not the expected one: {problem}")
    os.replace(part, target)


def _worth_a_retry(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    # urlopen raises URLError when no connection came about at all; another try would only wait as long again.
    return not isinstance(error, urllib.error.URLError)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP error {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__
