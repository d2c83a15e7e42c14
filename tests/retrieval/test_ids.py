"""Ids of items: which of them are the same when their types differ."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from fastfm_ext import ItemIndex, recommend
from fastfm_ext.retrieval.ids import as_id_array

VECTORS = np.diag([4.0, 3.0, 2.0, 1.0])
SAME = {
    "int": [7, 8],
    "uint64": np.array([7, 8], dtype=np.uint64),
    "int32 in a list": [np.int32(7), np.int32(8)],
    "whole floats": [7.0, 8.0],
    "float32": np.array([7, 8], dtype=np.float32),
    "Decimals": [Decimal(7), Decimal("8.0")],
    "text": ["7", "8"],
    "NumPy text": np.array(["7", "8"]),
    "a mixture": [7, "8"],
    "Int64 with a gap": pd.Series([7, 8, None], dtype="Int64"),
    "floats with a gap": pd.Series([7, 8, None]),
    "a generator": None,
}


def index_of(ids):
    return ItemIndex().fit(VECTORS, ids=ids)


@pytest.mark.parametrize("known", [[7, 8, 9, 10], ["7", "8", "9", "guest"]], ids=["integers", "text"])
@pytest.mark.parametrize("given", SAME)
def test_every_form_of_an_id_is_found(known, given):
    index = index_of(known)

    def ids():
        return (item_id for item_id in (7, "8")) if SAME[given] is None else SAME[given]

    ones = np.ones((1, 4))
    assert index.search(ones, n=2, exclude=[ids()])[0].tolist() == [known[2:]]
    assert index.search(ones, n=2, only_by_user=[ids()])[0].tolist() == [known[:2]]
    if SAME[given] is not None:
        assert index.search(ones, n=2, only=ids())[0].tolist() == [known[:2]]
    model = type("Model", (), {"user_vector": lambda self, X: X, "user_bias": lambda self, X: np.zeros(len(X))})()
    (batch,) = recommend(model, index, ones, 2, exclude=[ids()])
    assert batch.ids.tolist() == [known[2:]]


@pytest.mark.parametrize("ids", [[7, 8, 9, 10], ["7", "8", "9", "10"]], ids=["integers", "text"])
def test_changes_find_every_form_of_an_id(ids):
    index = index_of(ids)
    assert 7 in index
    assert "7" in index
    assert "007" not in index
    assert index.similar_items(["7", 8], n=1, skip_bias=False)[0].shape == (2, 1)
    index.update([Decimal(10), "9"], np.diag([0.0, 0.0, 9.0, 8.0])[2:])
    assert index.search(np.ones(4), n=2)[0].tolist() == [ids[3], ids[2]]
    index.remove(["10", 9.0])
    assert index.ids.tolist() == ids[:2]
    with pytest.raises(ValueError, match=r"already in the index: '7'"):
        index.add(VECTORS[:1], ["7"])


def test_an_index_of_integers_takes_text_and_then_is_of_text():
    index = index_of([7, 8, 9, 10]).add(VECTORS[:1], ["guest"])
    assert index.ids.tolist() == ["7", "8", "9", "10", "guest"]
    assert index.search(np.ones(4), n=2, exclude=[7, "guest"])[0].tolist() == ["8", "9"]


@pytest.mark.parametrize(
    "ids", [[7.0, 8.0], [Decimal(7), 8], np.array([7, 8], np.float32), pd.Series([7, 8], dtype="UInt8")]
)
def test_whole_numbers_are_kept_as_integers(ids):
    found = as_id_array(ids)
    assert (found.dtype, found.tolist()) == (np.dtype(np.int64), [7, 8])


@pytest.mark.parametrize(
    ("known", "given", "message"),
    [
        ([1, 2, 3, 4], [date(2024, 1, 1)], "dates can't be the same as the integers of the index"),
        (["a", "b", "c", "d"], [0.5], "numbers with fractions can't be the same as the text of the index"),
        ([1, 2, 3, 4], [b"1"], "bytes can't be the same as the integers"),
        ([(1, 2), (3, 4), (5, 6), (7, 8)], ["a"], "text can't be the same as the tuple"),
    ],
)
def test_kinds_that_never_meet_are_an_error_that_names_both(known, given, message):
    index = index_of(known)
    for arguments in ({"exclude": [[], given]}, {"only_by_user": [given, None]}, {"only": given}):
        with pytest.raises(ValueError, match=message):
            index.search(np.ones((2, 4)), n=1, **arguments)
    with pytest.raises(ValueError, match=message):
        index.similar_items(given)


@pytest.mark.parametrize(("known", "given"), [([1, 2, 3, 4], ["1.0", "x"]), (["a", "b", "c", "d"], [0, 3])])
def test_a_set_that_cannot_match_as_a_whole_warns(known, given):
    with pytest.warns(UserWarning, match=r"exclude\[0\]: none of the (text|integers) is one of the"):
        assert index_of(known).search(np.ones((1, 4)), n=1, exclude=[given])[0].tolist() == [known[:1]]


@pytest.mark.parametrize("given", [["5"], [None], [], ["1", b"x"], [float("nan")], [11]])
def test_unknown_and_missing_ids_are_passed_over(given):
    assert len(index_of([1, 2, 3, 4]).search(np.ones((1, 4)), n=1, exclude=[given])[0]) == 1
