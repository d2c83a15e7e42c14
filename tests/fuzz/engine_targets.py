"""The engine's own functions for `fuzz_arrays`, with the arrays that Python gives them."""

import numpy as np
import scipy.sparse as sp

from array_targets import (
    N_FEATURES,
    N_ITEMS,
    N_ROWS,
    N_USERS,
    SIDES,
    WIDTH,
    Target,
    choices,
    made,
    numbers,
    rows,
    target_values,
    weights,
)
from fastfm_ext import _engine
from fastfm_ext._engine import csr, ranking
from fastfm_ext._engine import search as _top_n

OPTIONS = _engine.Options("squared", "adagrad", 0.1, 0.1, 0.0, 0.0, 0.1)


def csr_parts(X):
    return {"indptr": X.indptr, "indices": X.indices, "data": X.data}


def parameter_parts():
    start = _engine.Parameters.initialise(N_FEATURES, 3, OPTIONS, 0.5, np.random.default_rng(0))
    return dict(start.tables)


def engine_arguments():
    return csr_parts(rows()) | parameter_parts()


def split_up(given):
    X = csr.Csr(given["indptr"], given["indices"], given["data"], N_FEATURES)
    return X, _engine.Parameters({name: given[name] for name in ("w0", "w", "V")}, 3)


def train(subject, y, sample_weight, order, **given):
    X, params = split_up(given)
    loss = _engine.train_epoch(X, y, sample_weight, order, params, OPTIONS)
    return [loss, *params.arrays]


def train_classes(subject, targets, sample_weight, order, **given):
    X, params = split_up(given)
    machines = [params, params.copy(), params.copy()]
    loss = _engine.train_multinomial_epoch(X, targets, sample_weight, order, machines, OPTIONS)
    return [loss, *machines[0].arrays, *machines[2].arrays]


def one_hot_targets():
    return (np.arange(N_ROWS) % 3 == np.arange(3)[:, None]).astype(np.float32)


def rank(subject, **given):
    sides = made(SIDES)()
    users = sp.csr_array(sides["X_user"])
    users, items = (csr.Csr(X.indptr, X.indices, X.data, N_FEATURES) for X in (users, sides["X_item"]))
    _, params = split_up(engine_arguments() | given)
    data = ranking.Choices(
        users,
        items,
        csr.Csr(given["indptr"], given["indices"], given["data"], N_ITEMS),
        given["users_of_interactions"],
    )
    visits = ranking.ChoiceVisits(given["order"], given["begins"])
    negatives = ranking.Negatives(2, given["keep"], given["alias"], given["log_q"])
    options = _engine.Options("softmax", "adagrad", 0.1, 0.1, 0.0, 0.0, 0.1)
    loss = ranking.train_epoch(data, visits, negatives, params, options)
    return [loss, *params.arrays]


def ranking_arguments():
    chosen = choices()
    drawn = ranking.Negatives.in_proportion(2, np.arange(1.0, N_ITEMS + 1))
    return (
        csr_parts(chosen)
        | parameter_parts()
        | {
            "users_of_interactions": np.repeat(np.arange(N_USERS, dtype=np.int32), np.diff(chosen.indptr)),
            "order": np.arange(chosen.nnz),
            "begins": np.arange(chosen.nnz + 1),
            "keep": drawn.keep,
            "alias": drawn.alias,
            "log_q": drawn.log_q,
        }
    )


def search(subject, users, indptr, listed, allowed, panels, positions, norms, vectors):
    items = _top_n.PackedItems(panels, positions, norms, vectors)
    return list(_top_n.top_n(users, items, 3, _top_n.ItemLists(indptr, listed, may_get=False), allowed))


def search_arguments():
    items, excluded = _top_n.PackedItems.of(numbers(N_ITEMS, WIDTH)), choices()
    return {
        "users": numbers(N_USERS, WIDTH),
        "indptr": excluded.indptr.astype(np.int64),
        "listed": excluded.indices,
        "allowed": np.arange(N_ITEMS) > 0,
        "panels": items.panels,
        "positions": items.positions,
        "norms": items.norms,
        "vectors": items.vectors,
    }


def engine_targets():
    def nothing():
        return None

    def predicted(subject, **given):
        X, params = split_up(given)
        return [_engine.predict(X, params), *_engine.pool(X, params)]

    def taken(subject, rows, indptr, indices, data):
        X = csr.take_rows(csr.Csr(indptr, indices, data, N_FEATURES), rows)
        return [X.indptr, X.indices, X.data]

    visits = {"y": target_values(), "sample_weight": weights(), "order": np.arange(N_ROWS)[::-1].copy()}
    trained = {"written": ("w0", "w", "V"), "layouts_alone": True}
    yield Target("engine: train_epoch", nothing, train, lambda: engine_arguments() | visits, **trained)
    classes = {name: visits[name] for name in ("sample_weight", "order")} | {"targets": one_hot_targets()}
    yield Target("engine: multinomial epoch", nothing, train_classes, lambda: engine_arguments() | classes, **trained)
    yield Target("engine: ranking train_epoch", nothing, rank, ranking_arguments, **trained)
    yield Target("engine: predict and pool", nothing, predicted, engine_arguments, layouts_alone=True)
    yield Target("engine: top_n", nothing, search, search_arguments, layouts_alone=True)
    yield Target(
        "engine: take_rows",
        nothing,
        taken,
        lambda: csr_parts(rows()) | {"rows": np.array([3, 1, 3])},
        layouts_alone=True,
    )
