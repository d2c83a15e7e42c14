"""The protocols of rankings: what is measured, what a validation part holds out, and that settings can be trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext import FMRanker
from top_n.contenders import CONTENDERS, Contender
from top_n.data import ids_only, multi_hot, ones_at, read_cfm
from top_n.fits import OURS, PACKAGES, of_owners
from top_n.protocols import PROTOCOLS, Protocol, validation

OF_MATRIX = Protocol(
    *ids_only(3, 5),
    train=ones_at([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 3, 4], (3, 5)),
    held_out=ones_at([0, 1], [2, 3], (3, 5)),
    k=1,
)
OF_ROWS = replace(OF_MATRIX, held_out=np.array([[0, 2], [1, 3], [1, 1]]), k=2)


def scores(values: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors of users and of items whose inner products are these scores."""
    return np.array(values, dtype=np.float32), np.eye(len(values[0]), dtype=np.float32)


FOUND_BY_FIRST = scores([[9, 8, 7, 1, 1], [0, 9, 8, 1, 2], [1, 1, 1, 1, 1]])


def test_items_of_training_are_not_ranked():
    assert OF_MATRIX.measure(*FOUND_BY_FIRST) == (0.5, 0.5)


def test_all_items_are_ranked_unmasked():
    assert OF_MATRIX.measure(*FOUND_BY_FIRST, masked=False) == (0.0, 0.0)


def test_each_row_counts_even_if_its_item_is_in_training():
    # Ranks without items of training, but for the wanted one: 0, 1 and 0.
    found = OF_ROWS.measure(*FOUND_BY_FIRST)
    assert found == pytest.approx((1.0, (1 + 1 / np.log2(3) + 1) / 3))


def test_candidates_alone_are_ranked():
    among = replace(OF_ROWS, candidates=np.array([[2, 3, 4], [3, 4, 1], [1, 0, 3]]))
    assert among.measure(*FOUND_BY_FIRST) == pytest.approx((2 / 3, 2 / 3))


def test_names_say_what_is_counted():
    assert OF_MATRIX.metrics == ("Recall@1", "NDCG@1")
    assert OF_ROWS.metrics == ("HR@2", "NDCG@2")


@pytest.fixture
def large() -> Protocol:
    rng = np.random.default_rng(0)
    train = sp.csr_array((rng.random((40, 30)) < 0.4).astype(np.float32))
    return Protocol(*ids_only(40, 30), train, ones_at([0], [0], (40, 30)), 5)


def test_what_is_held_out_was_trained_on(large: Protocol):
    twin = validation(large)
    assert 0 < twin.held_out.nnz < large.train.nnz / 5
    assert abs(twin.train + twin.held_out - large.train).sum() == 0


def test_rows_are_made_for_protocols_of_rows(large: Protocol):
    twin = validation(replace(large, held_out=np.array([[0, 0]])))
    assert (large.train[twin.held_out[:, 0], twin.held_out[:, 1]] == 1).all()
    assert twin.train.nnz + len(twin.held_out) == large.train.nnz


def test_one_item_of_each_user_stands_among_others(large: Protocol):
    rows = np.stack([np.arange(40), np.zeros(40, dtype=int)], axis=1)
    twin = validation(replace(large, held_out=rows, candidates=np.zeros((40, 8), dtype=int)))
    users = twin.held_out[:, 0]
    assert twin.candidates.shape == (len(users), 8)
    assert (np.diff(large.train.indptr) - np.diff(twin.train.indptr) == np.isin(np.arange(40), users)).all()
    is_chosen = large.train.toarray()[users[:, None], twin.candidates] == 1
    assert is_chosen[:, 0].all()
    assert not is_chosen[:, 1:].any()


def test_hidden_items_are_not_trained_on(large: Protocol):
    twin = validation(replace(large, hidden=large.X_item[:5]))
    assert twin.train.shape[1] == twin.X_item.shape[0] == 24
    assert twin.held_out.shape[1] == twin.hidden.shape[0] == 6
    assert (twin.X_item @ twin.hidden.T).nnz == 0


FILES = {"train": "3-8,0-5\n3-9,1-5\n4-8,0-5\n", "test": "4-9,1-5\n"}


@pytest.fixture
def read_files(tmp_path):
    for part, text in FILES.items():
        (tmp_path / f"toy.{part}.csv").write_text(text)
    return read_cfm(tmp_path, "toy")


def test_features_of_contexts_and_items_are_counted_apart(read_files):
    # Feature 5 of an item is not feature 5 of a context.
    X_user, X_item, *_ = read_files
    assert X_user.shape[1] == X_item.shape[1]
    assert (X_user @ X_item.T).nnz == 0


def test_a_context_is_one_row(read_files):
    _, _, train, test, users = read_files
    assert train.toarray().tolist() == [[1, 0], [0, 1], [1, 0], [0, 0]]
    assert test.tolist() == [[3, 1]]
    assert users.tolist() == [3, 3, 4, 4]


def test_users_chose_in_any_context(read_files):
    _, _, train, _, users = read_files
    assert of_owners(train, users).toarray()[3:].tolist() == [[1, 1], [1, 0]]


def test_a_feature_counts_once():
    assert multi_hot(["0-2-2", "1"]).toarray().tolist() == [[1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("name", CONTENDERS)
def test_contenders_have_titles_of_their_own(name: str):
    titles = [one.title for one in CONTENDERS[name]]
    assert len(set(titles)) == len(titles)
    assert name in PROTOCOLS


@pytest.mark.parametrize("one", [one for some in CONTENDERS.values() for one in some], ids=lambda one: one.title)
def test_settings_can_be_trained(one: Contender):
    if one.library != OURS:
        assert one.library in PACKAGES
        assert one.settings["epochs"] == sorted(one.settings["epochs"])
        return
    for change in ({}, *one.grid):
        settings = one.settings | change
        few = {"n_factors": 2, "early_stopping": False, "max_iter": 1, "n_iter_no_change": 1, "tol": 1e9}
        model = FMRanker(**(settings | few), random_state=0).fit(*OF_MATRIX.sides)
        assert np.isfinite(model.item_vector(OF_MATRIX.X_item)).all()
