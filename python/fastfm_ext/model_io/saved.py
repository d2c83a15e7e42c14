"""Functions that save and load a model file, and what such a file holds."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, NamedTuple

from fastfm_ext._common.files import PathLike
from fastfm_ext._names import PUBLIC_NAMES
from fastfm_ext.model_io.container import ModelFileReader, Part, write_parts

# The position of a checkpoint in its stream is for the fit that goes on from there.
_NOT_FOR_USERS = ("stream",)


class SavedModel(NamedTuple):
    """Contents of a model file; None for the parts that it does not hold.

    Attributes
    ----------
    model : FMRegressor, FMClassifier, FMRanker or None
    encoder : FMEncoder or None
    index : ItemIndex or None
    """

    model: Any = None
    encoder: Any = None
    index: Any = None


# For each part of a file the classes that can stand there, and their modules.
_CLASSES: dict[str, dict[str, str]] = {
    slot: {public.name: public.module for public in PUBLIC_NAMES if public.kind == slot} for slot in SavedModel._fields
}


def save_model(path: PathLike, model: Any = None, *, encoder: Any = None, index: Any = None) -> None:
    """Write a fitted model, its encoder, its index, or several of these to one file.

    Parameters
    ----------
    path : path-like
        The file. An existing file is replaced in one step, so that a reader finds the old or the new one, and an
        interrupted save leaves the old one.
    model : FMRegressor, FMClassifier or FMRanker, optional
    encoder : FMEncoder, optional
    index : ItemIndex, optional
        The parts, at least one. A model that learns in another thread is saved as it is before or after a batch.

    Raises
    ------
    ValueError
        If no part is given.
    TypeError
        If a part is of another class, or holds a value that a file cannot: ids and categories must be int, float,
        str, bool or tuples of these.
    sklearn.exceptions.NotFittedError
        If a part is not fitted.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext.model_io import load_model, save_model
    >>> from fastfm_ext.retrieval import ItemIndex
    >>> index = ItemIndex().fit([[1.0, 0.0], [0.0, 1.0]], ids=["Alien", "Brazil"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "films.fm")
    ...     save_model(path, index=index)
    ...     saved = load_model(path)
    >>> saved.model is None, saved.index
    (True, ItemIndex(kind='exact', n_items=2, n_dims=2))
    """
    parts = {slot: part for slot, part in SavedModel(model, encoder, index)._asdict().items() if part is not None}
    if not parts:
        raise ValueError("Nothing to save: give at least one of model, encoder and index.")
    for slot, part in parts.items():
        name = type(part).__name__
        # An exact match: a subclass would silently come back as its base.
        if name not in _CLASSES[slot] or type(part) is not _import_class(slot, name):
            raise TypeError(f"{slot} must be one of {', '.join(_CLASSES[slot])}, got a {name}.")
    with ExitStack() as held:
        # Models that learn in other threads are written as they are now.
        write_parts(path, {slot: held.enter_context(_unchanged(part)) for slot, part in parts.items()})


def _unchanged(part: Any) -> AbstractContextManager[Any]:
    context: AbstractContextManager[Any] = part._unchanged() if hasattr(part, "_unchanged") else nullcontext(part)
    return context


def load_model(path: PathLike, *, mmap: bool = False) -> SavedModel:
    """Read a file written by `save_model`, or a checkpoint of `fit_stream`.

    Parameters
    ----------
    path : path-like
        The file.
    mmap : bool, default=False
        Map the arrays read-only from the file in place of reading them: loading is quick, and processes share the
        memory. The arrays' checksums are then not compared, and the file must not be changed in place while in use
        (replacing it, as `save_model` does, is safe; Windows refuses it).

    Returns
    -------
    SavedModel
        With the fields `model`, `encoder` and `index`; None for those that the file does not hold.

    Raises
    ------
    ModelFileError
        If the file is not a model file, is damaged or incomplete, or was written by a newer version.
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastfm_ext import FMRegressor, load_model, save_model
    >>> model = FMRegressor(n_factors=2, random_state=0).fit([[1.0, 0.0], [0.0, 1.0]], [1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.fastfm")
    ...     save_model(path, model)
    ...     again = load_model(path).model
    >>> bool((again.predict([[1.0, 0.0]]) == model.predict([[1.0, 0.0]])).all())
    True
    """
    with ModelFileReader(path) as reader:
        slots = [slot for slot in reader.slots if slot not in _NOT_FOR_USERS]
        return SavedModel(**{slot: _build(reader, slot, mmap) for slot in slots})


def _build(reader: ModelFileReader, slot: str, mmap: bool) -> Any:
    name = reader.class_name(slot)
    if name not in _CLASSES.get(slot, {}):
        raise reader.unknown_class(slot)
    return reader.build(slot, _import_class(slot, name), mmap=mmap)


def _import_class(slot: str, name: str) -> type[Part]:
    cls: type[Part] = getattr(importlib.import_module(_CLASSES[slot][name]), name)
    return cls
