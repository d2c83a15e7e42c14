"""Links in a graph: from scores to predicted targets, or to probabilities and labels of classes."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial
from scipy.special import erfcx

from fastfm_ext._common.arrays import AnyArray, Float64
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext.export.onnx.graph import Graph, text_array

# Of a polynomial that is right to 1e-9.
DEGREE = 14


def write_predictions(graph: Graph, form: ScoringForm, own: str) -> None:
    """Add the outputs of a model, from the linear and pair terms (n, n_scores) of its rows.

    Raises
    ------
    ValueError
        If the classes have no type in ONNX.
    """
    if form.link.kind == "identity":
        score, dtype = raw_score(graph, form, own)
        if form.link.limits is not None:
            score = graph.node("Clip", score, *(graph.constant(limit, dtype) for limit in form.link.limits))
        graph.output("score", score, dtype, "n")
        return
    scores = graph.cast(graph.node("Add", own, graph.constant(form.w0)), np.float32)
    if form.link.kind == "ordered probit":
        assert form.link.cuts is not None
        probabilities = _between(graph, scores, form.link.cuts)
        chosen = graph.node("ArgMax", probabilities, axis=1, keepdims=0)
    elif form.n_scores == 1:
        probabilities = _of_two(graph, scores, form.link.kind)
        is_second = graph.node("Greater", scores, graph.constant(0.0, np.float32))
        chosen = graph.node("Squeeze", graph.cast(is_second, np.int64), graph.constant([1], np.int64))
    else:
        probabilities = graph.node("Softmax", _logarithms(graph, scores, form.link.kind), axis=1)
        chosen = graph.node("ArgMax", scores, axis=1, keepdims=0)
    assert form.link.classes is not None
    classes = _classes(form.link.classes)
    graph.output("label", graph.node("Gather", graph.constant(classes), chosen), classes.dtype, "n")
    graph.output("probabilities", graph.cast(probabilities, np.float32), np.float32, "n", len(classes))


def raw_score(graph: Graph, form: ScoringForm, own: str) -> tuple[str, type]:
    """Return the single score, (n,), of the linear and pair terms (n, 1) of rows, and its type."""
    with_w0 = graph.node("Add", own, graph.constant(form.w0 + form.target_center))
    score = graph.node("Squeeze", with_w0, graph.constant([1], np.int64))
    return (score, np.float64) if form.target_center else (graph.cast(score, np.float32), np.float32)


def _classes(classes: AnyArray) -> AnyArray:
    if classes.dtype.kind in "OU" and all(isinstance(label, str) for label in classes.tolist()):
        return text_array(classes)
    if classes.dtype.kind in "iu":
        return classes.astype(np.int64)
    if classes.dtype.kind in "bf":
        return classes
    raise ValueError(
        f"classes of type {classes.dtype} have no type in ONNX: train with labels that are text or numbers."
    )


def _of_two(graph: Graph, scores: str, kind: str) -> str:
    """Return the probabilities of two classes, (n, 2), of scores (n, 1)."""
    both = graph.node("Concat", graph.node("Neg", scores), scores, axis=1)
    return graph.node("Sigmoid", both) if kind == "logistic" else graph.node("Exp", log_normal(graph, both))


def _logarithms(graph: Graph, scores: str, kind: str) -> str:
    """Return the logarithms, (n, n_classes), of what probabilities of more classes are in proportion to."""
    if kind == "softmax":
        return scores
    if kind == "logistic":
        return graph.node("Neg", graph.node("Softplus", graph.node("Neg", scores)))
    return log_normal(graph, scores)


def _between(graph: Graph, scores: str, cuts: Float64) -> str:
    """Return the probabilities of classes between cuts, (n, n_cuts + 1), of scores (n, 1)."""
    in_double = graph.cast(scores, np.float64)
    above = graph.node("Exp", log_normal(graph, graph.node("Sub", in_double, graph.constant(cuts[None], np.float64))))
    # P(y > c) falls from 1 to 0; each class has what is lost at its cut.
    low, high = graph.constant([0, 1, 0, 0], np.int64), graph.constant([0, 0, 0, 1], np.int64)
    before = graph.node("Pad", above, low, graph.constant(1.0, np.float64))
    return graph.node("Sub", before, graph.node("Pad", above, high, graph.constant(0.0, np.float64)))


def log_normal(graph: Graph, scores: str) -> str:
    """Return the logarithm of the normal distribution function, in float64.

    ONNX has erf alone, which is -1 in the tail. With z = |s| / sqrt(2) and t = 1 / (1 + z/2), the logarithm of
    ``erfc(z) e^(z^2) / t`` is nearly a polynomial of t in (0, 1].
    """
    s = graph.cast(scores, np.float64)
    z = graph.node("Mul", graph.node("Abs", s), graph.constant(np.sqrt(0.5), np.float64))
    half_z = graph.node("Mul", z, graph.constant(0.5, np.float64))
    t = graph.node("Reciprocal", graph.node("Add", half_z, graph.constant(1.0, np.float64)))
    value = ""
    for coefficient in _tail_coefficients()[::-1]:
        term = graph.constant(coefficient, np.float64)
        value = graph.node("Add", graph.node("Mul", value, t), term) if value else term
    log_erfc = graph.node("Sub", graph.node("Add", graph.node("Log", t), value), graph.node("Mul", z, z))
    below = graph.node("Add", log_erfc, graph.constant(np.log(0.5), np.float64))
    above = graph.node("Log", graph.node("Sub", graph.constant(1.0, np.float64), graph.node("Exp", below)))
    return graph.node("Where", graph.node("Less", s, graph.constant(0.0, np.float64)), below, above)


def _tail_coefficients() -> Float64:
    """Return the coefficients of powers of t, ascending."""
    nodes = 0.5 * (1 + np.cos(np.pi * (np.arange(400) + 0.5) / 400))  # of Chebyshev, in (0, 1)
    t = np.append(nodes, 1.0)
    values = np.log(erfcx(2 / t - 2)) - np.log(t)
    return np.asarray(Polynomial.fit(t, values, DEGREE, domain=(0, 1)).convert().coef, dtype=np.float64)
