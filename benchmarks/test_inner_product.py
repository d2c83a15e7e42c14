"""The pairs of vectors rank as they say, and searches leave out what was seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMClassifier, FMRanker, FMRegressor, evaluate
from inner_product import models
from inner_product.__main__ import ALL, measure, overlap, quality_table, recall, some_users
from inner_product.engines import ENGINES
from inner_product.models import FITS, RATINGS, Parts
from inner_product.pairs import DISTANCE, FACTORS, LINEAR, PADDED, WHOLE, by_distance, padded, pairs_of
from inner_product.plot import save_picture
from inner_product.tasks import Task
from top_n.data import ids_only

N_USERS, N_ITEMS = 30, 50


@pytest.fixture(scope="module")
def task() -> Task:
    """Thirty users and fifty items of three kinds, with choices drawn evenly."""
    rng = np.random.default_rng(0)
    X_user, ids = ids_only(N_USERS, N_ITEMS)
    kinds = sp.csr_array(np.eye(3, dtype=np.float32)[np.arange(N_ITEMS) % 3])
    X_item = sp.csr_array(sp.hstack([ids, kinds]))
    X_user = sp.csr_array(sp.hstack([X_user, sp.csr_array((N_USERS, 3), dtype=np.float32)]))
    drawn = rng.random((N_USERS, N_ITEMS))
    train, held_out = (sp.csr_array(some.astype(np.float32)) for some in (drawn < 0.3, drawn > 0.8))
    users, items = train.nonzero()
    return Task(X_user, X_item, train, train, held_out, (users, items, rng.normal(size=len(users))))


@pytest.fixture(scope="module")
def model(task: Task) -> FMRegressor:
    users, items, stars = task.ratings
    return FMRegressor(n_factors=8, max_iter=5, init_stdev=0.5).fit(task.X_user[users] + task.X_item[items], stars)


def order(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return np.argsort(-(pair[0] @ pair[1].T), axis=1)


def test_the_whole_vectors_rank_as_the_model_predicts(task, model):
    rows = [model.predict(task.X_user[[user] * N_ITEMS] + task.X_item) for user in range(N_USERS)]
    pairs = pairs_of(Parts.of(model, task))
    np.testing.assert_array_equal(order(pairs[WHOLE]), np.argsort(-np.array(rows), axis=1))
    np.testing.assert_array_equal(order(pairs[PADDED]), order(pairs[WHOLE]))
    for other in (LINEAR, FACTORS, DISTANCE):
        assert (order(pairs[other]) != order(pairs[WHOLE])).any()


def test_there_is_no_pair_within_an_item_of_one_feature(task):
    ids = Task(*ids_only(N_USERS, N_ITEMS), task.chosen, task.seen, task.held_out)
    model = FITS["clicks"](ids, 0)
    assert LINEAR not in pairs_of(Parts.of(model, ids))


def test_distances_rank_as_those_of_faiss():
    faiss = pytest.importorskip("faiss")
    users, items = (np.random.default_rng(0).normal(size=(n, 9)).astype(np.float32) for n in (20, 40))
    for pair in ((users, items), padded(users, items)):
        index = faiss.IndexFlatL2(pair[1].shape[1])
        index.add(pair[1])
        np.testing.assert_array_equal(order(by_distance(*pair)), index.search(pair[0], 40)[1])
    lengths = np.linalg.norm(padded(users, items)[1], axis=1)
    np.testing.assert_allclose(lengths, lengths[0], rtol=1e-6)


@pytest.mark.parametrize("engine", [name for name in ENGINES if "IVFFlat" not in name])
def test_searches_find_most_of_what_is_not_seen(engine, task, model):
    pytest.importorskip("faiss")
    pair = pairs_of(Parts.of(model, task))[WHOLE]
    found, best = (ENGINES[name](pair, task.seen) for name in (engine, "exact"))
    assert overlap(found, best) > 0.9
    for row, seen in zip(found, task.seen.toarray(), strict=True):
        assert not seen[row[row >= 0]].any()


def test_groups_share_the_choices_and_have_all_items(task):
    groups = task.groups()
    assert sorted(np.concatenate(list(groups.values()))) == list(range(N_ITEMS))
    shares = [task.chosen[:, some].nnz / task.chosen.nnz for some in groups.values()]
    assert np.allclose(shares, 1 / 3, atol=0.05)
    counts = [task.chosen[:, some].sum(axis=0) for some in groups.values()]
    assert counts[0].min() >= counts[1].max() >= counts[1].min() >= counts[2].max()


def test_measures_are_those_of_evaluate(task, model):
    pair = pairs_of(Parts.of(model, task))[WHOLE]
    found = measure(task, pair, some_users(task, N_USERS))
    expected = evaluate(model, task.X_user, task.X_item, task.held_out, seen=task.seen)
    assert found[ALL] == pytest.approx((expected["recall@20"], expected["ndcg@20"]))


def test_recall_counts_what_is_held_out():
    wanted = sp.csr_array([[1, 1, 0, 0], [0, 0, 0, 1]])
    assert recall(np.array([[0, 2], [0, 1]]), wanted) == 0.25


def test_tables_and_pictures_show_every_model(task, model, tmp_path: Path):
    pytest.importorskip("matplotlib")
    pairs = pairs_of(Parts.of(model, task))
    results = {
        fit: {name: measure(task, pair, some_users(task, 9)) for name, pair in pairs.items()}
        for fit in (RATINGS, "another")
    }
    assert quality_table(results).count("\n") == 2 * len(pairs) + 1
    save_picture({"one": results, "two": results}, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


@pytest.mark.parametrize("fit", FITS)
def test_models_can_be_trained(fit, task, monkeypatch):
    short = {"n_factors": 2, "early_stopping": False, "max_iter": 1, "tol": 1e9}
    for kind in (FMClassifier, FMRanker, FMRegressor):
        monkeypatch.setattr(models, kind.__name__, lambda kind=kind, **settings: kind(**(settings | short)))
    parts = Parts.of(FITS[fit](task, 0), task)
    assert parts.items.shape == (N_ITEMS, 3)
    assert np.isfinite(parts.items).all()
