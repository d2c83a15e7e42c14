"""The normal distribution function of a graph, which ONNX does not have."""

import numpy as np
import pytest
from scipy.special import log_ndtr

from fastfm_ext.export.onnx.graph import Graph
from fastfm_ext.export.onnx.links import log_normal
from onnx_cases import run


def test_the_logarithm_of_the_normal_distribution_is_right_in_both_tails():
    pytest.importorskip("onnx", reason="needs onnx")
    graph = Graph()
    graph.output("log", log_normal(graph, graph.input("scores", np.float64, "n")), np.float64, "n")
    scores = np.concatenate([np.linspace(-37, 37, 2001), [0.0, 1e-300, -1e-300, 1e-9, 8.0]])
    found = run(graph.model("0", {}), {"scores": scores})["log"]
    np.testing.assert_allclose(found, log_ndtr(scores), rtol=1e-9, atol=1e-9)
