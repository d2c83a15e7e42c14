"""Checks of the repository itself, as functions from a tree to a list of problems. `test_codebase.py` applies them.

Every module and native file has a room, and a table says which rooms it may use. A new file must be given a room here.
"""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKAGE = "fastfm_ext"

MODULES_OF_ROOM = {
    "core": ["_core"],
    "encode": ["_encode"],
    "io": ["_io"],
    "optional": ["_optional"],
    "reference": ["_reference", "_reference_ranking"],
    "engine": ["_csr", "_engine", "_ranking_engine", "_top_n"],
    "validation": ["_validation"],
    "base": [
        *("_base", "_defaults", "_estimator", "_fold_in", "_growth", "_hyperparameters", "_interactions"),
        *("_parameters", "_scaling", "_state", "_training"),
    ],
    "streams": [
        *("_streaming", "_stream_fit", "_stream_rows", "_buffers", "_row_blocks", "_read_ahead", "_checkpoint"),
        *("_interruption", "_progress"),
    ],
    "sources": ["streaming", "_file_source"],
    "estimators": ["fm", "ranking"],
    "encoding": [
        *("encoding", "_layout", "_specs"),
        *("_column_spec", "_levels", "_categorical", "_crossed", "_hashed", "_numeric"),
        *("_arrow", "_coding", "_columns", "_tables", "_vocabulary"),
    ],
    "retrieval": [
        *("retrieval", "_exact_search", "_index_state", "_item_change", "_item_ids", "_item_sets", "_item_store"),
        *("_codes", "_codes_in_lists", "_ivf", "_ivf_lists", "_recommend", "_similar_items", "_vector_checks"),
    ],
    "metrics": ["metrics", "_hits"],
    "model selection": ["model_selection"],
    "evaluation": ["evaluation"],
    "export": ["export"],
    "text formats": ["text_formats", "_text_batches", "_text_reading", "_text_source", "_text_writing"],
    "datasets": ["datasets", "_download", "_movielens_archives", "_movielens_csv"],
    "plotting": ["plotting"],
    "configuration": ["_config"],
    "model file": ["model_io", "_model_file", "_plain_json"],
    "jobs": [
        *(
            "_job_columns",
            "_job_data",
            "_job_settings",
            "_export_job",
            "_fit_job",
            "_inspect_job",
            "_movielens_job",
            "_predict_job",
        ),
        *("_recommend_job", "_stream_job"),
        "_stream_job",
    ],
    "cli": ["cli", "_cli_commands", "_cli_types", "__main__"],
    "public names": ["__init__"],
}
PYTHON_ROOMS = {module: room for room, modules in MODULES_OF_ROOM.items() for module in modules}
PYTHON_ARROWS: dict[str, set[str]] = {
    "core": set(),
    "encode": set(),
    "io": set(),
    "optional": set(),
    "reference": set(),
    # It finds the classes that it saves by name, when it is called.
    "model file": set(),
    "engine": {"core"},
    "validation": {"engine", "optional"},
    "base": {"engine", "metrics", "validation"},
    "streams": {"base", "engine", "validation", "model file"},
    "sources": {"streams", "validation", "optional", "text formats"},
    "estimators": {"streams", "base", "engine", "validation", "model file"},
    "encoding": {"encode", "validation", "optional", "model file"},
    "retrieval": {"engine", "validation", "optional", "model file"},
    "metrics": {"validation"},
    "model selection": {"validation", "encoding"},
    "evaluation": {"validation", "metrics", "retrieval"},
    "export": {"optional", "retrieval", "model file"},
    "text formats": {"io", "validation", "optional"},
    "datasets": {"optional"},
    "plotting": {"optional"},
    "configuration": {"engine"},
    "jobs": {
        *("estimators", "encoding", "retrieval", "metrics", "datasets", "plotting", "model file", "text formats"),
        *("optional", "public names", "sources", "export"),
    },
    "cli": {"jobs"},
    "public names": {
        *("estimators", "encoding", "evaluation", "retrieval", "metrics", "datasets", "plotting", "model file"),
        *("base", "configuration", "export"),
    },
}
NATIVE_ARROWS: dict[str, set[str]] = {
    "types": set(),
    "math": {"types"},
    "models": {"math", "types"},
    # Without types of its own, and compiled anew by each unit.
    "random": set(),
    "solvers": {"models", "math", "random", "types"},
    # dispatch.hpp declares the table that an ISA unit fills.
    "isa": {"solvers", "dispatch"},
    "dispatch": {"types"},
    "fan_out": {"types"},
    "threads": {"fan_out", "dispatch", "types"},
    "topn": {"fan_out", "dispatch", "types"},
    "ranking": {"fan_out", "dispatch", "random", "types"},
    "rows": {"prefetch", "random", "types"},
    "arrow": set(),
    "prefetch": set(),
    "coding": {"fan_out", "prefetch", "types"},
    "encode": {"types"},
    "text": set(),
    "boundary": {"arrow", "coding", "dispatch", "encode", "ranking", "rows", "text", "threads", "topn", "types"},
}
# C headers and intrinsics. An inline function of the C++ library would be compiled with the flags of every ISA unit,
# and the linker keeps one copy of it for all: the baseline would execute instructions that the CPU may lack.
ISA_SYSTEM_HEADERS = {
    *("arm_neon.h", "emmintrin.h", "immintrin.h"),
    *("float.h", "limits.h", "math.h", "stddef.h", "stdint.h", "string.h"),
}
# The first three tie the build to one machine; the others let the compiler assume that no value is NaN.
FORBIDDEN_FLAGS = {
    *("-march=native", "-mcpu=native", "-mtune=native"),
    *("-ffast-math", "-Ofast", "-ffinite-math-only", "-funsafe-math-optimizations", "/fp:fast"),
}
OPTIONAL_DEPENDENCIES = {"faiss", "matplotlib", "pandas", "polars", "pyarrow", "pyspark", "zstandard"}


