"""Build the sdist and the wheel, check what they hold, and import the wheel in a fresh environment.

Usage: python .ci/check_dist.py [folder]        (needs the package "build"; without a folder a temporary one is used)

`python -m build` makes the wheel from the unpacked sdist, so a wheel that builds proves that the sdist is complete.
"""

import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
SOURCE_SUFFIXES = {".c", ".cpp", ".hpp", ".h", ".inc", ".pxi", ".pyx"}
BUILD_SUFFIXES = {".so", ".pyd", ".o", ".obj", ".a", ".lib", ".pyc"}
PAGE_OF_THE_DEMO = [f"fastfm_ext/demo/static/{name}" for name in ("index.html", "style.css", "app.js")]
SMOKE_TEST = """
import numpy as np
import fastfm_ext

X = np.eye(4, dtype=np.float32)
y = np.array([1.0, 2.0, 3.0, 4.0])
model = fastfm_ext.FMRegressor(n_factors=2, random_state=0).fit(X, y)
assert np.isfinite(model.predict(X)).all()
print("imported", fastfm_ext.__file__)
"""


def wheel_problems(name: str, members: list[str]) -> list[str]:
    """List what is wrong with a wheel of this file name and these members."""
    problems = [f"wheel holds the source {m}" for m in members if PurePosixPath(m).suffix in SOURCE_SUFFIXES]
    problems += [
        f"wheel holds {m}, which is outside the package"
        for m in members
        if PurePosixPath(m).parts[0] != "fastfm_ext" and ".dist-info/" not in m
    ]
    if not any(PurePosixPath(m).suffix in {".so", ".pyd"} for m in members):
        problems.append("wheel holds no compiled module")
    if "fastfm_ext/py.typed" not in members:
        problems.append("wheel holds no py.typed, so its type hints are ignored")
    problems += [f"wheel lacks {m}, of the page of the demo" for m in PAGE_OF_THE_DEMO if m not in members]
    if "-cp311-abi3-" not in name:
        problems.append(f"{name} is not tagged cp311-abi3: it would serve one Python version only")
    return problems


def sdist_problems(members: list[str], tracked: list[str]) -> list[str]:
    """List what is wrong with an sdist of these members, given the files under version control."""
    problems = [f"sdist holds the build output {m}" for m in members if PurePosixPath(m).suffix in BUILD_SUFFIXES]
    generated = {str(PurePosixPath(m).with_suffix(".cpp")) for m in members if m.endswith(".pyx")}
    problems += [f"sdist holds {m}, which Cython generates" for m in sorted(generated.intersection(members))]
    rooms = ("fastfm_ext/", "python/", "tests/", "benchmarks/", "docs/")
    problems += [f"sdist lacks {f}" for f in tracked if f.startswith(rooms) and f not in members]
    problems += [f"sdist lacks {f}" for f in ("LICENSE", "README.md", "setup.py") if f not in members]
    return problems


def tracked_files() -> list[str]:
    """Files under version control; empty outside a git checkout."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    return [line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def contents_problems(sdist: Path, wheel: Path) -> list[str]:
    """List what is wrong with what these two files hold."""
    with zipfile.ZipFile(wheel) as archive:
        problems = wheel_problems(wheel.name, archive.namelist())
    with tarfile.open(sdist) as archive:
        members = [m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()]
    return problems + sdist_problems(members, tracked_files())


def check_import(wheel: Path, scratch: Path) -> None:
    """Install the wheel in a fresh environment and fit a model from a folder outside the repository."""
    venv.create(scratch / "venv", with_pip=True)
    python = scratch / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(wheel)], check=True, cwd=scratch)
    subprocess.run([python, "-c", SMOKE_TEST], check=True, cwd=scratch)


def main(out: Path, scratch: Path) -> int:
    """Run every check; return the exit status."""
    if out.is_dir() and any(out.iterdir()):
        print(f"check-dist: {out} is not empty; remove it first, or the check may look at old files", file=sys.stderr)
        return 1
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(out), str(ROOT)], check=True, cwd=scratch)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    problems = contents_problems(sdist, wheel)
    for problem in problems:
        print(f"check-dist: {problem}", file=sys.stderr)
    if not problems:
        check_import(wheel, scratch)
        print(f"check-dist: {wheel.name} and {sdist.name} are complete")
    return bool(problems)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        target = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else Path(folder) / "dist"
        sys.exit(main(target, Path(folder)))
