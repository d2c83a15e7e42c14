"""List the lines of C++ that no test has run, from what a build with --coverage has counted.

Usage: python .ci/native_coverage.py FOLDER-OF-OBJECTS       (after `bash .ci/sanitize coverage`, which calls it)

A line of a template counts as run if any instance of it, on any instruction set, was. A line with a comment that holds
`not covered:` is passed over; the comment says why no test can reach it.
"""

import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "fastfm_ext"


def counts_of(objects: Path) -> dict[str, dict[int, int]]:
    """Count how often each line of each native file was run."""
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    with tempfile.TemporaryDirectory() as folder:
        for counted in sorted(objects.rglob("*.gcda")):
            command = ["gcov", "--json-format", "--object-directory", str(counted.parent), str(counted)]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            for report in Path(folder).glob("*.gcov.json.gz"):
                for file in json.loads(gzip.decompress(report.read_bytes()))["files"]:
                    name = native_name(file["file"])
                    for line in file["lines"] if name else ():
                        counts[name][line["line_number"]] += line["count"]
                report.unlink()
    return counts


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
    """Print the share of each file and the lines that are missing; fail if a solver has any without a reason."""
    missing_in_solvers = 0
    for name, lines in sorted(counts_of(objects).items()):
        text = (NATIVE / name).read_text(encoding="utf-8").splitlines()
        missing = [n for n, count in sorted(lines.items()) if not count and "not covered:" not in text[n - 1]]
        print(f"{name:28} {1 - len(missing) / len(lines):7.1%} of {len(lines)} lines")
        for n in missing:
            print(f"    {n}: {text[n - 1].strip()}")
        missing_in_solvers += len(missing) if name.startswith(("solvers/", "models/", "math/")) else 0
    return bool(missing_in_solvers)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
