"""What `fuzz_arrays` calls: functions, sound arguments for them, and the models and indexes that they belong to."""

import copy
import functools
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from fastfm_ext import (
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRegressor,
    ItemIndex,
    evaluate,
    metrics,
    model_selection,
    recommend,
    text_formats,
)
from fastfm_ext.encoding import hashed, multi, numeric

Answer = list[Any]


class Target(NamedTuple):
    """A function, and how to call it.

    ``make`` gives what the function belongs to, None for none; ``call`` takes that and the arguments, and gives all
    that comes out; ``probe`` asks the first of these two for an answer that errors must not change.
    """

    name: str
    make: Callable[[], Any]
    call: Callable[..., Answer]
    sound: Callable[[], dict[str, Any]]
    probe: Callable[[Any], Answer] | None = None
    written: tuple[str, ...] = ()
    layouts_alone: bool = False

    def subject(self) -> Any:
        return copy.deepcopy(self.make())

    def arguments(self) -> dict[str, Any]:
        return self.sound()

    def answer_before(self) -> Answer:
        return _answer_before(self)

    def sound_answer(self) -> Answer:
        return _sound_answer(self)


@functools.cache
def _answer_before(target: Target) -> Answer:
    return target.probe(target.subject())


@functools.cache
def _sound_answer(target: Target) -> Answer:
    return target.call(target.subject(), **target.sound())


# --- sound arguments -----------------------------------------------------------------------------------------------

N_ROWS, N_FEATURES, N_USERS, N_ITEMS, WIDTH = 12, 6, 5, 7, 4


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


def thinned(*shape, seed=0):
    rng = np.random.default_rng([seed, 1, *shape])
    return numbers(*shape, seed=seed) * (rng.random(shape) < 0.5)


def rows():
    return sp.csr_array(thinned(N_ROWS, N_FEATURES))


def choices():
    chosen = np.eye(N_USERS, N_ITEMS, dtype=np.float32) + np.eye(N_USERS, N_ITEMS, 2, dtype=np.float32)
    return sp.csr_array(chosen)


def others():
    return sp.csr_array(np.eye(N_USERS, N_ITEMS, 1, dtype=np.float32))


def target_values():
    return np.arange(N_ROWS, dtype=np.float32) % 5


def weights():
    return (np.arange(N_ROWS, dtype=np.float32) % 3) + 1


TRAINING = {"X": rows, "y": target_values, "sample_weight": weights}
DENSE_TRAINING = {"X": lambda: rows().toarray(), "y": target_values}
SIDES = {"X_user": lambda: thinned(N_USERS, N_FEATURES), "X_item": lambda: sp.csr_array(thinned(N_ITEMS, N_FEATURES))}


def made(makers):
    return lambda: {name: make() for name, make in makers.items()}


# --- models and indexes --------------------------------------------------------------------------------------------


@functools.cache
def regressor():
    return FMRegressor(3, max_iter=2, random_state=0).fit(rows(), target_values())


@functools.cache
def classifier():
    return FMClassifier(3, max_iter=2, random_state=0).fit(rows(), target_values() % 3)


@functools.cache
def ranker():
    sides = made(SIDES)()
    return FMRanker(3, max_iter=2, random_state=0).fit(sides["X_user"], sides["X_item"], choices())


@functools.cache
def index():
    return ItemIndex().fit(numbers(N_ITEMS, WIDTH), ids=np.arange(10, 10 + N_ITEMS))


@functools.cache
def encoder():
    specs = {"user": ["user", numeric("age")], "item": [multi("genres"), hashed("url", 8)]}
    return FMEncoder(**specs).fit(table())


def table():
    return {
        "user": np.arange(4) % 3,
        "age": np.array([20.0, 40.0, 30.0, 20.0]),
        "genres": np.array(["a|b", "b", "", "a"]),
        "url": np.array(["x", "y", "z", "x"]),
    }


def parameters(model):
    return [model.w0_, model.w_, model.V_]


def of_rows(model):
    return [model.predict(rows()), model.user_vector(rows())]


def of_scores(model):
    return [model.decision_function(rows())]


def of_ranker(model):
    return [model.user_vector(thinned(2, N_FEATURES)), model.item_vector(thinned(3, N_FEATURES))]


def of_index(index):
    ids, scores = index.search(numbers(2, WIDTH), n=9)
    return [ids, scores, index.ids]


def of_matrix(X):
    return [X.data, X.indices, X.indptr, X.shape]


