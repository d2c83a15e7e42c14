"""Build of the native code: three abi3 extensions, and one static library for each instruction set.

Everything that is not about compiling stands in pyproject.toml. Variables of the environment ask for builds that look
for mistakes (see `.ci/sanitize`): FASTFM_EXT_SANITIZE with what -fsanitize shall be, FASTFM_EXT_DEBUG=1, and
FASTFM_EXT_COVERAGE=1 to count what is run.
"""

import os
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib

MSVC = sys.platform == "win32"
# Of what is compiled for, not of this machine: a cross build, or a Python for both kinds of Mac, is not x86-64 alone.
X86_64 = sysconfig.get_platform().endswith(("x86_64", "amd64"))
# A Python without the GIL has no stable ABI yet, so it gets wheels of its own.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
ABI3 = [] if FREE_THREADED else [("Py_LIMITED_API", "0x030B0000")]

SANITIZERS = os.environ.get("FASTFM_EXT_SANITIZE", "")
DEBUG = os.environ.get("FASTFM_EXT_DEBUG") == "1"
COVERAGE = os.environ.get("FASTFM_EXT_COVERAGE") == "1"
SANITIZER_FLAGS = [f"-fsanitize={SANITIZERS}"] if SANITIZERS else []

CFLAGS = (
    ["/std:c++17", "/O2", "/EHsc"]
    if MSVC
    else [
        "-std=c++17",
        "-O3",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fvisibility=hidden",
        "-g0",
        "-Wall",
        "-Wextra",
        "-Werror=switch",  # a loss or an optimizer without a case
    ]
)
if SANITIZERS or DEBUG:
    CFLAGS += ["-O1", "-g1", "-fno-omit-frame-pointer", "-D_GLIBCXX_ASSERTIONS"]
if SANITIZERS:
    CFLAGS += [*SANITIZER_FLAGS, "-fno-sanitize-recover=undefined"]
if COVERAGE:
    # Only without optimization is each branch of the source one of the code. No count of a thread may be lost: gcov
    # works out some of them from others.
    CFLAGS += ["-O0", "--coverage", "-fprofile-update=atomic", "-DFASTFM_COVERAGE"]
# Names of what nobody calls from outside would take more room in the wheel than the code.
LINK_FLAGS = [*SANITIZER_FLAGS, *(["--coverage"] if COVERAGE else [])] if SANITIZERS or DEBUG else ["-Wl,-s"]
LINK_FLAGS = ["-pthread", *LINK_FLAGS] if sys.platform == "linux" else []
ISA_CFLAGS = {"baseline": []}
if X86_64:
    ISA_CFLAGS["avx2"] = ["/arch:AVX2"] if MSVC else ["-mavx2", "-mfma", "-mf16c"]
    ISA_CFLAGS["avx512"] = (
        ["/arch:AVX512"]
        if MSVC
        else [
            "-mavx2",
            "-mfma",
            "-mf16c",
            "-mpopcnt",
            "-mavx512f",
            "-mavx512dq",
            "-mavx512bw",
            "-mavx512vl",
            "-mprefer-vector-width=512",
        ]
    )
MACROS = [("FASTFM_X86", "1")] if X86_64 else []
HEADERS = [path.as_posix() for suffix in ("hpp", "inc") for path in sorted(Path("fastfm_ext").rglob(f"*.{suffix}"))]


def isa_library(isa: str, unit: str) -> tuple[str, dict]:
    cflags = CFLAGS + ISA_CFLAGS[isa] + ([] if MSVC else ["-fPIC"])
    return f"fastfm_ext_{unit}", {
        "sources": [f"fastfm_ext/isa/{unit}.cpp"],
        "include_dirs": ["fastfm_ext"],
        "cflags": cflags,
        "obj_deps": {"": HEADERS},
    }


def cpp_files(folder: str) -> list[str]:
    return sorted(path.relative_to("fastfm_ext").as_posix() for path in Path("fastfm_ext", folder).glob("*.cpp"))


def extension(name: str, sources: list[str]) -> Extension:
    return Extension(
        f"fastfm_ext._native.{name}",
        sources=[f"fastfm_ext/{source}" for source in [f"boundary/{name}.pyx", *sources]],
        include_dirs=["fastfm_ext"],
        depends=HEADERS,
        define_macros=[*MACROS, *ABI3],
        extra_compile_args=CFLAGS,
        extra_link_args=LINK_FLAGS,
        language="c++",
        py_limited_api=not FREE_THREADED,
    )


extensions = [
    extension("core", ["dispatch.cpp", *cpp_files("threads")]),
    extension("tables", cpp_files("tables")),
    extension("text", cpp_files("text")),
]


class BuildLibraries(build_clib):
    """Command that compiles the libraries, of one long file each, side by side."""

    def build_libraries(self, libraries: list) -> None:
        """Build each library in a thread of its own."""
        build = super().build_libraries
        with ThreadPoolExecutor(1 if MSVC else os.cpu_count()) as pool:  # MSVC's compiler is set up by its first file
            # The longest, which are last, begin.
            for done in [pool.submit(build, [library]) for library in reversed(libraries)]:
                done.result()


# Python has checked every index by the time that the extensions see it; the debug build looks again.
DIRECTIVES = {
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "freethreading_compatible": FREE_THREADED,
}

setup(
    ext_modules=cythonize(
        extensions, build_dir="build/cython", language_level=3, force=DEBUG, compiler_directives=DIRECTIVES
    ),
    # A library after those that need it, for the linker.
    libraries=[isa_library(isa, f"{isa}{part}") for part in ("", "_epochs") for isa in ISA_CFLAGS],
    cmdclass={"build_clib": BuildLibraries},
    options={"build_ext": {"parallel": 1 if MSVC else os.cpu_count()}}
    | ({} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}}),
)
