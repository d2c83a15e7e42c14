"""Quantizers: vectors as codes."""

import numpy as np
import pytest

from fastfm_ext.retrieval.ivf.quantizers import Quantizer

KINDS = ["sq8", "pq"]


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize(("kind", "width", "n"), [("sq8", 1, 1), ("sq8", 17, 300), ("pq", 1, 1), ("pq", 17, 300)])
def test_codes_stand_for_vectors_near_those_they_were_made_of(kind, width, n):
    vectors = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
    quantizer = Quantizer.train(kind, vectors)
    codes = quantizer.encode(vectors)
    assert (codes.dtype, codes.shape) == (np.uint8, (n, quantizer.code_size))
    assert quantizer.decode(codes).shape == vectors.shape
    assert np.abs(quantizer.decode(codes) - vectors).max() < 0.6
    assert np.abs(quantizer.decode(codes) - vectors).mean() < {"sq8": 0.01, "pq": 0.15}[kind]