def public_targets():
    def training(name, make, method, sound, probe=of_rows):
        return Target(
            name, make, lambda model, **arguments: parameters(getattr(model, method)(**arguments)), made(sound), probe
        )

    def asking(name, make, method, probe):
        return Target(name, make, lambda model, X: [getattr(model, method)(X)], made({"X": rows}), probe)

    validated = TRAINING | {"X_val": rows, "y_val": target_values, "sample_weight_val": weights}
    of_classes = TRAINING | {"y": lambda: target_values() % 3}
    sides = SIDES | {"interactions": choices}
    yield training("FMRegressor.fit", regressor, "fit", TRAINING)
    yield training("FMRegressor.fit of a dense matrix", regressor, "fit", DENSE_TRAINING)
    yield training("FMRegressor.fit with validation", regressor, "fit", validated)
    yield training("FMRegressor.partial_fit", regressor, "partial_fit", TRAINING)
    yield training("FMClassifier.fit", classifier, "fit", of_classes, of_scores)
    yield training("FMClassifier.partial_fit", classifier, "partial_fit", of_classes, of_scores)
    yield training("FMRanker.fit", ranker, "fit", sides, of_ranker)
    yield training("FMRanker.partial_fit", ranker, "partial_fit", sides, of_ranker)
    for method in ("predict", "user_vector", "item_vector", "user_bias"):
        yield asking(f"FMRegressor.{method}", regressor, method, of_rows)
    for method in ("predict", "predict_proba", "decision_function"):
        yield asking(f"FMClassifier.{method}", classifier, method, None)
    yield asking("FMRanker.user_vector", ranker, "user_vector", of_ranker)
    yield Target(
        "FMRegressor.fit_stream",
        regressor,
        lambda model, X, y, sample_weight: parameters(
            model.fit_stream([(X, y, sample_weight), (rows(), target_values(), weights())])
        ),
        made(TRAINING),
        of_rows,
    )
    yield Target(
        "FMRanker.fold_in",
        ranker,
        lambda model, **arguments: [model.fold_in(**arguments)],
        made({"history": choices, "item_vectors": lambda: numbers(N_ITEMS, 4), "X_user": SIDES["X_user"]}),
        of_ranker,
    )
    yield Target(
        "FMRanker.fold_in of one",
        ranker,
        lambda model, **arguments: [model.fold_in(**arguments)],
        made({"history": lambda: np.array([1, 4]), "item_vectors": lambda: numbers(N_ITEMS, 4)}),
        of_ranker,
    )
    yield from retrieval_targets()
    yield from targets_of_functions()


def retrieval_targets():
    new = {"item_vectors": lambda: numbers(3, WIDTH, seed=2), "ids": lambda: np.array([100, 200, 300])}
    old = new | {"ids": lambda: np.array([11, 12, 16])}
    users = {"user_vectors": lambda: numbers(N_USERS, WIDTH)}
    search = users | {
        "exclude": choices,
        "only": lambda: np.arange(N_ITEMS) > 0,
        "only_by_user": lambda: sp.csr_array(np.ones((N_USERS, N_ITEMS))),
    }
    yield Target("ItemIndex.fit", index, lambda index, **arguments: [index.fit(**arguments).ids], made(new), of_index)
    for method, sound in (("add", new), ("update", old), ("remove", {"ids": old["ids"]})):
        yield Target(
            f"ItemIndex.{method}",
            index,
            lambda index, method=method, **arguments: of_index(getattr(index, method)(**arguments)),
            made(sound),
            of_index,
        )
    for method, sound in (("search", search), ("similar_items", {"ids": old["ids"]})):
        yield Target(
            f"ItemIndex.{method}",
            index,
            lambda index, method=method, **arguments: list(getattr(index, method)(**arguments)),
            made(sound),
            of_index,
        )
    yield Target(
        "recommend",
        lambda: (regressor(), ItemIndex().fit(numbers(N_ITEMS, 4))),
        lambda subject, **arguments: [part for batch in recommend(*subject, **arguments) for part in batch[1:]],
        made({"X_user": SIDES["X_user"], "exclude": choices, "only": lambda: np.array([1, 2, 5])}),
    )


def targets_of_functions():
    def of_function(name, call, sound):
        return Target(name, lambda: None, lambda subject, **arguments: call(**arguments), made(sound))

    ranked = {"ranked": lambda: np.array([[0, 1, 2], [3, 4, 5], [1, 2, 0], [6, 5, 4], [0, 3, 6]]), "relevant": choices}
    scores = {"scores": lambda: numbers(N_USERS, N_ITEMS), "relevant": choices, "exclude": others}
    for metric in ("recall_at_k", "precision_at_k", "ndcg_at_k", "map_at_k", "mrr", "hit_rate_at_k"):
        yield of_function(
            f"metrics.{metric}", lambda metric=metric, **given: [getattr(metrics, metric)(**given, k=2)], ranked
        )
    yield of_function("metrics.auc", lambda **given: [metrics.auc(**given)], scores)
    yield of_function(
        "metrics.coverage", lambda ranked: [metrics.coverage(ranked, N_ITEMS)], {"ranked": ranked["ranked"]}
    )
    yield of_function(
        "evaluate",
        lambda **given: [v for _, v in sorted(evaluate(regressor(), **given, k=2, metrics=("recall", "auc")).items())],
        SIDES | {"held_out": choices, "seen": others, "candidates": lambda: np.array([[0, 1, -1]] * N_USERS)},
    )
    yield of_function(
        "model_selection.leave_one_out",
        lambda **given: [part for X in model_selection.leave_one_out(**given) for part in of_matrix(X)],
        {"interactions": choices, "time": choices},
    )
    yield of_function(
        "text_formats.write_libsvm", text_of, {"X": rows, "y": target_values, "qid": lambda: np.arange(N_ROWS)}
    )
    yield of_function(
        "text_formats.write_libffm",
        lambda **given: text_of(text_formats.write_libffm, **given),
        {"X": rows, "fields": lambda: np.arange(rows().nnz) % 3, "y": target_values},
    )
    yield Target(
        "FMEncoder.transform", encoder, lambda encoder, **columns: of_matrix(encoder.transform(columns)), table
    )
    yield Target(
        "FMEncoder.partial_fit",
        encoder,
        lambda encoder, **columns: of_matrix(encoder.partial_fit(columns).transform(table())),
        table,
        lambda encoder: of_matrix(encoder.transform(table())),
    )


def text_of(write=text_formats.write_libsvm, **given):
    file = io.BytesIO()
    write(file, **given)
    return [np.frombuffer(file.getvalue(), dtype=np.uint8)]
