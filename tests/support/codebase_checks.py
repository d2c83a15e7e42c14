"""Checks of the repository itself, as functions from a tree to a list of problems. `test_codebase.py` applies them.

A module's or native file's room is its folder, and a table says which rooms each room may use.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

PACKAGE = "fastfm_ext"

# The rooms of the package, which are its folders and the modules beside them, from the ground up: what each may import.
# A room names only rooms that stand above it in this table, so no two can need each other.
PYTHON_ARROWS: dict[str, set[str]] = {
    "_native": set(),
    "_common": set(),
    # Names only: what they stand for is imported when it is asked for.
    "_names": set(),
    "_reference": set(),
    "_engine": {"_native", "_common"},
    "_validation": {"_engine", "_common"},
    "blocks": {"_engine", "_validation", "_common"},
    "metrics": {"_validation", "_common"},
    # It finds the classes that it saves by name, when it is called.
    "model_io": {"_names", "_common"},
    "_learning": {"_engine", "_validation", "metrics", "model_io", "_common"},
    "_estimators": {"_learning", "_engine", "_validation", "model_io", "_common"},
    "fm": {"_estimators", "_learning", "_engine", "_validation", "_common"},
    "field_aware": {"_estimators", "_learning", "_engine", "_validation", "_common"},
    "ranking": {"_estimators", "_learning", "_engine", "_validation", "_common"},
    "bayesian": {"blocks", "_estimators", "_learning", "_engine", "_validation", "_common"},
    "_tables": {"_native", "_common", "_validation"},
    "encoding": {"_native", "_tables", "_engine", "blocks", "_validation", "model_io", "_common"},
    "model_selection": {"_tables", "_validation", "_common"},
    "retrieval": {"_engine", "_tables", "_validation", "model_io", "_common"},
    "evaluation": {"metrics", "retrieval", "_validation", "_common"},
    "explain": {"_engine", "_validation", "_common"},
    "recommender": {
        "_tables",
        "_estimators",
        "_validation",
        "encoding",
        "evaluation",
        "explain",
        "model_io",
        "ranking",
        "retrieval",
        "_common",
    },
    "text_formats": {"_native", "_validation", "_common"},
    "streaming": {"text_formats", "_learning", "_validation", "_common"},
    "datasets": {"_common"},
    "export": {
        "_tables",
        "encoding",
        "_estimators",
        "_learning",
        "_engine",
        "retrieval",
        "model_io",
        "_validation",
        "_common",
    },
    "plotting": {"explain", "_common"},
    "spark": {
        "_tables",
        "encoding",
        "_estimators",
        "_learning",
        "_engine",
        "fm",
        "recommender",
        "retrieval",
        "model_io",
        "_validation",
        "_names",
        "_common",
    },
    # Only the command line starts it.
    "demo": {"recommender", "plotting", "_common"},
    "__init__": {
        "_common",
        "_names",
        "_engine",
        "_learning",
        "bayesian",
        "blocks",
        "encoding",
        "evaluation",
        "explain",
        "export",
        "field_aware",
        "fm",
        "metrics",
        "model_io",
        "plotting",
        "ranking",
        "recommender",
        "retrieval",
        "datasets",
    },
    "cli": {
        "__init__",
        "_names",
        "_common",
        "_estimators",
        "_learning",
        "bayesian",
        "datasets",
        "demo",
        "encoding",
        "export",
        "fm",
        "metrics",
        "model_io",
        "plotting",
        "ranking",
        "recommender",
        "retrieval",
        "streaming",
        "text_formats",
    },
    "__main__": {"cli"},
}
NATIVE_ARROWS: dict[str, set[str]] = {
    "types": set(),
    "math": {"types"},
    "models": {"math", "types"},
    "solvers": {"models", "math", "types"},
    "dispatch": {"types"},
    # dispatch.hpp declares the table that an ISA unit fills; models/registry.hpp lists what its entries choose from.
    "isa": {"solvers", "models", "dispatch"},
    "threads": {"dispatch", "math", "types"},
    "tables": {"threads", "types"},
    "text": set(),
    "boundary": {"dispatch", "tables", "text", "threads", "types"},
}
# C headers and intrinsics. An inline function of the C++ library would be compiled with the flags of every ISA unit,
# and the linker keeps one copy of it for all: the baseline would execute instructions that the CPU may lack.
ISA_SYSTEM_HEADERS = {
    "arm_neon.h",
    "emmintrin.h",
    "immintrin.h",
    "float.h",
    "limits.h",
    "math.h",
    "stddef.h",
    "stdint.h",
    "string.h",
}
# Folders of tests that stand for no folder of the package, each with its reason.
TESTS_OF_NO_ROOM = {
    "fuzz": "programs that search for inputs",
    "golden": "kept numbers",
    "repo": "the repository itself: its rules, pages and releases",
    "saved": "model files of released versions",
    "support": "what several tests import",
}
# Rooms without a place among the tests, each with its reason.
ROOMS_WITHOUT_TESTS = {
    "__init__": "every test imports from it",
    "__main__": "the tests of the command line run it",
}
LOADED_ON_DEMAND = {"spark.ml": "pyspark"}  # folders that another module loads, once it has found what they need
SAME_NAMES = {"FMClassifier", "FMEncoder", "FMRegressor"}  # so that an import line of pyspark.ml is all that changes
OPTIONAL_DEPENDENCIES = {"faiss", "matplotlib", "onnx", "onnxruntime", "pandas", "polars", "pyarrow", "pyspark"}
OPTIONAL_DEPENDENCIES |= {"shap", "starlette", "tqdm", "uvicorn", "zstandard"}


def arrow_problems(
    kind: str, rooms: dict[str, str | None], uses: dict[str, set[str]], arrows: dict[str, set[str]]
) -> list[str]:
    """Uses that the table of arrows does not allow; a room may always use itself."""
    problems = [
        f"{name}: the room of this {kind} has no arrows; give it a row in codebase_checks.py"
        for name in rooms
        if rooms[name] not in arrows
    ]
    for name, room in rooms.items():
        for used in sorted(uses.get(name, ())):
            other = rooms.get(used)
            if room in arrows and other != room and other not in arrows[room]:
                problems.append(f"{name} ({room}) must not use {used} ({other})")
    return problems


def module_names(package: Path) -> dict[str, Path]:
    """Every module of the package, compiled ones by their stubs, by its dotted path below the package."""
    paths = sorted(path for path in package.rglob("*.py*") if path.suffix in {".py", ".pyi"})
    return {".".join(path.relative_to(package).with_suffix("").parts): path for path in paths}


def python_room(name: str) -> str:
    """The folder of a module, or the module itself at the top."""
    return name.split(".")[0]


def python_imports(tree: ast.AST, rooms: set[str]) -> set[str]:
    """The package's own rooms that this syntax tree imports, anywhere."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            sources = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            sources = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for package, *path in (source.split(".") for source in sources):
            if package == PACKAGE:
                found.add(path[0] if path and path[0] in rooms else "__init__")
    return found


