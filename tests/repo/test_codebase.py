"""The repository keeps its own rules. The checks themselves are in `codebase_checks.py` and `build_checks.py`."""

import importlib.metadata
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import fastfm_ext
from build_checks import build_strings, forbidden_flags
from codebase_checks import (
    LOADED_ON_DEMAND,
    NATIVE_ARROWS,
    OPTIONAL_DEPENDENCIES,
    PYTHON_ARROWS,
    changelog_version,
    eager_import_problems,
    long_files,
    misplaced_tests,
    module_names,
    native_arrow_problems,
    native_files,
    native_room,
    python_arrow_problems,
    python_room,
    repeated_type_names,
    stale_test_paths,
    upward_arrows,
)
from installation import installation_problem
from repository import ROOT

# Files that may be longer than the limit, each with its reason.
LONG_FILES: dict[str, str] = {}
FILE_LIMIT = 400
CORE = "fastfm_ext._native.core"


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_python_imports_follow_the_arrows():
    assert python_arrow_problems(ROOT / "python" / "fastfm_ext") == []


def test_native_includes_follow_the_arrows():
    assert native_arrow_problems(ROOT / "fastfm_ext") == []


def test_every_module_is_seen_and_every_room_is_there():
    rooms = {python_room(name) for name in module_names(ROOT / "python" / "fastfm_ext")}
    assert rooms == set(PYTHON_ARROWS)
    assert {native_room(name) for name in native_files(ROOT / "fastfm_ext")} == set(NATIVE_ARROWS)


@pytest.mark.parametrize("arrows", [PYTHON_ARROWS, NATIVE_ARROWS], ids=["python", "native"])
def test_no_arrow_points_upwards(arrows):
    assert upward_arrows(arrows) == []


def test_an_upward_arrow_is_found():
    assert upward_arrows({"a": {"b"}, "b": {"a", "c"}}) == [
        "a must not name b, which does not stand above it",
        "b must not name c, which does not stand above it",
    ]


def test_modules_in_folders_have_no_underscore():
    names = module_names(ROOT / "python" / "fastfm_ext")
    assert [name for name in names if re.search(r"\._(?!_)", name)] == []


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("fm/a.py", "import fastfm_ext._native.core", "fm.a (fm) must not use _native (_native)"),
        ("fm/a.py", "from fastfm_ext._native import core", "fm.a (fm) must not use _native (_native)"),
        (
            "_engine/csr.py",
            "def f():\n    from fastfm_ext._learning.loop import fit",
            "_engine.csr (_engine) must not use _learning (_learning)",
        ),
        ("fm/a.py", "from fastfm_ext import __version__", "fm.a (fm) must not use __init__ (__init__)"),
        ("metrics/a.py", "from fastfm_ext.cli import main", "metrics.a (metrics) must not use cli (cli)"),
        (
            "_reference/a.py",
            "from fastfm_ext import _engine",
            "_reference.a (_reference) must not use _engine (_engine)",
        ),
        ("fm/a.py", "from . import b", "fm.a: import by the full name"),
        ("novel.py", "", "novel: the room of this module has no arrows; give it a row in codebase_checks.py"),
    ],
)
def test_a_python_import_against_the_arrows_is_found(tmp_path, name, source, problem):
    write_tree(tmp_path, {"__init__.py": "", "_engine/csr.py": "", "cli/main.py": ""} | {name: source})
    assert python_arrow_problems(tmp_path) == [problem]


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("types/matrix.hpp", '#include "math/vec.hpp"', "types/matrix.hpp (types) must not use math/vec.hpp (math)"),
        ("math/vec.hpp", '#include "../models/fm.hpp"', "math/vec.hpp (math) must not use models/fm.hpp (models)"),
        (
            "models/fm.hpp",
            '# include "solvers/sgd.hpp"',
            "models/fm.hpp (models) must not use solvers/sgd.hpp (solvers)",
        ),
        ("dispatch.hpp", '#include "isa/kernels.inc"', "dispatch.hpp (dispatch) must not use isa/kernels.inc (isa)"),
        (
            "boundary/core.pyx",
            'cdef extern from "math/vec.hpp":',
            "boundary/core.pyx (boundary) must not use math/vec.hpp (math)",
        ),
        ("solvers/sgd.hpp", "#include <vector>", "solvers/sgd.hpp: <vector> must not reach an ISA unit"),
        ("types/matrix.hpp", "#include <algorithm>", "types/matrix.hpp: <algorithm> must not reach an ISA unit"),
        ("tool.py", "", "tool.py: no Python in the native tree"),
        (
            "gpu/sgd.hpp",
            "",
            "gpu/sgd.hpp: the room of this native file has no arrows; give it a row in codebase_checks.py",
        ),
    ],
)
def test_a_native_file_against_the_rules_is_found(tmp_path, name, source, problem):
    legal = {
        "types/matrix.hpp": "#include <stdint.h>",
        "math/vec.hpp": "#include <immintrin.h>",
        "models/fm.hpp": '#include "../types/matrix.hpp"\n#include "../math/vec.hpp"',
        "solvers/sgd.hpp": '#include "../models/fm.hpp"',
        "isa/kernels.inc": '#include "../dispatch.hpp"\n#include "../solvers/sgd.hpp"',
        "dispatch.hpp": '#include "types/matrix.hpp"',
        "threads/gradient.cpp": '#include "dispatch.hpp"\n#include <thread>',
        "boundary/core.pyx": 'cdef extern from "dispatch.hpp":',
    }
    assert native_arrow_problems(write_tree(tmp_path / "legal", legal)) == []
    assert native_arrow_problems(write_tree(tmp_path / "illegal", legal | {name: source})) == [problem]


