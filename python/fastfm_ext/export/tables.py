"""Tables of vectors and features, written as .npz and Parquet files."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import kind_of
from fastfm_ext._common.extras import require
from fastfm_ext._common.files import PathLike, replacing
from fastfm_ext._validation.vectors import DTYPES, check_matrix
from fastfm_ext.retrieval.ids import as_ordered_ids
from fastfm_ext.retrieval.index import ItemIndex

_ENDINGS = (".npz", ".parquet")
# pandas gives what stands under this name as `DataFrame.attrs`.
_ATTRIBUTES = b"PANDAS_ATTRS"


def export_features(path: PathLike, model: Any, encoder: Any = None) -> None:
    """Write the weight and the factors of every feature, with its name and its field where there is an encoder.

    Parameters
    ----------
    path : path-like
        The file, ``.npz`` or ``.parquet`` (this needs the extra ``arrow``). An existing one is replaced.
    model : FMRegressor, FMClassifier or FMRanker
        Fitted.
    encoder : FMEncoder, optional
        Fitted; the one that encoded the model's rows.

    Raises
    ------
    ImportError
        For ``.parquet``, if pyarrow is not installed.
    TypeError
        If `model` has no parameters.
    ValueError
        If the ending is another, or the encoder is of another number of features.
    AttributeError, sklearn.exceptions.NotFittedError
        If the model, or the encoder, is not fitted.
    OSError
        If the file cannot be written.

    Notes
    -----
    In an ``.npz`` stand ``w0``, ``w`` (n_features,) and ``V`` (n_features, n_factors) as in `w0_`, `w_` and `V_`, and
    with an encoder ``name`` and ``field`` (n_features,), text. A classifier of more than two classes has one more axis
    in front of the first three, and ``classes``.

    A Parquet file has a row for each feature, and for each class if there are more than two: ``feature``, its column of
    X; ``name`` and ``field``; ``class``; ``w``; ``factors``, a list of fixed length. ``w0`` stands in the file's
    metadata, which pandas gives as ``DataFrame.attrs``.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastfm_ext import FMEncoder, FMRegressor, export_features
    >>> ratings = {"user": ["ann", "bob", "bob"], "film": ["Alien", "Alien", "Brazil"]}
    >>> encoder = FMEncoder(user=["user"], item=["film"])
    >>> model = FMRegressor(n_factors=2, random_state=0).fit(
    ...     encoder.fit_transform(ratings), [5.0, 2.0, 3.0]
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "features.npz")
    ...     export_features(path, model, encoder)
    ...     with np.load(path) as features:
    ...         print(features["name"].tolist(), features["V"].shape)
    ['user=ann', 'user=bob', 'film=Alien', 'film=Brazil'] (4, 2)
    """
    is_parquet = _is_parquet(path)
    if not hasattr(type(model), "V_"):
        raise TypeError(f"model must be an FMRegressor, FMClassifier or FMRanker, got {kind_of(model)}.")
    arrays = {"w0": np.asarray(model.w0_), "w": model.w_, "V": model.V_}
    several = arrays["w"].ndim > 1
    named = {} if encoder is None else _names(encoder, model.n_features_in_)
    if not is_parquet:
        texts = {name: _plain_text(name, values) for name, values in named.items()}
        _write_npz(path, arrays | texts | ({"classes": _storable("classes", model.classes_)} if several else {}))
        return
    pa = require("pyarrow", "arrow")
    n_outputs, n_features = np.atleast_2d(arrays["w"]).shape
    columns: dict[str, Any] = {"feature": np.tile(np.arange(n_features, dtype=np.int32), n_outputs)}
    columns |= {name: pa.array(np.tile(values, n_outputs)) for name, values in named.items()}
    if named:
        columns["field"] = columns["field"].dictionary_encode()
    if several:
        columns["class"] = np.repeat(model.classes_, n_features)
    columns["w"] = arrays["w"].reshape(-1)
    if model.n_factors:
        columns["factors"] = _lists(pa, arrays["V"].reshape(n_outputs * n_features, -1))
    _write_parquet(path, columns, {"w0": arrays["w0"].tolist()})


def export_vectors(
    path: PathLike,
    vectors: ArrayLike | ItemIndex,
    ids: Iterable[Hashable] | None = None,
    *,
    bias: ArrayLike | None = None,
    dtype: str = "float32",
) -> None:
    """Write vectors of users or items with their ids, for a vector database or another program.

    Parameters
    ----------
    path : path-like
        The file, ``.npz`` or ``.parquet`` (this needs the extra ``arrow``). An existing one is replaced.
    vectors : array-like of shape (n_rows, d), or ItemIndex
        What `user_vector` or `item_vector` returned; or an index, which has ids of its own.
    ids : iterable of n_rows int or str, optional
        ``0 .. n_rows - 1`` by default.
    bias : array-like of shape (n_rows,), optional
        What `user_bias` returned, to be added to the inner products.
    dtype : {"float32", "float16"}, default="float32"
        Type of the vectors in the file. ``"float16"`` halves it; numbers are rounded to 11 bits, and must be below
        65,520.

    Raises
    ------
    ImportError
        For ``.parquet``, if pyarrow is not installed.
    TypeError
        If the ids are neither all int nor all str.
    ValueError
        If the ending or `dtype` is another, lengths do not fit, ids come with an index, or a vector is not finite, in
        `dtype` either.
    OSError
        If the file cannot be written.

    Notes
    -----
    The arrays of an ``.npz``, as the columns of a Parquet file: ``id`` (n_rows,); ``vector`` (n_rows, d) of `dtype`,
    in Parquet lists of fixed length; ``bias`` (n_rows,) float32, if there is one.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastfm_ext import ItemIndex, export_vectors
    >>> index = ItemIndex().fit([[1.0, 0.0], [0.0, 1.0]], ids=["Alien", "Brazil"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "films.npz")
    ...     export_vectors(path, index)
    ...     with np.load(path) as films:
    ...         print(films["id"].tolist(), films["vector"].tolist())
    ['Alien', 'Brazil'] [[1.0, 0.0], [0.0, 1.0]]
    """
    is_parquet = _is_parquet(path)
    if isinstance(vectors, ItemIndex):
        if ids is not None:
            raise ValueError("ids must be left out with an ItemIndex, which has its own.")
        items = vectors._fitted()
        if items.vectors is None:
            raise ValueError("the index keeps codes alone, and has no vectors to export: set keep_vectors=True.")
        ids, vectors = items.ids, items.vectors
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}.")
    matrix = check_matrix(vectors, "vectors", dtype=dtype)
    columns = {"id": _storable("ids", np.arange(len(matrix)) if ids is None else as_ordered_ids(ids))}
    if bias is not None:
        columns["bias"] = np.asarray(bias, dtype=np.float32)
    for name, column in columns.items():
        if column.shape != (len(matrix),):
            raise ValueError(f"{name} has the shape {column.shape}; there are {len(matrix)} vectors.")
    if is_parquet:
        pa = require("pyarrow", "arrow")
        columns["id"] = columns["id"].tolist() if columns["id"].dtype.kind == "U" else columns["id"]
        _write_parquet(path, columns | {"vector": _lists(pa, matrix)}, {})
    else:
        _write_npz(path, columns | {"vector": matrix})


def _is_parquet(path: PathLike) -> bool:
    ending = Path(path).suffix.lower()
    if ending not in _ENDINGS:
        raise ValueError(
            f"path must end in {' or '.join(_ENDINGS)}, which says what to write; got {os.fspath(path)!r}."
        )
    return ending == ".parquet"


def _names(encoder: Any, n_features: int) -> dict[str, AnyArray]:
    """Return name and field of every feature."""
    names = encoder.get_feature_names_out()
    if len(names) != n_features:
        raise ValueError(f"encoder has {len(names)} features and the model {n_features}: pass the model's own encoder.")
    return {"name": names, "field": np.array(encoder.field_names_, dtype=object)[encoder.fields_]}


def _storable(name: str, values: AnyArray) -> AnyArray:
    """Return values that are all numbers of one kind as they are, text as NumPy's own.

    Raises
    ------
    TypeError
        For others.
    """
    if values.dtype.kind in "biufU":
        return values
    other = next((value for value in values.tolist() if not isinstance(value, str)), None)
    if other is not None:
        raise TypeError(f"{name} must be all int or all str to be exported, got {other!r}; turn them into text.")
    return _plain_text(name, values)


def _plain_text(name: str, values: AnyArray) -> AnyArray:
    texts = values.astype(str)
    if texts.tolist() != values.tolist():
        raise ValueError(f"{name} has a text that ends in a zero character, which NumPy drops; take it off.")
    return texts


def _lists(pa: Any, matrix: AnyArray) -> Any:
    """Return the rows of a matrix as an Arrow array of lists of fixed length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).reshape(-1)), matrix.shape[1])


def _write_npz(path: PathLike, arrays: dict[str, Any]) -> None:
    with replacing(path) as file:
        np.savez(file, **arrays)


def _write_parquet(path: PathLike, columns: dict[str, Any], attributes: dict[str, Any]) -> None:
    pa, parquet = require("pyarrow", "arrow"), require("pyarrow.parquet", "arrow")
    table = pa.table(columns).replace_schema_metadata({_ATTRIBUTES: json.dumps(attributes)} if attributes else None)
    with replacing(path) as file:
        parquet.write_table(table, file)
