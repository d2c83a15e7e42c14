"""Do what a release does, but for the upload: build, check, mend and try the files on every Python that is here.

Usage: python .ci/check_release.py [--tests] [--python PYTHON ...]      (needs the extra "release")

1. sdist, and from it an abi3 wheel. On Linux the compiler is zig's, for a glibc as old as that of manylinux2014: the
   machine's own would tie the wheel to its C++ library. (The published wheels come out of the manylinux_2_28 image.)
2. What the files hold (`check_dist.py`), twine, check-wheel-contents, abi3audit, auditwheel.
3. For each Python: a fresh environment outside the tree, without a compiler and with nothing but the wheel and what it
   requires; a small fit; the time that importing takes beyond scikit-learn. With --tests also the test suite, from the
   unpacked sdist.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from check_dist import ROOT, SMOKE_TEST, contents_problems

PYTHONS = ("python3.11", "python3.12", "python3.13")
OLDEST_GLIBC = "2.17"
PLATFORM = f"manylinux_{OLDEST_GLIBC.replace('.', '_')}_x86_64"
MOST_MEGABYTES = 6.0
# Prints how long it takes to load all public names, which the package alone puts off, after what they require.
IMPORT_TIME = """
import time
import numpy, scipy.sparse, scipy.special
import sklearn.base, sklearn.metrics, sklearn.model_selection, sklearn.utils.validation
started = time.perf_counter()
from fastfm_ext import *
print(time.perf_counter() - started)
"""


def run(*command: str | Path, **options: object) -> None:
    """Run a command; a failure ends the check."""
    print("+", *command, flush=True)
    subprocess.run([str(part) for part in command], check=True, **options)  # type: ignore[call-overload]


def tool(name: str, *arguments: str | Path) -> None:
    """Run a Python module of this environment as a program."""
    run(sys.executable, "-m", name, *arguments)


def compiler_environment() -> dict[str, str]:
    """Variables that make setuptools compile for the oldest glibc; elsewhere than on Linux x86-64 none."""
    if sys.platform != "linux" or os.uname().machine != "x86_64":
        return {}
    zig, target = f"{sys.executable} -m ziglang", f"-target x86_64-linux-gnu.{OLDEST_GLIBC}"
    return {"CC": f"{zig} cc {target}", "CXX": f"{zig} c++ {target}", "AR": f"{zig} ar"}


def build(out: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from it; return both."""
    environment = os.environ | compiler_environment()
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, env=environment, cwd=out.parent)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def audited(wheel: Path, out: Path) -> Path:
    """Check the wheel with the tools that look into one; return it with the name of the platforms that it runs on."""
    tool("check_wheel_contents", wheel)
    tool("abi3audit", "--strict", "--report", wheel)
    if not compiler_environment():
        return wheel
    tool("auditwheel", "repair", "--plat", PLATFORM, "--wheel-dir", out, wheel)
    (repaired,) = out.glob("*.whl")
    return repaired


def environment_of(python: str, folder: Path, requirement: str) -> Path:
    """Make an environment with this requirement and no way to compile; return its Python."""
    run(python, "-m", "venv", folder)
    own = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    no_compiler = os.environ | {"CC": "false", "CXX": "false"}
    run(own, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", requirement, env=no_compiler, cwd=folder)
    return own


def seconds_to_import(python: Path) -> float:
    """Return the median of several processes; the first one compiles and does not count."""
    times = [
        float(subprocess.run([python, "-c", IMPORT_TIME], capture_output=True, text=True, check=True).stdout)
        for _ in range(6)
    ]
    return statistics.median(times[1:])


def try_on(python: str, wheel: Path, sources: Path, scratch: Path, *, tests: bool) -> None:
    """Use the wheel in fresh environments of this Python, and run the tests if they are asked for."""
    bare = environment_of(python, scratch / f"{Path(python).name}-bare", str(wheel))
    run(bare, "-c", SMOKE_TEST, cwd=scratch)
    print(f"{python}: imported in {seconds_to_import(bare):.3f} s beyond scikit-learn's own import", flush=True)
    if tests:
        full = environment_of(python, scratch / f"{Path(python).name}-test", f"{wheel}[test]")
        run(full, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=sources)


def main() -> int:
    """Run every check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", action="store_true", help="run the test suite from the wheel, too")
    parser.add_argument("--python", action="append", help="a Python to try; by default 3.11, 3.12 and 3.13")
    parser.add_argument("--out", type=Path, help="keep the sdist and the wheel here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for name in ("built", "repaired", "sources"):
            (scratch / name).mkdir()
        sdist, built = build(scratch / "built")
        tool("twine", "check", "--strict", sdist, built)
        problems = contents_problems(sdist, built)
        wheel = audited(built, scratch / "repaired")
        megabytes = wheel.stat().st_size / 1e6
        if megabytes > MOST_MEGABYTES:
            problems.append(f"the wheel takes {megabytes:.2f} MB, more than {MOST_MEGABYTES}")
        for problem in problems:
            print(f"check-release: {problem}", file=sys.stderr)
        if problems:
            return 1
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch / "sources", filter="data")
        (sources,) = (scratch / "sources").iterdir()
        for python in options.python or PYTHONS:
            try_on(python, wheel, sources, scratch, tests=options.tests)
        print(f"check-release: {wheel.name}, {megabytes:.2f} MB, is fit to be released")
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            for path in (sdist, wheel):
                shutil.copy(path, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