def test_tests_stand_where_the_package_has_what_they_test():
    assert misplaced_tests(ROOT / "python" / "fastfm_ext", ROOT / "tests") == []


def test_misplaced_tests_are_found(tmp_path):
    package = write_tree(
        tmp_path / "package", {"__init__.py": "", "one.py": "", "_engine/csr.py": "", "cli/jobs/fit.py": ""}
    )
    right = {"test_one.py": "", "engine/test_csr.py": "", "cli/jobs/test_fit.py": "", "repo/test_docs.py": ""}
    assert misplaced_tests(package, write_tree(tmp_path / "right", right)) == []
    wrong = {"test_two.py": "", "engine/test_csr.py": "", "cli/test_fit.py": "", "data/a.txt": ""}
    assert misplaced_tests(package, write_tree(tmp_path / "wrong", wrong)) == [
        "cli/jobs has no tests in tests/cli/jobs",
        "one.py has no tests in tests/test_one.py",
        "tests/cli stands for nothing in the package",
        "tests/test_two.py stands for nothing in the package",
        "tests/data holds no tests, and TESTS_OF_NO_ROOM does not name it",
    ]


def test_scripts_and_pages_name_tests_that_are_there():
    files = [
        *(path for path in (ROOT / ".ci").iterdir() if path.is_file()),
        *(ROOT / ".github").rglob("*.yml"),
        *(path for folder in (".", "docs", "benchmarks", "tests/fuzz") for path in (ROOT / folder).glob("*.md")),
        ROOT / "Makefile",
        ROOT / "pyproject.toml",
    ]
    assert stale_test_paths(ROOT, [path for path in files if path.name != "CHANGELOG.md"]) == []


def test_a_test_that_is_not_there_is_found(tmp_path):
    write_tree(tmp_path, {"tests/a/test_b.py": "def test_c():\n"})
    page = tmp_path / "page.md"
    page.write_text("`tests/a`, tests/a/test_b.py::test_c; tests/old.py tests/a/test_b.py::test_d")
    assert stale_test_paths(tmp_path, [page]) == [
        "page.md names tests/old.py, which is not there",
        "page.md names tests/a/test_b.py::test_d, which is not there",
    ]


