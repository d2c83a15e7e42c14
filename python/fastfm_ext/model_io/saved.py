"""Functions that save and load a model file, and what such a file holds."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, NamedTuple

from fastfm_ext._common.checks import kind_of, public_name
from fastfm_ext._common.files import FileLike
from fastfm_ext._names import PLAIN_CLASSES, PUBLIC_NAMES
from fastfm_ext.model_io import pipeline
from fastfm_ext.model_io.container import ModelFileReader, Part, write_parts

# The position of a checkpoint in its stream is for the fit that goes on from there.
_NOT_FOR_USERS = ("stream",)
_RECOMMENDER = "recommender"


class SavedModel(NamedTuple):
    """Contents of a model file; None for the parts that it does not hold.

    Attributes
    ----------
    model : FMRegressor, FMClassifier, FMRanker, Pipeline of FMEncoder and one of them, FMRecommender, or None
    encoder : FMEncoder or None
    index : ItemIndex or None

    Examples
    --------
    >>> import io
    >>> from fastfm_ext import ItemIndex, load_model, save_model
    >>> file = io.BytesIO()
    >>> save_model(file, index=ItemIndex().fit([[1.0, 0.0], [0.0, 1.0]], ids=["Alien", "Brazil"]))
    >>> model, encoder, index = load_model(file)
    >>> model is None, encoder is None, index.ids.tolist()
    (True, True, ['Alien', 'Brazil'])
    """

    model: Any = None
    encoder: Any = None
    index: Any = None


# For each part of a file the classes that can stand there, and their modules.
_CLASSES: dict[str, dict[str, str]] = {
    slot: {public.name: public.module for public in PUBLIC_NAMES if public.kind == slot} for slot in SavedModel._fields
}
# A recommender stands beside these, which are its parts.
_RECOMMENDERS = {public.name: public.module for public in PUBLIC_NAMES if public.kind == _RECOMMENDER}


def save_model(path: FileLike, model: Any = None, *, encoder: Any = None, index: Any = None) -> None:
    """Write a fitted model, its encoder, its index, or several of these to one file.

    Parameters
    ----------
    path : path-like or binary file object
        The file. An existing file is replaced in one step, so that a reader finds the old or the new one, and an
        interrupted save leaves the old one. A file object, such as ``io.BytesIO()``, is written to where it stands, and
        stays open.
    model : FMRegressor, FMClassifier, FMRanker, Pipeline or FMRecommender, optional
        A Pipeline of scikit-learn, if its steps are an FMEncoder and one of these estimators. An FMRecommender is saved
        with its own model, encoder and index.
    encoder : FMEncoder, optional
    index : ItemIndex, optional
        The parts, at least one. A model that learns in another thread is saved as it is before or after a batch.

    Raises
    ------
    ValueError
        If no part is given, an encoder beside a Pipeline that has one, or a part beside an FMRecommender.
    TypeError
        If a part is of another class, a Pipeline has a step of another library, or a part holds a value that a file
        cannot: ids and categories must be int, float, str, bool or tuples of these. If a file object is open in text
        mode.
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

    A Pipeline, in memory:

    >>> import io
    >>> from sklearn.pipeline import make_pipeline
    >>> from fastfm_ext import FMClassifier, FMEncoder
    >>> table = {"city": ["Rome", "Oslo"] * 20, "age": [20.5, 30.0] * 20}
    >>> file = io.BytesIO()
    >>> save_model(file, make_pipeline(FMEncoder(), FMClassifier()).fit(table, [0, 1] * 20))
    >>> load_model(file).model.predict({"city": ["Oslo"], "age": [30.0]}).tolist()
    [1]
    """
    parts = {slot: part for slot, part in SavedModel(model, encoder, index)._asdict().items() if part is not None}
    if not parts:
        raise ValueError("Nothing to save: give at least one of model, encoder and index.")
    steps = {}
    if pipeline.is_pipeline(model):
        del parts["model"]
        steps = pipeline.SavedPipeline.taken_apart(model, _slot_of)
        if encoder is not None and "encoder" in steps:
            raise ValueError("The Pipeline holds an encoder; another beside it would have no place in the file.")
    if _is_one_of(model, _RECOMMENDERS):
        if len(parts) > 1:
            raise ValueError("The FMRecommender holds an encoder and an index; others have no place in the file.")
        del parts["model"]
        steps = {_RECOMMENDER: model, **model._parts()}
    for slot, part in parts.items():
        if not _can_be(part, slot):
            names = [*_CLASSES[slot], *(_RECOMMENDERS if slot == "model" else ())]
            raise TypeError(f"{slot} must be one of {', '.join(names)}, got {kind_of(part)}.")
    with ExitStack() as held:
        # Models that learn in other threads are written as they are now.
        write_parts(path, {slot: held.enter_context(_unchanged(part)) for slot, part in (parts | steps).items()})


def _unchanged(part: Any) -> AbstractContextManager[Any]:
    context: AbstractContextManager[Any] = part._unchanged() if hasattr(part, "_unchanged") else nullcontext(part)
    return context


def load_model(path: FileLike, *, mmap: bool = False) -> SavedModel:
    """Read a file written by `save_model`, or a checkpoint of `fit_stream`.

    Parameters
    ----------
    path : path-like or binary file object
        The file. All of a file object is read, wherever it stands, and it stays open.
    mmap : bool, default=False
        Map the arrays read-only from the file in place of reading them: loading is quick, and processes share the
        memory. The arrays' checksums are then not compared, and the file must not be changed in place while in use
        (replacing it, as `save_model` does, is safe; Windows refuses it). Not for file objects.

    Returns
    -------
    SavedModel
        With the fields `model`, `encoder` and `index`; None for those that the file does not hold. A Pipeline is the
        `model`, with its encoder inside; so is an FMRecommender, with its model, encoder and index.

    Raises
    ------
    ModelFileError
        If the file is not a model file, is damaged or incomplete, or was written by a newer version.
    ValueError
        If a file object is to be mapped.
    TypeError
        If a file object is open in text mode.
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
        parts = {slot: _build(reader, slot, mmap) for slot in reader.slots if slot not in _NOT_FOR_USERS}
        recommender = parts.pop(_RECOMMENDER, None)
        if recommender is not None:
            try:
                return SavedModel(recommender._put_together(parts))
            except (KeyError, TypeError, ValueError) as error:
                raise reader.damaged(f"a part of the recommender is missing or is another's: {error}") from error
        steps = parts.pop(pipeline.SLOT, None)
        if steps is None:
            return SavedModel(**parts)
        inside = {slot: parts.pop(slot) for _, slot in steps.steps if slot in parts}
        try:
            return SavedModel(**parts | {"model": steps.put_together(inside)})
        except KeyError as error:
            raise reader.damaged(f"a step of the Pipeline is missing: {error}") from error


