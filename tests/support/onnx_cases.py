"""Graphs run in onnxruntime, and rows as they take them."""

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import to_onnx


def run(graph, inputs):
    """The outputs of a graph by their names, in one thread."""
    ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))


def exported(model, encoder=None, **options):
    """A graph of a model; the test is skipped without the package onnx."""
    pytest.importorskip("onnx", reason="needs onnx")
    return to_onnx(model, encoder, **options)


def ids_and_values(X, prefix=""):
    """Rows of X as ids and values, filled up with the last feature and the value 0."""
    X = sparse.csr_array(X)
    counts = np.diff(X.indptr)
    ids = np.full((X.shape[0], max(1, counts.max())), X.shape[1] - 1, dtype=np.int64)
    values = np.zeros(ids.shape, dtype=np.float32)
    is_entry = np.arange(ids.shape[1]) < counts[:, None]
    ids[is_entry], values[is_entry] = X.indices, X.data
    return {f"{prefix}ids": ids, f"{prefix}values": values}