def test_one_version_in_project_metadata_and_changelog():
    changelog = changelog_version((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert importlib.metadata.version("fastfm-ext") == fastfm_ext.__version__ == changelog


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("# Changelog\n## [0.2.0] - Unreleased\n## [0.1.0] - 2026-01-01", "0.2.0"),
        ("# Changelog\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01", "0.1.0"),
        ("# Changelog\nnothing yet", None),
    ],
)
def test_the_topmost_version_of_a_changelog_is_found(text, version):
    assert changelog_version(text) == version


def test_the_build_uses_no_forbidden_flag():
    assert forbidden_flags(ROOT) == set()


def test_the_build_strings_hold_the_flags_in_use():
    assert "-std=c++17" in build_strings(ROOT)


def test_a_forbidden_flag_is_found_in_code_and_overlooked_in_comments(tmp_path):
    write_tree(
        tmp_path, {"pyproject.toml": "# no -Ofast", "setup.py": '"""No -Ofast."""\n# -Ofast\nFLAGS = "-O2 -ffast-math"'}
    )
    assert forbidden_flags(tmp_path) == {"-ffast-math"}
    write_tree(tmp_path, {"pyproject.toml": '[tool.cibuildwheel]\nenvironment = {CXXFLAGS = "-march=native"}'})
    assert forbidden_flags(tmp_path) == {"-ffast-math", "-march=native"}


def test_no_two_types_have_one_name():
    assert repeated_type_names(ROOT / "python" / "fastfm_ext") == []


@pytest.mark.parametrize(
    "source",
    [
        "class Rows: ...",
        "def f():\n    class Rows: ...",
        "Rows = list[int]",
        "Rows: TypeAlias = list[int]",
        "Rows = NewType('Rows', int)",
    ],
)
def test_a_second_type_of_one_name_is_found(tmp_path, source):
    write_tree(tmp_path, {"a.py": "class Rows: ...\nROWS = 3\nrows = Rows()", "b/c.py": source})
    assert repeated_type_names(tmp_path) == ["Rows is in a, b.c"]


def test_a_type_that_is_handed_on_keeps_its_name(tmp_path):
    write_tree(tmp_path, {"a.py": "class Rows: ...", "b.py": "import a\nRows = a.Rows\nfrom a import Rows"})
    assert repeated_type_names(tmp_path) == []


def test_no_module_imports_an_optional_dependency_when_it_is_loaded():
    assert eager_import_problems(ROOT / "python" / "fastfm_ext") == []


@pytest.mark.parametrize(
    "source",
    [
        "import pandas as pd",
        "from polars import DataFrame",
        "import matplotlib.pyplot",
        "try:\n    import faiss\nexcept ImportError:\n    faiss = None",
        "class A:\n    import pyarrow",
        'pd = require("pandas", "pandas")',
    ],
)
def test_an_eager_optional_import_is_found(tmp_path, source):
    assert len(eager_import_problems(write_tree(tmp_path, {"module.py": source}))) == 1


def test_optional_imports_in_functions_and_for_type_checkers_are_fine(tmp_path):
    source = "if TYPE_CHECKING:\n    import pandas\ndef f():\n    import faiss\n    require('polars', 'polars')"
    assert eager_import_problems(write_tree(tmp_path, {"module.py": source})) == []


def test_every_module_loads_where_no_optional_dependency_is_installed(tmp_path):
    modules = [name.removesuffix(".__init__") for name in module_names(ROOT / "python" / "fastfm_ext")]
    modules = [name for name in modules if not name.startswith(tuple(f"{folder}." for folder in LOADED_ON_DEMAND))]
    # scikit-learn loads pandas when it finds it, so a look at sys.modules would blame the wrong package.
    code = f"import sys; sys.modules.update(dict.fromkeys({sorted(OPTIONAL_DEPENDENCIES)})); import fastfm_ext"
    code += "".join(f", fastfm_ext.{module}" for module in modules if module not in {"__init__", "__main__"})
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_files_are_short():
    long = long_files(ROOT, ("python", "tests", "benchmarks", ".ci"), FILE_LIMIT)
    assert {name: length for name, length in long.items() if name not in LONG_FILES} == {}
    assert set(LONG_FILES) <= set(long), "a file in LONG_FILES has become short: remove it from there"