def relative_imports(tree: ast.AST) -> bool:
    """Whether a module is imported by its place instead of its name."""
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def python_arrow_problems(package: Path) -> list[str]:
    """Imports between the package's rooms that point the wrong way."""
    modules = module_names(package)
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules.items()}
    rooms: dict[str, str | None] = {name: python_room(name) for name in modules}
    rooms |= {room: room for room in PYTHON_ARROWS}
    uses = {name: python_imports(tree, set(PYTHON_ARROWS)) for name, tree in trees.items()}
    problems = [f"{name}: import by the full name" for name, tree in trees.items() if relative_imports(tree)]
    return problems + arrow_problems("module", rooms, uses, PYTHON_ARROWS)


def type_names(tree: ast.Module) -> set[str]:
    """Classes of a module, and its own names for types: assigned at the top, in capitals and small letters."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        # `Name = module.Name` hands on the same type.
        source = getattr(getattr(node, "value", None), "attr", None)
        assigned = {target.id for target in targets if isinstance(target, ast.Name)} - {source}
        names |= {name for name in assigned if re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", name)}
    return names


def repeated_type_names(package: Path) -> list[str]:
    """Names that stand for one type in one module of the package, and for another in another."""
    modules: dict[str, list[str]] = {}
    for module, path in module_names(package).items():
        for name in type_names(ast.parse(path.read_text(encoding="utf-8"))):
            modules.setdefault(name, []).append(module)
    repeated = {name: found for name, found in sorted(modules.items()) if len(found) > 1 and name not in SAME_NAMES}
    return [f"{name} is in {', '.join(found)}" for name, found in repeated.items()]


def upward_arrows(arrows: dict[str, set[str]]) -> list[str]:
    """Rooms that may use a room below their own row, or one that has no row."""
    order = list(arrows)
    return [
        f"{room} must not name {used}, which does not stand above it"
        for room, allowed in arrows.items()
        for used in sorted(allowed)
        if used not in arrows or order.index(used) > order.index(room)
    ]


def native_includes(path: Path) -> tuple[set[str], set[str]]:
    """Own files (by their path in the tree) and system headers that a native file includes."""
    text = path.read_text(encoding="utf-8")
    own = re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M) + re.findall(r'cdef extern from "([^"]+)"', text)
    system = set(re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, re.M))
    return set(own), system


def native_files(native: Path) -> dict[str, Path]:
    """Source files of the native tree by their POSIX path in it."""
    suffixes = {".hpp", ".cpp", ".inc", ".pyx", ".pxi"}
    return {p.relative_to(native).as_posix(): p for p in sorted(native.rglob("*")) if p.suffix in suffixes}


def native_room(name: str) -> str:
    """The folder of a native file, or its stem at the top."""
    path = PurePosixPath(name)
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
            folder = ".".join(path.parent.relative_to(package).parts)
            eager = {name.split(".")[0] for name in names} & OPTIONAL_DEPENDENCIES - {LOADED_ON_DEMAND.get(folder)}
            problems += [f"{path.name}:{node.lineno} imports {name} when it is loaded" for name in sorted(eager)]  # type: ignore[attr-defined]
    return problems


def changelog_version(text: str) -> str | None:
    """The topmost version of a changelog, passing over a heading that has only `Unreleased`."""
    match = re.search(r"^## \[(\d+\.\d+\.\d+[^\]]*)\]", text, re.M)
    return match.group(1) if match else None


def place_of_tests(name: str) -> str:
    """Where the tests of a folder or of a module at the top stand: its path without underscores in front."""
    *folders, last = (part.removeprefix("_") for part in name.split("/"))
    return "/".join([*folders, f"test_{last}" if last.endswith(".py") else last])


def room_places(package: Path) -> set[str]:
    """Folders of the package, at any depth, and modules at the top, by their POSIX path in it."""
    folders = {path.parent.relative_to(package).as_posix() for path in module_names(package).values()}
    modules = {path.name for path in package.glob("*.py") if path.stem not in ROOMS_WITHOUT_TESTS}
    return folders - {"."} | modules


def misplaced_tests(package: Path, tests: Path) -> list[str]:
    """Folders of the package without tests, and tests that stand where the package has nothing."""
    wanted = {place_of_tests(name): name for name in room_places(package)}
    paths = [path for path in tests.rglob("test_*.py") if path.relative_to(tests).parts[0] not in TESTS_OF_NO_ROOM]
    found = {(path if path.parent == tests else path.parent).relative_to(tests).as_posix() for path in paths}
    files = [path for path in tests.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    used = {path.relative_to(tests).parts[0] for path in files if path.parent != tests}
    problems = [f"{wanted[place]} has no tests in tests/{place}" for place in sorted(wanted.keys() - found)]
    problems += [f"tests/{place} stands for nothing in the package" for place in sorted(found - wanted.keys())]
    unknown = used - TESTS_OF_NO_ROOM.keys() - {place.split("/")[0] for place in found}
    problems += [f"tests/{name} holds no tests, and TESTS_OF_NO_ROOM does not name it" for name in sorted(unknown)]
    return problems


def stale_test_paths(root: Path, files: list[Path]) -> list[str]:
    """Paths below `tests/` that these files name, and functions in them, where there is nothing of that name."""
    problems = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        for path, function in re.findall(r"\b(tests/[\w/]*\w(?:\.\w+)?)(?:::(\w+))?", text):
            named = root / path
            if not named.exists() or (function and f"def {function}(" not in named.read_text(encoding="utf-8")):
                problems.append(f"{file.name} names {path}{'::' if function else ''}{function}, which is not there")
    return problems


def long_files(root: Path, folders: tuple[str, ...], limit: int) -> dict[str, int]:
    """Python files of `limit` lines or more, with their length."""
    paths = [p for folder in folders for p in sorted((root / folder).rglob("*.py"))] + sorted(root.glob("*.py"))
    lengths = {p.relative_to(root).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in paths}
    return {name: length for name, length in lengths.items() if length >= limit}
