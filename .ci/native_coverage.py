"""List the lines and branches of C++ that no test has run, from what a build with --coverage has counted.

Usage: python .ci/native_coverage.py FOLDER-OF-OBJECTS       (after `bash .ci/sanitize coverage`, which calls it)

Fails if the solvers miss any. A line with a comment that holds `not covered:` is passed over; the comment says why no
test can reach it. What counts:

- A line or a branch of a template is run if any instance of it was, on any instruction set. Instances whose line has
  other numbers of branches (a condition that is known at compile time has none) are told apart, and each kind must have
  all of its branches run.
- Of a lambda in a template, gcov gives the branches of all instances one after the other; they are counted as those of
  one where each instance has as many.
- Branches to the handling of an exception are not counted: the engine's functions are noexcept.
- The build does not optimize, so that each condition of a line, also of `&&`, `||` and `?:`, is two branches.
"""

import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "fastfm_ext"
SOLVERS = ("isa/", "math/", "models/", "solvers/", "threads/ranking.cpp")


class Branches(NamedTuple):
    """The branches of one line in one function, or in all instances of a template that have as many of them."""

    line: int
    function: tuple[int, int]
    how_many: int


class Counts:
    """How often the lines and the branches of a file were run."""

    def __init__(self) -> None:
        self.lines: Counter[int] = Counter()
        self.branches: dict[Branches, Counter[int]] = defaultdict(Counter)

    def add(self, file: dict[str, Any]) -> None:
        """Add what gcov says of the file in one object."""
        places = {f["name"]: (f["start_line"], f["start_column"]) for f in file["functions"]}
        for line in file["lines"]:
            number = line["line_number"]
            self.lines[number] += line["count"]
            taken = [branch["count"] for branch in line["branches"] if not branch["throw"]]
            how_many = len(taken)
            place = places.get(line.get("function_name"), (0, 0))
            if "function_name" not in line:
                place, how_many = self._of_one_instance(number, how_many, file["functions"])
            counts = self.branches[Branches(number, place, how_many)]
            for branch, count in enumerate(taken):
                counts[branch % how_many] += count

    @staticmethod
    def _of_one_instance(line: int, how_many: int, functions: list[dict[str, Any]]) -> tuple[tuple[int, int], int]:
        """Return the innermost function around a line, and how many branches each instance of it has.

        Of a lambda in a template, gcov gives the branches of all instances one after the other.
        """
        starts = [(f["start_line"], f["start_column"]) for f in functions if f["start_line"] <= line <= f["end_line"]]
        innermost = max(starts, default=(0, 0))
        each, rest = divmod(how_many, max(starts.count(innermost), 1))
        return innermost, how_many if rest or each % 2 else each

    def passed_over(self, text: list[str]) -> "Counts":
        """Return the counts without the lines that say why they are not covered."""
        kept = Counts()
        kept.lines.update({n: count for n, count in self.lines.items() if "not covered:" not in text[n - 1]})
        kept.branches.update({place: counts for place, counts in self.branches.items() if place.line in kept.lines})
        return kept

    def missing_lines(self) -> set[int]:
        """Return the lines that were never run."""
        return {n for n, count in self.lines.items() if not count}

    def missing_branches(self) -> list[tuple[int, str]]:
        """Return the line and the name of each branch that was never taken, if the line has any that was."""
        return sorted(
            (place.line, f"branch {branch + 1} of {place.how_many}")
            for place, counts in self.branches.items()
            for branch, count in counts.items()
            if not count
        )

    def n_branches(self) -> int:
        """Return how many branches there are."""
        return sum(len(counts) for counts in self.branches.values())


def reports(objects: Path) -> Iterator[dict[str, Any]]:
    """Give what gcov says of each file in each object."""
    with tempfile.TemporaryDirectory() as folder:
        for counted in sorted(objects.resolve().rglob("*.gcda")):
            command = ["gcov", "--json-format", "--branch-probabilities", "--branch-counts", str(counted)]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            for report in Path(folder).glob("*.gcov.json.gz"):
                yield from json.loads(gzip.decompress(report.read_bytes()))["files"]
                report.unlink()


def native_name(path: str) -> str:
    """Return the path below the native tree; empty for files of others and for what Cython writes."""
    parts = Path(re.sub(r"[^/]+/\.\./", "", path)).parts
    if "fastfm_ext" not in parts or "cython" in parts:
        return ""
    name = "/".join(parts[len(parts) - parts[::-1].index("fastfm_ext") :])
    while "/../" in name:
        name = re.sub(r"[^/]+/\.\./", "", name)
    return name if (NATIVE / name).is_file() and not name.endswith(".pyx") else ""


def main(objects: Path) -> int:
    """Print the share of each file and what is missing; fail if the solvers miss anything without a reason."""
    found: dict[str, Counts] = defaultdict(Counts)
    for file in reports(objects):
        name = native_name(file["file"])
        if name:
            found[name].add(file)
    missing_in_solvers = 0
    for name, all_counts in sorted(found.items()):
        text = (NATIVE / name).read_text(encoding="utf-8").splitlines()
        counts = all_counts.passed_over(text)
        lines, branches = counts.missing_lines(), counts.missing_branches()
        print(
            f"{name:24} lines {len(counts.lines) - len(lines):4} of {len(counts.lines):4}   "
            f"branches {counts.n_branches() - len(branches):4} of {counts.n_branches():4}   "
            f"passed over {len(all_counts.lines) - len(counts.lines)} lines"
        )
        gaps = [(n, "never run") for n in lines] + [(n, what) for n, what in branches if n not in lines]
        for n, what in sorted(gaps):
            print(f"    {n}: {what}: {text[n - 1].strip()}")
        missing_in_solvers += len(lines) + len(branches) if name.startswith(SOLVERS) else 0
    print(f"{missing_in_solvers} lines and branches missing in the solvers")
    return bool(missing_in_solvers)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