def test_a_long_file_is_found(tmp_path):
    write_tree(tmp_path, {"python/long.py": "x = 1\n" * 400, "python/short.py": "x = 1\n" * 399})
    assert long_files(tmp_path, ("python",), 400) == {"python/long.py": 400}


def test_the_readme_gives_the_test_command_that_ci_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    match = re.search(r"^<!-- test command -->\n```\w*\n(.+?)\n```", text, re.M | re.S)
    assert match, "README.md has no fenced block right below '<!-- test command -->'"
    assert match.group(1) == 'python -m pip install ".[test]" && python -m pytest -n 2 --dist loadfile'


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ModuleNotFoundError("No module named 'fastfm_ext'", name="fastfm_ext"), "fastfm_ext is not installed"),
        (
            ModuleNotFoundError("No module named 'fastfm_ext._native.core'", name="fastfm_ext._native.core"),
            "core is missing",
        ),
        (
            ImportError("cannot import name 'core' from 'fastfm_ext._native'", name="fastfm_ext._native"),
            "core is missing",
        ),
    ],
)
def test_a_broken_installation_is_named_with_the_command_that_mends_it(error, message):
    def load(name: str) -> ModuleType:
        raise error

    problem = installation_problem(load)
    assert message in problem
    assert 'python -m pip install -e ".[test]"' in problem


def test_native_sources_without_the_package_are_named():
    assert "only the native sources" in installation_problem(_module_from_a_namespace)


def _module_from_a_namespace(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = None
    return module


def test_a_core_that_fails_to_load_keeps_its_own_error():
    def load(name: str) -> ModuleType:
        raise ImportError("undefined symbol: _ZN6fastfm", name="fastfm_ext._native.core")

    with pytest.raises(ImportError, match="undefined symbol"):
        installation_problem(load)


def test_a_working_installation_has_no_problem():
    assert installation_problem() is None


def test_a_wheel_with_sources_or_without_the_core_is_found():
    checks = runpy.run_path(str(ROOT / ".ci" / "check_dist.py"))
    problems, page = checks["wheel_problems"], checks["PAGE_OF_THE_DEMO"]
    assert {ROOT / "python" / name for name in page} == {*(ROOT / "python/fastfm_ext/demo/static").iterdir()}
    good = [
        *page,
        "fastfm_ext/__init__.py",
        "fastfm_ext/py.typed",
        "fastfm_ext/_native/core.abi3.so",
        "fastfm_ext-1.dist-info/RECORD",
    ]
    assert problems("fastfm_ext-1-cp311-abi3-linux_x86_64.whl", good) == []
    assert problems("fastfm_ext-1-cp312-cp312-linux_x86_64.whl", good)[0].endswith("one Python version only")
    assert len(problems("x-cp311-abi3-any.whl", [*good, "fastfm_ext/boundary/core.pyx", "tests/conftest.py"])) == 2
    assert len(problems("x-cp311-abi3-any.whl", [name for name in good if "init" in name])) == 2 + len(page)


def test_an_incomplete_or_littered_sdist_is_found():
    problems = runpy.run_path(str(ROOT / ".ci" / "check_dist.py"))["sdist_problems"]
    good = ["LICENSE", "README.md", "setup.py", "fastfm_ext/boundary/core.pyx", "fastfm_ext/types/matrix.hpp"]
    assert problems(good, good) == []
    assert problems(good[:-1], good) == ["sdist lacks fastfm_ext/types/matrix.hpp"]
    litter = ["fastfm_ext/boundary/core.cpp", "python/fastfm_ext/_native/core.abi3.so"]
    assert len(problems([*good, *litter], good)) == 2
