"""Fields of a model: what says which field a feature belongs to, and what is refused."""

import numpy as np
import pytest

from fastfm_ext._estimators.field_map import MOST_COLUMNS_AS_FIELDS, FieldMap


@pytest.mark.parametrize(
    ("given", "names", "of_feature"),
    [
        ([0, 0, 1], [0, 1], [0, 0, 1]),
        ([7, 7, -3], [-3, 7], [1, 1, 0]),
        (["user", "item"], ["item", "user"], [1, 0]),
        (np.array(["user", "item"], dtype=object), ["item", "user"], [1, 0]),
    ],
)
def test_fields_are_numbered_by_their_names(given, names, of_feature):
    found = FieldMap.of(given)
    assert (found.names.tolist(), found.of_feature.tolist()) == (names, of_feature)
    assert found.of_known.tolist() == list(given)


@pytest.mark.parametrize(
    "given", [3, [], [[0, 1]], [0.5, 1.0], [None, "a"], ["a", 1], ["a", np.nan], [[0], [0, 1]], [True, False], "user"]
)
def test_other_fields_are_refused(given):
    with pytest.raises(ValueError, match="fields must hold an integer or a text for each feature"):
        FieldMap.of(given)


def test_columns_are_fields_of_their_own():
    assert FieldMap.of_columns(3, None).of_feature.tolist() == [0, 1, 2]
    assert FieldMap.of_columns(2, np.array(["b", "a"], dtype=object)).names.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"X has 257 features; .* fields=encoder.fields_"):
        FieldMap.of_columns(MOST_COLUMNS_AS_FIELDS + 1, None)


def test_more_features_of_the_same_fields_are_taken_in():
    longer = FieldMap.of(["a", "b"]).extended(["a", "b", "a"])
    assert longer.of_feature.tolist() == [0, 1, 0]
    assert longer.extended(["a"]).of_feature.tolist() == [0, 1, 0]
    assert longer.first(2).of_feature.tolist() == [0, 1]


def test_other_fields_of_the_same_features_are_refused():
    fields = FieldMap.of(["a", "b"])
    with pytest.raises(ValueError, match="feature 1 was of the field 'b' and is now of 'a'"):
        fields.extended(["a", "a"])
    with pytest.raises(ValueError, match=r"holds the field 'c', which the model does not have"):
        fields.extended(["a", "b", "c"])
    with pytest.raises(ValueError, match="fields holds the fields of 2 features, and there are 3"):
        fields.first(3)


@pytest.mark.parametrize(
    "change",
    [
        {"field_names": np.array(["b", "a"])},
        {"field_names": np.array([1.5, 2.5])},
        {"field_names": np.zeros(0, dtype=np.int64), "known_fields": np.zeros(0, np.int32)},
        {"known_fields": np.array([0, 2], dtype=np.int32)},
        {"known_fields": np.array([0, -1], dtype=np.int32)},
        {"known_fields": np.array([0, 1])},
    ],
)
def test_arrays_of_a_file_are_checked(change):
    arrays = FieldMap.of(["a", "b"]).to_arrays()
    assert FieldMap.from_arrays(arrays).of_known.tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="field"):
        FieldMap.from_arrays(arrays | change)
