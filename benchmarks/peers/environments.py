"""An environment for each peer: made once with pip, kept in a folder of the user's, never shared with ours."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

from .registry import CHECKOUT, NOT_PACKAGED, PeerSpec

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in", "fastfm_ext", "python")
NOT_SOURCES = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.egg-info", ".*_cache")


class NotInstalledError(Exception):
    """A peer that can't be had here; the message says why."""


def default_home() -> Path:
    """Return the folder of the environments: FASTFM_EXT_BENCH_HOME, else one in the user's cache."""
    return Path(os.environ.get("FASTFM_EXT_BENCH_HOME", "~/.cache/fastfm-ext-bench")).expanduser()


def python_of(spec: PeerSpec, home: Path) -> Path:
    """Return the Python of the peer's environment, made now if it is not there.

    Raises
    ------
    NotInstalledError
        When the peer has no package, or pip can't install it.
    """
    if spec.name in NOT_PACKAGED:
        raise NotInstalledError(NOT_PACKAGED[spec.name])
    folder = home / spec.environment
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    recipe = json.dumps([_fingerprint(), *spec.requirements] if CHECKOUT in spec.requirements else spec.requirements)
    done = folder / "installed.json"
    if done.exists() and done.read_text() == recipe:
        return python
    failed = folder / "failed.txt"
    if failed.exists() and failed.read_text().startswith(recipe):
        raise NotInstalledError(failed.read_text().removeprefix(recipe).strip())
    print(f"installing {spec.name} into {folder}", flush=True)
    if not python.exists():
        venv.create(folder, with_pip=True)
    try:
        _install(spec, python)
    except NotInstalledError as error:
        failed.write_text(f"{recipe}\n{error}")
        raise
    done.write_text(recipe)
    return python


def _install(spec: PeerSpec, python: Path) -> None:
    isolation = []
    if spec.build_requirements:
        _pip(python, spec.build_requirements)
        isolation = ["--no-build-isolation"]
    packages = [name for name in spec.requirements if name != CHECKOUT]
    if CHECKOUT not in spec.requirements:
        _pip(python, [*isolation, *packages])
        return
    # setuptools builds inside the source tree: a copy keeps that apart from whatever else builds there.
    with tempfile.TemporaryDirectory() as copy:
        for name in SOURCES:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, Path(copy) / name, ignore=NOT_SOURCES)
            else:
                shutil.copy(source, copy)
        _pip(python, ["--force-reinstall", "--no-deps", copy])
        _pip(python, packages)


def _pip(python: Path, arguments: Iterable[str]) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode:
        raise NotInstalledError(_reason(process.stderr))


def _reason(log: str) -> str:
    """Return the line of pip's output that says most: a compiler's error, else an exception, else pip's last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and "WARNING" not in line]
    for marker in ("fatal error:", "error: ", "Error: "):
        found = [line for line in lines if marker in line and "subprocess-exited" not in line]
        if found:
            return f"does not build: {found[0]}"
    return lines[-1] if lines else "pip failed without a message"


def _fingerprint() -> str:
    """Return a hash of the checkout's sources, so that a change makes a new build."""
    digest = hashlib.sha256(sys.version.encode())
    for name in SOURCES:
        paths = sorted((ROOT / name).rglob("*")) if (ROOT / name).is_dir() else [ROOT / name]
        for path in paths:
            if path.suffix in {".py", ".pyi", ".pyx", ".hpp", ".cpp", ".inc", ".toml"} and path.is_file():
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()
