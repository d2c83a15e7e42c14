"""Folders of this repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
PACKAGE_FOLDER = ROOT / "python" / "fastfm_ext"
