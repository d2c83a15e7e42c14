"""Latency of exported models: rows scored by onnxruntime and by `predict`, in turn, in one thread.

    python benchmarks/onnx_latency.py                # 16 factors, 10 entries a row, 50,000 features
    python benchmarks/onnx_latency.py --quick        # a fifth of the rounds

A graph over features takes ids and values; one over raw columns takes ten columns of integers, which `FMEncoder`
encodes for `predict`. Both are timed for 1 row and for 1,000, in CPU time of the one thread.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import onnxruntime as ort
import scipy.sparse as sp

from fastfm_ext import FMEncoder, FMRegressor, to_onnx
from in_turn import time_in_turn
from tables import markdown_table

N_FACTORS, N_COLUMNS, N_VALUES = 16, 10, 5_000
ROWS = (1, 1_000)


def random_model(n_features: int) -> FMRegressor:
    rng = np.random.default_rng(0)
    w, V = rng.normal(size=n_features), 0.1 * rng.normal(size=(n_features, N_FACTORS))
    return FMRegressor.from_parameters(0.5, w, V)


def session(graph: Any) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def line(what: str, n: int, runs: Any, rounds: int) -> list[str]:
    expected, found = runs["predict"](), runs["onnxruntime"]()[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    times = time_in_turn(runs, rounds)
    by_cpu = {name: 1e3 * np.array(times[name].cpu) for name in runs}
    shown = [f"{np.median(ms):.3f} ({np.percentile(ms, 99):.3f})" for ms in by_cpu.values()]
    return [what, f"{n:,}", *shown]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    rounds = 200 if parser.parse_args().quick else 1_000
    rng = np.random.default_rng(1)
    codes = rng.integers(0, N_VALUES, (max(ROWS), N_COLUMNS))
    encoder = FMEncoder([f"c{number}" for number in range(N_COLUMNS)])
    encoder.fit({name: np.arange(N_VALUES) for name in encoder.columns})
    model = random_model(encoder.n_features_out_)
    by_features, by_columns = session(to_onnx(model)), session(to_onnx(model, encoder))
    lines = []
    for n in ROWS:
        ids = (codes[:n] + N_VALUES * np.arange(N_COLUMNS)).astype(np.int64)
        inputs = {"ids": ids, "values": np.ones(ids.shape, dtype=np.float32)}
        indptr = N_COLUMNS * np.arange(n + 1)
        X = sp.csr_array((np.ones(ids.size, np.float32), ids.ravel(), indptr), shape=(n, N_COLUMNS * N_VALUES))
        X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
        table = {name: codes[:n, number].copy() for number, name in enumerate(encoder.columns)}
        features = {
            "onnxruntime": lambda inputs=inputs: by_features.run(None, inputs),
            "predict": lambda X=X: model.predict(X),
        }
        columns = {
            "onnxruntime": lambda table=table: by_columns.run(None, table),
            "predict": lambda table=table: model.predict(encoder.transform(table)),
        }
        lines += [line("features", n, features, rounds), line("raw columns", n, columns, rounds)]
    heads = ["from", "rows", "onnxruntime, ms of CPU: median (99 %)", "predict"]
    print(
        f"k = {N_FACTORS}, {N_COLUMNS} entries a row, {N_COLUMNS * N_VALUES:,} features; onnxruntime {ort.__version__}"
    )
    print(markdown_table(heads, lines))


if __name__ == "__main__":
    main()
