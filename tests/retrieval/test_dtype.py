"""Indexes in float16: half the memory, and exact results of the rounded vectors."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone

from fastfm_ext import FMRanker, export_vectors
from fastfm_ext.model_io import load_model, save_model
from fastfm_ext.retrieval import ItemIndex
from index_cases import ITEMS, N_ITEMS, USERS, recall

IVF = {"kind": "ivf", "n_lists": 40, "target_recall": 1.0}
KINDS = [
    pytest.param({}, id="exact"),
    pytest.param(IVF, id="ivf"),
    pytest.param({**IVF, "quantizer": "sq8"}, id="sq8 and vectors"),
]


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param:
        pytest.importorskip("faiss", reason="needs faiss-cpu")
    return request.param


def rounded(vectors):
    return np.float16(vectors).astype(np.float32)


def both(kind, vectors=ITEMS):
    """Return an index in float16, and one in float32 over the same numbers."""
    return ItemIndex(**kind, dtype="float16").fit(vectors), ItemIndex(**kind).fit(rounded(vectors))


def assert_same_results(one, other, n=20, **sets):
    for ours, theirs in zip(one.search(USERS[:90], n, **sets), other.search(USERS[:90], n, **sets), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_results_are_those_of_the_rounded_vectors(kind):
    halves, floats = both(kind)
    assert_same_results(halves, floats)
    assert_same_results(halves, floats, exclude=[range(40)] * 90, only=range(0, N_ITEMS, 3))
    assert_same_results(halves, floats, only=range(100))
    assert_same_results(halves, floats, only_by_user=[range(50)] * 90)


def test_equal_scores_come_in_index_order():
    halves, floats = both({}, np.repeat(ITEMS[:300], 7, axis=0))
    assert_same_results(halves, floats, n=100)


def test_changes_round_new_vectors_alone(kind):
    halves, floats = both(kind)
    for index in (halves, floats):
        new = ITEMS[:500] * 0.7 if index is halves else rounded(ITEMS[:500] * 0.7)
        index.add(new[:200], range(N_ITEMS, N_ITEMS + 200)).update(range(300), new[200:]).remove(range(300, 400))
    assert halves._items.vectors.dtype == np.float16
    np.testing.assert_array_equal(halves._items.vectors, floats._items.vectors)
    assert_same_results(halves, floats)


def test_similar_items_by_inner_product_are_exact_and_cosines_within_one_more_rounding():
    halves, floats = both({})
    for ours, theirs in zip(*(i.similar_items(range(50), metric="inner") for i in (halves, floats)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    (ours, cosines), (theirs, expected) = (i.similar_items(range(200)) for i in (halves, floats))
    np.testing.assert_allclose(cosines, expected, atol=1e-3)
    assert recall(ours, theirs) > 0.97


@pytest.mark.parametrize("kind", [{}, IVF], ids=["exact", "ivf"])
def test_memory_and_files_are_half(kind, tmp_path):
    if kind:
        pytest.importorskip("faiss", reason="needs faiss-cpu")
    wide = np.random.default_rng(0).normal(size=(20_000, 64))
    halves, floats = both(kind, wide)
    assert halves.search(wide[0])[0].tolist() == floats.search(wide[0])[0].tolist()
    assert halves.bytes_per_item_ == pytest.approx(floats.bytes_per_item_ / 2, rel=0.05)
    halves.save(tmp_path / "half.fm")
    floats.save(tmp_path / "float.fm")
    half, whole = ((tmp_path / name).stat().st_size for name in ("half.fm", "float.fm"))
    assert half == pytest.approx(whole / 2, rel=0.05)


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
def test_files_keep_the_type(kind, mmap, tmp_path):
    halves, floats = both(kind)
    halves.save(tmp_path / "index.fm")
    loaded = ItemIndex.load(tmp_path / "index.fm", mmap=mmap)
    assert (loaded.dtype, loaded._items.vectors.dtype) == ("float16", np.float16)
    assert_same_results(loaded, floats)
    loaded.add([USERS[0]], ["new"])
    assert loaded._items.vectors.dtype == np.float16


def test_files_without_a_type_are_of_float32(tmp_path, monkeypatch):
    index = ItemIndex().fit(ITEMS)
    meta, arrays = index._to_state()
    del meta["dtype"]
    monkeypatch.setattr(ItemIndex, "_to_state", lambda self: (meta, arrays))
    index.save(tmp_path / "index.fm")
    assert ItemIndex.load(tmp_path / "index.fm").dtype == "float32"


def test_copies_keep_the_type():
    index = ItemIndex(dtype="float16").fit(ITEMS)
    for other in (pickle.loads(pickle.dumps(index)), copy.deepcopy(index)):
        assert other.dtype == "float16"
        assert_same_results(other, index)
    assert clone(index).dtype == "float16"


def test_float16_vectors_are_kept_in_float32_unless_asked():
    index = ItemIndex().fit(np.float16(ITEMS))
    assert (index.dtype, index._items.vectors.dtype) == ("float32", np.float32)


def test_export_gives_the_rounded_vectors(tmp_path):
    index = ItemIndex(dtype="float16").fit(ITEMS)
    for dtype in ("float32", "float16"):
        export_vectors(tmp_path / "items.npz", index, dtype=dtype)
        with np.load(tmp_path / "items.npz") as file:
            assert file["vector"].dtype == dtype
            np.testing.assert_array_equal(file["vector"], rounded(ITEMS))


def test_numbers_that_float16_does_not_hold_are_named_and_change_nothing():
    index = ItemIndex(dtype="float16").fit([[1.0, 2.0], [3.0, 65_504.0]])
    for change in (index.fit, lambda v: index.add(v, ["a", "b"]), lambda v: index.update([0, 1], v)):
        with pytest.raises(ValueError, match=r'item_vectors\[1\] has a number .* float16, .* set dtype="float32"'):
            change([[1.0, 2.0], [3.0, 65_520.0]])
        with pytest.raises(ValueError, match=r"item_vectors\[0\] has a value that is NaN or infinite in float32"):
            change([[np.nan, 2.0], [3.0, 4.0]])
    assert index.search([0.0, 1.0], n=1)[1].tolist() == [65_504.0]


@pytest.mark.parametrize("dtype", ["float64", "half", None, np.float16, np.dtype("float16")])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match=r"dtype must be one of \['float32', 'float16'\], got"):
        ItemIndex(dtype=dtype)


def test_a_model_file_keeps_the_index_of_its_model(tmp_path):
    index = ItemIndex(dtype="float16").fit(ITEMS)
    X = np.eye(4)
    model = FMRanker(n_factors=4, max_iter=1, random_state=0).fit(X[:, :4], X[:, :4], np.eye(4))
    save_model(tmp_path / "model.fm", model=model, index=index)
    assert load_model(tmp_path / "model.fm").index.dtype == "float16"
