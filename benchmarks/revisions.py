"""Revisions of this repository, each unpacked and installed in a folder of its own. Git's state isn't touched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKING_TREE = "working tree"
BUILD_TOOLS = ("setuptools", "Cython")


class RevisionError(RuntimeError):
    """A revision does not exist, or does not build."""


def resolve(revision: str, root: Path = ROOT) -> str:
    """Return the commit that a revision names now, so that a later commit can't change what is compared.

    `WORKING_TREE` stays as it is.

    Raises
    ------
    RevisionError
        If git knows no such revision.
    """
    if revision == WORKING_TREE:
        return revision
    command = ["git", "-C", str(root), "rev-parse", "--verify", "--quiet", "--short", f"{revision}^{{commit}}"]
    return _run(command, f"there is no revision {revision!r}").decode().strip()


def unpack(revision: str, folder: Path, root: Path = ROOT) -> None:
    """Copy the files of a revision, or of `WORKING_TREE` without those that git ignores, into a new folder.

    Raises
    ------
    RevisionError
        If git cannot read the revision.
    """
    if revision != WORKING_TREE:
        packed = _run(["git", "-C", str(root), "archive", "--format=tar", revision], f"cannot read {revision!r}")
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return
    listing = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in _run(listing, "cannot list the working tree").decode().split("\0"):
        source, target = root / name, folder / name
        if name and source.is_file():  # a deleted file is listed until the deletion is committed
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def install(source: Path, site: Path) -> None:
    """Build the package in ``source`` and install it into ``site``, without its dependencies.

    The build uses setuptools and Cython of this environment, and so the same for every revision. Only where they are
    missing pip fetches them.

    Raises
    ------
    RevisionError
        If the build fails; the message ends with pip's.
    """
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(source)]
    command.append("--disable-pip-version-check")
    if all(find_spec(tool) for tool in BUILD_TOOLS):
        command.append("--no-build-isolation")
    _run(command, f"the build in {source} failed")


def _run(command: Sequence[str], complaint: str) -> bytes:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RevisionError(f"{complaint}: {done.stderr.decode(errors='replace').strip()[-4000:]}")
    return done.stdout