def arrow_problems(
    kind: str, rooms: dict[str, str | None], uses: dict[str, set[str]], arrows: dict[str, set[str]]
) -> list[str]:
    """Uses that the table of arrows does not allow; a room may always use itself."""
    problems = [
        f"{name}: this {kind} has no room yet; give it one in tests/codebase_checks.py"
        for name in rooms
        if rooms[name] not in arrows
    ]
    for name, room in rooms.items():
        for used in sorted(uses.get(name, ())):
            other = rooms.get(used)
            if room in arrows and other != room and other not in arrows[room]:
                problems.append(f"{name} ({room}) must not use {used} ({other})")
    return problems


def python_imports(tree: ast.AST, modules: set[str]) -> set[str]:
    """The package's own modules that this syntax tree imports, anywhere."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            own = [alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE]
            found |= {name.partition(".")[2] or "__init__" for name in own}
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if not node.level:
                if source.split(".")[0] != PACKAGE:
                    continue
                source = source.partition(".")[2]
            found |= {source} if source else {a.name if a.name in modules else "__init__" for a in node.names}
    return found


def python_arrow_problems(package: Path) -> list[str]:
    """Imports between the package's modules that point the wrong way."""
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(package.glob("*.py"))}
    compiled = {"_core", "_encode", "_io"}
    uses = {name: python_imports(tree, compiled | set(trees)) for name, tree in trees.items()}
    rooms = {name: PYTHON_ROOMS.get(name) for name in [*trees, *sorted(compiled)]}
    return arrow_problems("module", rooms, uses, PYTHON_ARROWS)


def native_includes(path: Path) -> tuple[set[str], set[str]]:
    """Own files (by their path in the tree) and system headers that a native file includes."""
    text = path.read_text(encoding="utf-8")
    own = re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M) + re.findall(r'cdef extern from "([^"]+)"', text)
    system = set(re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.M))
    return set(own), system


def native_files(native: Path) -> dict[str, Path]:
    """Source files of the native tree by their POSIX path in it."""
    suffixes = {".hpp", ".cpp", ".inc", ".pyx", ".pxd"}
    return {p.relative_to(native).as_posix(): p for p in sorted(native.rglob("*")) if p.suffix in suffixes}


def native_room(name: str) -> str:
    """The folder of a native file, or its stem at the top; `boundary` for Cython."""
    path = PurePosixPath(name)
    if path.suffix in {".pyx", ".pxd"}:
        return "boundary"
    return path.parts[0] if len(path.parts) > 1 else path.stem


def native_uses(native: Path) -> dict[str, set[str]]:
    """For every native file, the own files it includes."""
    files = native_files(native)
    uses: dict[str, set[str]] = {}
    for name, path in files.items():
        candidates = {i: [path.parent / i, native / i] for i in native_includes(path)[0]}
        resolved = {i: next((c.resolve() for c in found if c.is_file()), None) for i, found in candidates.items()}
        uses[name] = {p.relative_to(native.resolve()).as_posix() if p else i for i, p in resolved.items()}
    return uses


def native_arrow_problems(native: Path) -> list[str]:
    """Includes that point the wrong way, Python in the native tree, and C++ library headers in ISA units."""
    uses = native_uses(native)
    rooms: dict[str, str | None] = {name: native_room(name) for name in uses}
    problems = arrow_problems("native file", rooms, uses, NATIVE_ARROWS)
    problems += [f"{p.name}: no Python in the native tree" for p in sorted(native.rglob("*.py"))]
    for name in sorted(isa_closure(uses)):
        foreign = native_includes(native / name)[1] - ISA_SYSTEM_HEADERS
        problems += [f"{name}: <{header}> must not reach an ISA unit" for header in sorted(foreign)]
    return problems


def isa_closure(uses: dict[str, set[str]]) -> set[str]:
    """The ISA units and everything that they include, directly or not."""
    waiting = [name for name in uses if native_room(name) == "isa"]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in uses and name not in seen:
            seen.add(name)
            waiting += uses[name]
    return seen


def executed_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: no function bodies, nothing under `if TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from executed_on_import(child)


def eager_import_problems(package: Path) -> list[str]:
    """Optional dependencies that are imported before anyone needs them."""
    problems = []
    for path in sorted(package.rglob("*.py")):
        for node in executed_on_import(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("require", "import_module")):
                names = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            eager = {name.split(".")[0] for name in names} & OPTIONAL_DEPENDENCIES
            problems += [f"{path.name}:{node.lineno} imports {name} when it is loaded" for name in sorted(eager)]  # type: ignore[attr-defined]
    return problems


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


def changelog_version(text: str) -> str | None:
    """The topmost version of a changelog, passing over a heading that has only `Unreleased`."""
    match = re.search(r"^## \[(\d+\.\d+\.\d+[^\]]*)\]", text, re.M)
    return match.group(1) if match else None


def long_files(root: Path, folders: tuple[str, ...], limit: int) -> dict[str, int]:
    """Python files of `limit` lines or more, with their length."""
    paths = [p for folder in folders for p in sorted((root / folder).rglob("*.py"))] + sorted(root.glob("*.py"))
    lengths = {p.relative_to(root).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in paths}
    return {name: length for name, length in lengths.items() if length >= limit}