def load_plain(path: FileLike) -> SavedModel:
    """Read a file as `load_model` does; a regressor or a classifier alone in it comes without scikit-learn.

    Returns
    -------
    SavedModel
        Its model may be of a class of `PLAIN_CLASSES`.
    """
    with ModelFileReader(path) as reader:
        if reader.slots == ["model"] and reader.class_name("model") in PLAIN_CLASSES:
            return SavedModel(reader.build("model", _plain_class(reader.class_name("model")), mmap=False))
    return load_model(path)


def _build(reader: ModelFileReader, slot: str, mmap: bool) -> Any:
    name = reader.class_name(slot)
    if slot == pipeline.SLOT:
        return reader.build(slot, pipeline.SavedPipeline, mmap=mmap)
    classes = _RECOMMENDERS if slot == _RECOMMENDER else _CLASSES.get(slot, {})
    if name not in classes:
        raise reader.unknown_class(slot)
    return reader.build(slot, _import_class(classes, name), mmap=mmap)


def _slot_of(step: Any) -> str | None:
    """Return the part that a step of a Pipeline is, None for a step of another library."""
    return next((slot for slot in ("encoder", "model") if _can_be(step, slot)), None)


def _can_be(part: Any, slot: str) -> bool:
    return _is_one_of(part, _CLASSES[slot])


def _is_one_of(part: Any, classes: dict[str, str]) -> bool:
    # An exact match: a subclass would silently come back as its base.
    cls, name = type(part), public_name(type(part))
    if name not in classes:
        return False
    return cls is (_import_class(classes, name) if name == cls.__name__ else _plain_class(name))


def _plain_class(name: str) -> type[Part]:
    module, plain_name = PLAIN_CLASSES[name]
    return _import_class({plain_name: module}, plain_name)


def _import_class(classes: dict[str, str], name: str) -> type[Part]:
    cls: type[Part] = getattr(importlib.import_module(classes[name]), name)
    return cls
