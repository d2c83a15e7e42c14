"""The touch limit: the time that the same rows and the same parameter bytes take when nothing is computed."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.parameters import Parameters

FACTORS = (8, 16, 32, 64)  # the numbers of factors that touch.cpp is compiled for
FACTORS_WITH_FIELDS = (4, 8)
PREFETCH_DISTANCES = (0, 4, 8, 16)  # in rows
PREFETCH_DISTANCES_WITH_FIELDS = (0, 1, 2, 4)  # a row's records are larger by the number of fields
CACHES = (1, 2)  # the nearest that prefetches go to

FLAGS = ("-std=c++17", "-O3", "-march=native", "-shared", "-fPIC")


class CompilerError(RuntimeError):
    """There is no C++ compiler, or it failed."""


class Touch:
    """Walks rows and touches their parameters; `compile` makes one.

    Examples
    --------
    >>> touch = Touch.compile()  # doctest: +SKIP
    >>> touch.train(X, y, order, params, prefetch_distance=4)  # doctest: +SKIP
    """

    def __init__(self, function: Callable[..., int]) -> None:
        self._function = function

    @classmethod
    def compile(cls) -> Touch:
        """Compile ``touch.cpp`` for this machine, outside the repository, and load it.

        Raises
        ------
        CompilerError
            If there is no C++ compiler, or if it fails.
        """
        source = Path(__file__).with_name("touch.cpp")
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            library = Path(folder) / "touch.so"
            command = [_compiler(), *FLAGS, str(source), "-o", str(library)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise CompilerError(f"{' '.join(command)} failed:\n{done.stderr}")
            return cls(_typed(ctypes.CDLL(str(library)).touch))

    def train(
        self,
        X: Csr,
        y: Float32,
        order: NDArray[np.int64] | None,
        params: Parameters,
        prefetch_distance: int,
        cache: int,
    ) -> float:
        """Load, add nothing to, and store all parameters and optimizer states that an epoch in this order changes."""
        return self._pass(X, y, order, params, (prefetch_distance, cache), None)

    def predict(self, X: Csr, params: Parameters, prefetch_distance: int, cache: int) -> float:
        """Load all parameters that a prediction of every row reads, and store one number a row."""
        out = np.empty(X.n_rows, dtype=np.float32)
        return self._pass(X, None, None, params, (prefetch_distance, cache), out)

    def _pass(
        self,
        X: Csr,
        y: Float32 | None,
        order: NDArray[np.int64] | None,
        params: Parameters,
        ahead: tuple[int, int],
        out: Float32 | None,
    ) -> float:
        if X.data is not None:
            raise ValueError("the touch limit is for rows whose stored values are all 1")
        if params.n_features != X.n_features:
            raise ValueError(f"parameters of {params.n_features} features for rows of {X.n_features}")
        k, n_values = params.k, 1 + params.n_slots
        n_visits = X.n_rows if order is None else len(order)
        w, V, R = params.tables["w"], params.tables["V"], params.tables.get("R")
        # One half of the pairs of fields is in use; predictions read no states.
        n_shared = 0 if R is None else R.size // 2 // (1 if out is None else n_values)
        arrays = (order, X.indptr.astype(np.int32, copy=False), X.indices, y, w, V, R, out)
        places = [None if array is None else array.ctypes.data for array in arrays]
        total = ctypes.c_float()
        head = (k, V.shape[2], n_values, out is None, *ahead, n_shared, n_visits)
        if self._function(*head, *places, 0.0, ctypes.byref(total)):
            raise ValueError(f"touch.cpp has no pass for k={k} with {n_values} values for each parameter")
        return total.value


def _typed(function: Any) -> Callable[..., int]:
    function.argtypes = [
        ctypes.c_int,
        ctypes.c_int64,
        *(ctypes.c_int,) * 2,
        ctypes.c_int64,
        ctypes.c_int,
        *(ctypes.c_int64,) * 2,
        *(ctypes.c_void_p,) * 8,
        ctypes.c_float,
        ctypes.c_void_p,
    ]
    function.restype = ctypes.c_int
    typed: Callable[..., int] = function
    return typed


def _compiler() -> str:
    """Return the command of a C++ compiler: that of the environment variable CXX, else one of the usual names."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in names:
        if found := shutil.which(name):
            return found
    raise CompilerError(f"no C++ compiler found under {', '.join(names)}; install one, or name it in the variable CXX")
