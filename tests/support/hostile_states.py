"""Model files that only an attacker or a bug writes: valid files, whose states no `_to_state` has made.

As a script, ``hostile_states.py CLASS FOLDER`` loads and uses one such file after the other. It prints the name of each
before it does, so that the last line tells which one crashed the interpreter, and a line that starts with PROBLEM for
each that does what no file may do.
"""

import copy
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fastfm_ext import (
    BayesianFMRegressor,
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRecommender,
    FMRegressor,
    ItemIndex,
    ModelFileError,
    load_model,
)
from fastfm_ext.encoding import binned, categorical, crossed, hashed, implicit, multi, numeric
from fastfm_ext.model_io.container import write_parts
from model_parts import rewrite

State = tuple[dict[str, Any], dict[str, np.ndarray]]

# How code refuses a value, and Python a value of another kind. Others, such as IndexError, show that the code relied
# on what nobody had checked.
REFUSALS = (ArithmeticError, AttributeError, TypeError, ValueError)

X = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32) * 40  # values that training scales
CHOSEN = np.eye(4, 5)
ROWS = {
    "user": [1, 2, 3],
    "city": ["b", None, "b"],
    "age": [20.0, 40.0, None],
    "url": ["x", "y", None],
    "genres": ["a|b", "b", "a"],
    "price": [1.0, 2.0, 9.0],
}
EVENTS = {"user_id": ["a", "a", "b", "c"], "item_id": [1, 2, 2, 3], "hour": [1, 2, 1, 2]}
ITEMS = {"item_id": [1, 2, 3, 4], "genre": ["x", "y", "x", "y"], "title": ["A", "B", None, "D"]}
MORE_ROWS = ROWS | {"user": [3, 0, 2], "city": ["c", "c", "d"]}


def fitted(name: str) -> Any:
    if name == "FMRegressor":
        return FMRegressor(n_factors=3, max_iter=2, l2_exponent=0.5, random_state=0).fit(X, X[:, 0])
    if name == "FMClassifier":
        return FMClassifier(n_factors=3, max_iter=2, random_state=0).fit(
            X, np.array(["a", "b", "c"])[np.arange(30) % 3]
        )
    if name == "FMRanker":
        return FMRanker(n_factors=3, max_iter=2, random_state=0).fit(X[:4], X[4:9], CHOSEN)
    if name == "FMRanker of histories":
        ranker = FMRanker(n_factors=3, max_iter=2, user_history=True, random_state=0)
        return ranker.fit(X[:4], X[4:9], CHOSEN)
    if name.startswith("BayesianFMRegressor"):
        form = {"keep": "distilled"} if name.endswith("distilled") else {}
        return BayesianFMRegressor(n_factors=3, max_sweeps=12, random_state=0, **form).fit(X, X[:, 0])
    if name == "FMRecommender":
        ranker = FMRanker(n_factors=3, max_iter=2, random_state=0)
        roles = {"context": ["hour"], "items": ITEMS}
        return FMRecommender(ranker).fit(EVENTS, **roles).fold_in({"user_id": ["d"], "item_id": [1]})
    if name == "FMEncoder":
        user = ["user", categorical("city", min_count=2, missing="feature"), numeric("age"), hashed("url", 64)]
        item = [multi("genres", unknown="feature"), binned("price", 3), crossed("user", "city", "genres")]
        item.append(implicit("city", of="user"))
        return FMEncoder(user=user, item=item).fit(ROWS).partial_fit(MORE_ROWS)
    ids = [3, "b", 2.5, (1, "x"), True]
    if name == "ItemIndex of lists":
        return ItemIndex("ivf", n_lists=2).fit(np.eye(5), ids).tune(np.ones((3, 5)))
    if name == "ItemIndex of codes":
        index = ItemIndex("ivf", n_lists=2, quantizer="sq8", keep_vectors=False, target_recall=0.5)
        return index.fit(np.eye(5), ids).tune(np.ones((3, 5)))
    return ItemIndex().fit(np.eye(5), ids)


