"""Download of one file, which is checked before it takes its name."""

import hashlib
import http.client
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from fastfm_ext._common.files import replacing

# Long enough for a slow server to answer, short enough that a closed network is noticed.
CONNECT_TIMEOUT = 10.0
PIP_TIMEOUT = 180.0


class Digest(NamedTuple):
    """The checksum that a file must have."""

    algorithm: str
    hexdigest: str


def problem_with(file: IO[bytes], digest: Digest | None) -> str | None:
    """Say what is wrong with a zip file that is open for reading, or None when it is as expected."""
    if digest is not None:
        file.seek(0)
        new_hash = partial(hashlib.new, digest.algorithm, usedforsecurity=False)
        found = hashlib.file_digest(file, new_hash).hexdigest()  # type: ignore[arg-type]
        if found != digest.hexdigest:
            return f"its {digest.algorithm} checksum is {found}, expected {digest.hexdigest}"
    if not zipfile.is_zipfile(file):
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
    with replacing(target) as file:
        while True:
            try:
                _copy(url, file)
                break
            except (OSError, http.client.HTTPException) as error:
                if n_retries <= 0 or not _worth_a_retry(error):
                    raise OSError(_reason(error)) from error
                warnings.warn(f"{url}: {_reason(error)}; trying again", stacklevel=2)
                n_retries -= 1
                time.sleep(delay)
        _check(file, digest)


def download_with_pip(requirement: str, target: Path, *, digest: Digest) -> None:
    """Download a wheel with this interpreter's pip, in the user's own configuration, and do not install it.

    Raises
    ------
    OSError
        If pip is missing or fails, or the wheel is not the expected one.
    """
    with TemporaryDirectory() as folder:
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
        with wheel.open("rb") as downloaded, replacing(target) as file:
            shutil.copyfileobj(downloaded, file)
            _check(file, digest)


def _copy(url: str, file: IO[bytes]) -> None:
    # An earlier try may have left a part.
    file.seek(0)
    file.truncate()
    with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT) as response:
        shutil.copyfileobj(response, file)


def _check(file: IO[bytes], digest: Digest | None) -> None:
    problem = problem_with(file, digest)
    if problem is not None:
        raise OSError(f"the downloaded file is not the expected one: {problem}")


def _worth_a_retry(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    # urlopen raises URLError if there was no connection at all; another try would only wait as long again.
    return not isinstance(error, urllib.error.URLError)


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP error {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__
