"""Columns of Python objects: texts are coded by what they say, whichever objects hold them."""

import numpy as np
import pytest

from fastfm_ext import FMEncoder, multi
from fastfm_ext._common.arrays import object_array
from fastfm_ext._tables.coding import code_array, code_text_objects

LONG = "a text of more than sixteen bytes"


def copies(texts):
    """Equal texts as objects of their own, as reading a table makes them."""
    return object_array([bytes(text, "utf-8", "surrogatepass").decode("utf-8", "surrogatepass") for text in texts])


def by_dict(values):
    places = {}
    return [-1 if value is None or value != value else places.setdefault(value, len(places)) for value in values]


@pytest.mark.parametrize(
    "alphabet",
    [
        ["", "a", "b", "ab", "ba"],
        [f"user {i}" for i in range(3000)],
        [LONG, LONG + "!", "!" + LONG, LONG[:-1] + "?", LONG[:16], LONG[:17]],
        ["ä", "äö", "日本", "日本語で長い文字列です", "😀" * 7, "a\0b", "a\0c", "a\0"],
    ],
)
@pytest.mark.parametrize("missing", [None, float("nan")])
def test_texts_get_the_numbers_of_their_first_rows(alphabet, missing):
    rng = np.random.default_rng(0)
    data = copies(np.array(alphabet, dtype=object)[rng.integers(0, len(alphabet), 20_000)])
    data[rng.random(len(data)) < 0.1] = missing
    coded = code_text_objects(data)
    assert coded.codes.tolist() == by_dict(data.tolist())
    distinct = dict.fromkeys(v for v in data.tolist() if v is not missing)
    assert coded.values.tolist() == list(distinct)


def test_rows_that_do_not_lie_side_by_side_are_coded():
    data = copies(["a", "x", "b", "x", "a", "x"])
    assert code_text_objects(data[::2]).codes.tolist() == [0, 1, 0]
    assert code_text_objects(data[::-2]).values.tolist() == ["x"]
    assert code_text_objects(data[:0]).codes.tolist() == []


@pytest.mark.parametrize("other", [1, 2.5, b"a", ("a",), ["a"], np.str_("a"), "\ud800"], ids=repr)
@pytest.mark.parametrize("row", [0, 3000])
def test_other_values_are_left_to_the_slower_way(other, row):
    data = copies(["a", "b"] * 2000)
    data[row] = other
    assert code_text_objects(data) is None


def test_text_without_utf8_is_a_category_as_any_other():
    values = copies(["\ud800", "a", "\ud800"])
    assert code_array(values).codes.tolist() == [0, 1, 0]
    encoder = FMEncoder(user=["u"])
    assert encoder.fit_transform({"u": values}).indices.tolist() == [1, 0, 1]


def test_all_missing_values_of_pandas_are_missing_among_texts():
    pd = pytest.importorskip("pandas", reason="needs pandas")
    column = pd.Series(["a", None, float("nan"), np.float64("nan"), pd.NA, pd.NaT, "b"], dtype=object)
    assert code_text_objects(column.to_numpy()).codes.tolist() == [0, -1, -1, -1, -1, -1, 1]
    assert code_text_objects(column[1:6].to_numpy()).values.tolist() == []


@pytest.mark.parametrize("dtype", ["object", "category", "string[python]", "str"])
def test_text_encodes_the_same_whatever_its_type(dtype):
    pd = pytest.importorskip("pandas", reason="needs pandas")
    if dtype == "str" and pd.Series([None]).astype(dtype).notna().all():
        pytest.skip("before version 3 of pandas, this makes texts of missing values")
    texts = ["Drama|Comedy", "Action", None, "Action|Drama", LONG, "", "ä|Drama"] * 50
    rows = {"plain": texts, "several": texts[::-1]}
    encoder = FMEncoder(user=["plain"], item=[multi("several")])
    expected = encoder.fit_transform(rows)
    frame = pd.DataFrame(
        {name: pd.Series(list(copies([t or "" for t in column])), dtype=object) for name, column in rows.items()}
    )
    for name, column in rows.items():
        frame.loc[[text is None for text in column], name] = None
    found = FMEncoder(user=["plain"], item=[multi("several")]).fit_transform(frame.astype(dtype))
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))


def test_lists_among_texts_are_still_several_values():
    cells = object_array(["a|b", ["a", "c"], None, ("b",), "c"])
    X = FMEncoder(item=[multi("cell", norm=None)]).fit_transform({"cell": cells})
    assert X.toarray().tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 1]]