def use(part: Any) -> None:
    """Ask for all that a loaded part is for; what it answers does not matter."""
    if isinstance(part, ItemIndex):
        part.search(np.ones((2, 5)), n=7, exclude=[[3], None])
        part.remove(part.ids[:1]).add(np.eye(1, 5), ["new"])
    elif isinstance(part, FMRecommender):
        part.recommend(n=2, context={"hour": 1}, unknown="popular")
        part.recommend_to(part.index.ids[:1])
        part.explain(part.user_ids_[0], part.index.ids[0])
        part.evaluate(EVENTS, k=2, metrics=["recall"], exclude_seen=False)
        part.fold_in({"user_id": ["a", "d", "e"], "item_id": [3, 2, 1]})
        part.add_items({"item_id": [1, 9], "genre": ["y", "x"], "title": ["Z", "Z"]})
        part.recommend(["e", "z"])
    elif isinstance(part, FMEncoder):
        part.get_feature_names_out()
        part.transform(ROWS)
        part.transform_blocks(ROWS)
        for feature in {0, part.n_features_out_ // 2, part.n_features_out_ - 1}:
            part.feature_at(feature)
        part.partial_fit(ROWS | {"user": [7, 8, 9]})
    elif isinstance(part, BayesianFMRegressor):
        part.predict(X, return_std=part.keep == "samples")
        if part.keep == "samples":
            part.sample_predictions(X, 2)
        part.user_vector(X)
        _ = part.V_, part.hyperparameters_
    elif isinstance(part, FMRanker) and part.user_history:
        part.user_vector(part.with_history(CHOSEN, X[:4]))
        part.partial_fit(X[:4], X[4:9], CHOSEN)
    elif isinstance(part, FMRanker):
        part.fold_in([1, 3], part.item_vector(X[4:9]), X[:1])
        part.partial_fit(X[:4], X[4:9], CHOSEN)
    else:
        predicted = part.predict(X)
        part.partial_fit(X, predicted)


# --- damage --------------------------------------------------------------------------------------------------------


def array_damages(array: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    for dtype in ("<f2", "<f4", "<f8", "<i4", "<i8", "<u8", "|u1", "<U4", "|b1"):
        if array.dtype.str != dtype:
            yield (
                f"as {dtype}",
                np.resize(array.astype("U8") if dtype == "<U4" else np.arange(97), array.shape).astype(dtype),
            )
    for n in (0, 3, 40):
        for axis in range(array.ndim):
            shape = [n if a == axis else size for a, size in enumerate(array.shape)]
            yield f"with {n} along axis {axis}", np.resize(array, shape)
    yield "in a row", array.reshape(-1)
    yield "in a column", array.reshape(-1, 1)
    yield "with an axis more", array[None]
    yield "without axes", np.zeros((), array.dtype)
    yield "transposed", array.T.copy()
    yield "backwards", np.flip(array).copy()
    if array.dtype.kind in "iuf":
        for value in (0, -1, 2**31, 2**62, np.inf, np.nan):
            with np.errstate(over="ignore", invalid="ignore"):
                yield f"full of {value}", np.full(array.shape, value).astype(array.dtype)


VALUES = (None, 0, -1, 40, 2**70, 2.5, float("nan"), "x", "O", [], ["x"], {"x": 1})


def leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values in nested metadata, but the whole."""
    if place:
        yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from leaves(inner, (*place, key))


def damaged_states(state: State) -> Iterator[tuple[str, State]]:
    meta, arrays = state
    for name, array in arrays.items():
        yield f"{name} missing", (meta, {other: arrays[other] for other in arrays if other != name})
        for what, damaged in array_damages(array):
            yield f"{name} {what}", (meta, arrays | {name: damaged})
    for place in leaves(meta):
        yield f"{place} missing", (changed(meta, place, lambda parent, key: parent.pop(key)), arrays)
        for value in VALUES:
            yield f"{place} is {value!r}", (changed(meta, place, lambda p, key, v=value: p.__setitem__(key, v)), arrays)


def changed(meta: dict[str, Any], place: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> dict[str, Any]:
    result = parent = copy.deepcopy(meta)
    for key in place[:-1]:
        parent = parent[key]
    change(parent, place[-1])
    return result


# --- loading -------------------------------------------------------------------------------------------------------


def save_state(path: Path, class_name: str, state: State) -> None:
    class_name = class_name.partition(" ")[0]
    slots = {"FMEncoder": "encoder", "ItemIndex": "index", "FMRecommender": "recommender"}
    part = type(class_name, (), {"_to_state": lambda self: state})()
    write_parts(path, {slots.get(class_name, "model"): part, **parts_beside(class_name)})


@cache
def parts_beside(class_name: str) -> dict[str, Any]:
    """The parts that a part's file needs beside it."""
    return fitted(class_name)._parts() if class_name == "FMRecommender" else {}


def problem(path: Path, *, mmap: bool) -> str | None:
    """What is wrong with how a file is loaded, or with the part that comes of it."""
    try:
        saved = load_model(path, mmap=mmap)
    except ModelFileError:
        return None
    try:
        use(next(part for part in saved if part is not None))
    except REFUSALS:
        return None
    except Exception as error:
        return "".join(traceback.format_exception(error, limit=-2))
    return None


def main(class_name: str, folder: str) -> None:
    warnings.simplefilter("ignore")
    path = Path(folder) / "hostile.fm"
    state = fitted(class_name)._to_state()
    for number, (name, damaged) in enumerate(damaged_states(state)):
        save_state(path, class_name, damaged)
        # Arrays are checked in the same way, mapped or not: every other one of each is enough.
        mmap = bool(number % 2)
        print(f"{name}, {'mapped' if mmap else 'read'}", flush=True)
        found = problem(path, mmap=mmap)
        if found:
            print(f"PROBLEM with {name}: {found}", flush=True)
    save_state(path, class_name, state)
    rewrite(path)
    print("arrays that are not aligned, mapped", flush=True)
    use(next(part for part in load_model(path, mmap=True) if part is not None))
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
