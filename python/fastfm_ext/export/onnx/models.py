"""ONNX models of fitted models, for runtimes in other languages and on other machines."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastfm_ext._common.checks import kind_of
from fastfm_ext._common.files import PathLike, replacing
from fastfm_ext._common.version import VERSION
from fastfm_ext._estimators.scoring_form import ScoringForm
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.encoding.sides import GROUPS_OF_SIDE, Side
from fastfm_ext.export.onnx.columns import encoded_columns
from fastfm_ext.export.onnx.graph import Graph
from fastfm_ext.export.onnx.outputs import GraphKind, sides_of, write_outputs
from fastfm_ext.export.onnx.scores import GraphEntries
from fastfm_ext.model_io.pipeline import is_pipeline


def to_onnx(model: Any, encoder: FMEncoder | None = None, *, what: GraphKind = "prediction") -> Any:
    """Return a fitted model as an ONNX graph, which runs without Python: in C++, Java, C#, Go, Rust or a browser.

    Parameters
    ----------
    model : estimator
        A regressor, a classifier or a ranker of this package, field-aware ones included, or a Pipeline of FMEncoder and
        one of them. Fitted.
        Of a Bayesian model the graph has the one FM of `w0_`, `w_` and `V_`, so that it predicts as the model does with
        ``keep="distilled"`` (or ``"mean"``), without its draws and their spread.
    encoder : FMEncoder, optional
        Fitted; the one that encoded the model's rows. With it the graph begins at the raw columns.
    what : {"prediction", "user_vector", "item_vector"}, default="prediction"
        What the graph computes: what `predict` and `predict_proba` return, or `user_vector` or `item_vector`.

    Returns
    -------
    onnx.ModelProto
        Of opset 14 (with an encoder also of opset 2 of ``ai.onnx.ml``) and IR version 7, those of ONNX 1.9, which
        onnxruntime reads from 1.8 on. Its metadata name the version of this package, the class of the model, and what
        each input holds.

    Raises
    ------
    ImportError
        If the package onnx, of the extra ``onnx``, is not installed.
    TypeError
        If the model, or a step of the Pipeline, is of another class.
    ValueError
        If `what` is another; if the encoder is of another number of features; if a column cannot be encoded in ONNX:
        `hashed`, and categories that are neither text, int64 nor truth values; if there is an encoder, but none of its
        columns are of the side of the vector; for vectors of more than two classes, or of a field-aware model that
        scales rows to unit length or does not know the fields of items; for ``form="centered"`` of a Bayesian model;
        for tables of more than 2 GiB, which an ONNX file cannot hold.
    sklearn.exceptions.NotFittedError
        If the model or the encoder is not fitted.

    See Also
    --------
    write_onnx : The same as a file.

    Notes
    -----
    Inputs without an encoder: ``ids``, int64 of shape (n, n_entries), the features (columns of X) of each row, from 0
    on, none of them twice; and ``values``, float32 of the same shape. Rows of fewer features are filled up with any id
    and the value 0. The predictions of an FMRanker take ``user_ids``, ``user_values``, ``item_ids`` and
    ``item_values``: the score of the user and the item of a row is the inner product of their vectors. Rows of users of
    a model with ``user_history`` are those of `with_history`, the items being features ``n_features_in_`` and on.

    Inputs with an encoder, named as the columns, a value a row: text, int64 or bool as the categories are, float64 for
    `numeric` and `binned` columns, times in seconds since 1970 in UTC. The tokens of `multi` columns are split before,
    (n, n_tokens), filled up with the missing one. Missing are the text ``""``, the number NaN, and the integer -2^63.
    The sets of `implicit` columns are in the graph. Unknown values count as in the encoder. There are no errors for
    values that the encoder refuses, such as infinite.

    Outputs: ``score`` (n,) of regressors and rankers; ``label`` (n,) and ``probabilities`` (n, n_classes) of
    classifiers; ``vector`` (n, n_factors + 1), of field-aware models as long as `item_vector` is, and ``bias`` (n,) of
    the users of models that are no ranker. All are
    float32, but ``score`` and ``bias`` where `predict` returns float64 because targets are far from zero. An output
    of which a column has the name gets an underscore behind its own.

    Examples
    --------
    >>> from fastfm_ext import FMEncoder, FMRegressor, to_onnx
    >>> ratings = {"user": ["ann", "bob", "bob"], "film": ["Alien", "Alien", "Brazil"]}
    >>> encoder = FMEncoder(user=["user"], item=["film"])
    >>> model = FMRegressor(n_factors=2, random_state=0).fit(
    ...     encoder.fit_transform(ratings), [5.0, 2.0, 3.0]
    ... )
    >>> [value.name for value in to_onnx(model, encoder).graph.input]
    ['user', 'film']
    >>> [value.name for value in to_onnx(model, encoder, what="item_vector").graph.input]
    ['film']
    >>> [value.name for value in to_onnx(model).graph.input]
    ['ids', 'values']
    """
    if what not in get_args(GraphKind):
        raise ValueError(f"what must be {', '.join(map(repr, get_args(GraphKind)))}; got {what!r}.")
    if is_pipeline(model):
        if encoder is not None:
            raise ValueError("encoder must be left out with a Pipeline, which has its own.")
        model, encoder = _taken_apart(model)
    if not hasattr(model, "_scoring_form") or isinstance(model, type):
        advice = "; of a recommender pass recommender.model and recommender.encoder" * hasattr(model, "recommend_to")
        raise TypeError(f"model must be a regressor, a classifier or a ranker, got {kind_of(model)}{advice}.")
    if encoder is not None and not isinstance(encoder, FMEncoder):
        raise TypeError(f"encoder must be an FMEncoder, got {kind_of(encoder)}.")
    form: ScoringForm = model._scoring_form()
    if what != "prediction" and form.n_scores > 1:
        raise ValueError(f"vectors need a single score, and this model has one for each of {form.n_scores} classes.")
    graph = Graph()
    sides = sides_of(form, what)
    if encoder is None:
        entries = _ids_and_values(graph, sides)
        holds: dict[str, str] = dict.fromkeys(graph.input_names, "features")
    else:
        check_is_fitted(encoder, "fields_")
        if encoder.n_features_out_ != form.n_features:
            raise ValueError(
                f"encoder has {encoder.n_features_out_} features and the model {form.n_features}: pass the model's own "
                "encoder."
            )
        if form.n_history_items and "user" in sides:
            raise ValueError(
                "users are what they chose (user_history=True), which no column of the encoder holds. Leave the "
                "encoder out, and give the graph rows of with_history as ids and values."
            )
        entries, kinds = encoded_columns(graph, encoder._layout, [GROUPS_OF_SIDE[side] for side in sides])
        holds = {name: str(kind) for name, kind in kinds.items()}
    write_outputs(graph, form, what, entries)
    version = VERSION
    described = {"model": type(model).__name__, "what": what, "inputs": json.dumps(holds)}
    return graph.model(version, {"fastfm_ext_version": version, **described, "n_features": str(form.n_features)})


def write_onnx(path: PathLike, model: Any, encoder: FMEncoder | None = None, *, what: GraphKind = "prediction") -> None:
    """Write a fitted model as an ONNX file.

    Parameters
    ----------
    path : path-like
        The file. An existing one is replaced in one step.
    model, encoder, what
        As for `to_onnx`, which says what the graph takes and gives.

    Raises
    ------
    ImportError, TypeError, ValueError, sklearn.exceptions.NotFittedError
        As for `to_onnx`.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext import FMRegressor, write_onnx
    >>> model = FMRegressor.from_parameters(0.5, [1.0, 2.0], [[1.0, 1.0], [2.0, 0.0]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.onnx")
    ...     write_onnx(path, model)
    ...     print(os.path.getsize(path) < 5000)
    True
    """
    content = to_onnx(model, encoder, what=what).SerializeToString()
    with replacing(path) as file:
        file.write(content)


def _taken_apart(pipeline: Any) -> tuple[Any, FMEncoder | None]:
    *before, model = [step for _, step in pipeline.steps if step not in ("passthrough", None)]
    other = next((step for step in before if type(step) is not FMEncoder), None)
    if other is not None or len(before) > 1:
        what = kind_of(before[1] if other is None else other)
        raise TypeError(f"a Pipeline must be of FMEncoder and a model to be exported; this one has {what}, too.")
    return model, before[0] if before else None


def _ids_and_values(graph: Graph, sides: list[Side | None]) -> list[GraphEntries]:
    """Add the inputs of features that are encoded already, of each side."""
    found = []
    for side in sides:
        prefix = f"{side}_" if len(sides) > 1 else ""
        ids = graph.input(f"{prefix}ids", np.int64, "n", f"n_{prefix}entries")
        found.append(GraphEntries(ids, graph.input(f"{prefix}values", np.float32, "n", f"n_{prefix}entries")))
    return found
