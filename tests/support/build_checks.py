"""Checks of the compiler flags in the build's configuration."""

import ast
import tomllib
from pathlib import Path

# The first three tie the build to one machine; the others let the compiler assume that no value is NaN.
FORBIDDEN_FLAGS = {
    "-march=native",
    "-mcpu=native",
    "-mtune=native",
    "-ffast-math",
    "-Ofast",
    "-ffinite-math-only",
    "-funsafe-math-optimizations",
    "/fp:fast",
}


def build_strings(root: Path) -> set[str]:
    """Every word of every string in setup.py and pyproject.toml; comments and docstrings may name what is forbidden."""
    strings: list[str] = []

    def collect(value: object) -> None:
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                collect(item)

    collect(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")))
    tree = ast.parse((root / "setup.py").read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    strings += [
        n.value
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docstrings
    ]
    return {word for text in strings for word in text.split()}


def forbidden_flags(root: Path) -> set[str]:
    """Compiler flags in the build that must not be there."""
    return build_strings(root) & FORBIDDEN_FLAGS
