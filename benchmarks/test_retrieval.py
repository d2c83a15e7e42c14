"""The helpers of the retrieval benchmark: they compute the same, and the table says what they took."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import ItemIndex
from retrieval import contenders, vectors
from retrieval.__main__ import codes_table, compare, exact_table, halves_table, ivf_table, limit_table

RNG = np.random.default_rng(0)
USERS, ITEMS = (RNG.normal(size=(n, 9)).astype(np.float32) for n in (60, 700))


def test_all_exact_searches_find_the_same() -> None:
    pytest.importorskip("faiss")
    found = contenders.ours(ItemIndex().fit(ITEMS), USERS, 10)()
    np.testing.assert_array_equal(contenders.faiss_flat(USERS, ITEMS, 10)(), found)
    np.testing.assert_array_equal(contenders.sgemm(USERS, ITEMS, 10)(), found)


def test_lists_of_faiss_reach_the_recall() -> None:
    pytest.importorskip("faiss")
    best = contenders.ours(ItemIndex().fit(ITEMS), USERS, 10)()
    assert contenders.recall(contenders.faiss_ivf(USERS, ITEMS, 10, 20, 0.9, best)(), best) >= 0.9


def test_hnsw_finds_most_of_them() -> None:
    pytest.importorskip("faiss")
    best = contenders.ours(ItemIndex().fit(ITEMS), USERS, 10)()
    assert contenders.recall(contenders.faiss_hnsw(USERS, ITEMS, 10, [200])[200](), best) > 0.7


def test_seen_items_are_left_out() -> None:
    seen = sparse.csr_array(RNG.random((60, 700)) < 0.3)
    found = contenders.ours(ItemIndex().fit(ITEMS), USERS, 10, seen)()
    assert not seen.toarray()[np.arange(60)[:, None], found].any()


def test_implicit_finds_the_same() -> None:
    pytest.importorskip("implicit")
    seen = sparse.csr_array((RNG.random((60, 700)) < 0.3).astype(np.float32))
    found = contenders.ours(ItemIndex().fit(ITEMS), USERS, 10, seen)()
    theirs = contenders.implicit_recommend(vectors.Vectors(USERS, ITEMS, seen), 10, 1)()
    np.testing.assert_array_equal(theirs, found)


def test_recall_is_the_share_of_the_best_that_were_found() -> None:
    assert contenders.recall(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[3, 9], [6, 4]])) == 0.75


def test_more_vectors_are_like_those_they_are_drawn_from() -> None:
    items = ITEMS + np.arange(9, dtype=np.float32)
    drawn = vectors.more_like(items, 20_000)
    np.testing.assert_array_equal(drawn, vectors.more_like(items, 20_000))
    np.testing.assert_allclose(drawn.mean(axis=0), items.mean(axis=0), atol=0.05)
    assert (drawn.dtype, drawn.shape) == (np.float32, (20_000, 9))


def test_the_table_compares_with_the_first() -> None:
    calls: list[str] = []
    rows = compare({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 10, rounds=3)  # type: ignore[dict-item, return-value]
    assert calls == ["a", "b"] * 4
    assert [row[0] for row in rows] == ["a", "b"]
    assert rows[0][2] == "1.00 (1.00 to 1.00)"


def test_the_tables_have_a_row_for_each_search() -> None:
    pytest.importorskip("faiss")
    text = exact_table({"some": (USERS, ITEMS)}, rounds=1)
    assert text.count("| some") == 3
    assert limit_table({"some": (USERS, ITEMS)}, rounds=1).count("| some") == 3
    assert halves_table({"some": (USERS, ITEMS)}, rounds=1).count("| some") == 2
    assert "| ivf, " in ivf_table(USERS, ITEMS, rounds=1, with_hnsw=False)
    assert codes_table(USERS, ITEMS, rounds=1).count(" alone") == 2


def test_training_gives_vectors_that_rank_as_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gowalla").mkdir()
    (tmp_path / "gowalla" / "train.txt").write_text("0 0 1 2\n1 2 3\n2 0 3 4\n")
    monkeypatch.setenv("FASTFM_EXT_DATA", str(tmp_path))
    monkeypatch.setattr(vectors, "GOWALLA_FACTORS", 4)
    trained = vectors.gowalla()
    assert (trained.users.shape, trained.items.shape) == ((3, 5), (5, 5))
    assert trained.seen.toarray().sum() == 8
    assert (trained.users[:, 0] == 1).all()


def test_missing_data_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FASTFM_EXT_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"gowalla/train\.txt is not here"):
        vectors.gowalla()
