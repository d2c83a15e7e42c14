"""A column may be encoded in several ways at once."""

import io

import pytest

from encoding_cases import RATINGS, assert_same_matrix
from fastfm_ext.encoding import FMEncoder, binned, categorical, multi, numeric
from fastfm_ext.model_io import load_model, save_model

TWO_WAYS = [numeric("age", missing="feature"), "user_id", binned("age", 2, missing="feature")]


def test_only_names_that_clash_are_told_apart():
    encoder = FMEncoder(TWO_WAYS).fit(RATINGS)
    assert encoder.field_names_ == ["age", "user_id", "binned(age)"]
    assert list(encoder.slices_) == encoder.field_names_
    assert encoder.feature_names_in_.tolist() == ["age", "user_id"]
    names = encoder.get_feature_names_out().tolist()
    assert len(set(names)) == encoder.n_features_out_
    assert names[:2] == ["age", "age=<missing>"]
    assert names[-1] == "binned(age)=<missing>"


def test_each_feature_is_found_by_the_name_of_its_field():
    encoder = FMEncoder(TWO_WAYS).fit(RATINGS)
    assert encoder.feature_at(encoder.feature_index("age")).field == "age"
    found = encoder.feature_at(encoder.feature_index("binned(age)", 20))
    assert (found.field, found.kind) == ("binned(age)", "bin")


def test_the_matrix_is_that_of_both_ways():
    both = FMEncoder([numeric("age"), binned("age", 3)]).fit_transform(RATINGS).toarray()
    assert both[:, :1].tolist() == FMEncoder([numeric("age")]).fit_transform(RATINGS).toarray().tolist()
    assert both[:, 1:].tolist() == FMEncoder([binned("age", 3)]).fit_transform(RATINGS).toarray().tolist()


def test_names_of_a_saved_encoder_stay():
    file = io.BytesIO()
    encoder = FMEncoder(TWO_WAYS).fit(RATINGS)
    save_model(file, encoder=encoder)
    again = load_model(file).encoder
    assert again.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()
    assert_same_matrix(again.transform(RATINGS), encoder.transform(RATINGS))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["age", "age"], "column 'age' is given twice as categorical"),
        ([binned("age", 3), binned("age", 5)], "column 'age' is given twice as binned"),
        ([numeric("age"), binned("age"), binned("age")], "twice as binned"),
        (["genres", multi("genres"), categorical("genres", min_count=2)], "twice as categorical"),
    ],
)
def test_the_same_way_twice_is_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        FMEncoder(columns).fit(RATINGS)


def test_a_column_of_that_very_name_is_not_hidden():
    data = {"age": [1, 2], "binned(age)": [1, 2]}
    with pytest.raises(ValueError, match="twice as binned"):
        FMEncoder([numeric("age"), binned("age"), "binned(age)"]).fit(data)
