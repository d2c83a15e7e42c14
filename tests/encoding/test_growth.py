"""partial_fit of the encoder: old features stay, new ones come."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoding_cases import ALL_SPECS, DATA, LATER, assert_same_matrix, fitted, names_of
from fastfm_ext import load_model, save_model
from fastfm_ext.encoding import FMEncoder, categorical


class TestGrowth:
    def test_old_features_keep_their_places_and_names(self):
        encoder = FMEncoder(**ALL_SPECS).fit(DATA)
        names, before, fields = names_of(encoder), encoder.transform(DATA), encoder.fields_
        encoder.partial_fit(LATER)
        n_old = len(names)
        assert encoder.n_features_out_ > n_old
        assert names_of(encoder)[:n_old] == names
        np.testing.assert_array_equal(encoder.fields_[:n_old], fields)
        after = encoder.transform(DATA)
        # Values that were rare have features of their own now, and nothing else moves.
        moved = encoder.field_names_.index("item_id")
        kept = encoder.fields_ != moved
        np.testing.assert_array_equal(after.toarray()[:, :n_old][:, kept[:n_old]], before.toarray()[:, kept[:n_old]])
        assert after[:, [j for j in range(n_old, after.shape[1]) if kept[j]]].nnz == 0

    def test_new_values_are_encoded_and_found(self):
        encoder = FMEncoder(**ALL_SPECS).fit(DATA).partial_fit(LATER)
        X = encoder.transform(LATER)
        assert X.has_canonical_format
        assert_same_matrix(X, X.sorted_indices())
        for name, value in (
            ("user_id", 9),
            ("item_id", "d"),
            ("item_id", "b"),
            ("genres", "Western"),
            ("occupation", "baker"),
        ):
            feature = encoder.feature_index(name, value)
            assert names_of(encoder)[feature] == f"{name}={value}"
            assert encoder.feature_at(feature) == (name, "value", value)
            assert X[:, [feature]].nnz > 0
        with pytest.raises(AttributeError, match="slices_ is gone since partial_fit"):
            _ = encoder.slices_

    def test_the_first_partial_fit_is_fit_and_a_failed_one_changes_nothing(self):
        encoder = FMEncoder(**ALL_SPECS).partial_fit(DATA)
        before = encoder.transform(DATA)
        assert_same_matrix(before, FMEncoder(**ALL_SPECS).fit_transform(DATA))
        assert encoder.partial_fit(DATA).transform(DATA).shape == (5, encoder.n_features_out_)
        width = encoder.n_features_out_
        with pytest.raises(ValueError, match="X has no column"):
            encoder.partial_fit({"user_id": [77]})
        with pytest.raises(TypeError, match="can't be a category"):
            encoder.partial_fit(LATER | {"hour": [1.0] * 4, "occupation": [[1]] * 4})
        assert encoder.n_features_out_ == width

    @settings(max_examples=50, deadline=None)
    @given(
        st.lists(st.sampled_from(["a", "b", "c", "d", "e", None]), max_size=25), st.integers(1, 4), st.integers(1, 6)
    )
    def test_batches_learn_the_same_features_as_the_whole(self, column, min_count, size):
        column = ["a", "a", *column]
        whole = fitted(categorical("x", min_count=min_count), column)
        encoder = FMEncoder(user=[categorical("x", min_count=min_count)])
        for start in range(0, len(column), size):
            encoder.partial_fit({"x": column[start : start + size]}) if start or min_count > 1 else encoder.fit(
                {"x": column[:size]}
            )
        assert sorted(names_of(encoder)) == sorted(names_of(whole))
        for value in "abcdez":
            assert _name(encoder, value) == _name(whole, value)

    def test_values_of_another_type_can_join(self):
        encoder = fitted("x", [1, 2]).partial_fit({"x": [0.5, 3.0]}).partial_fit({"x": ["text", 2]})
        assert names_of(encoder) == ["x=1", "x=2", "x=0.5", "x=3", "x=text"]
        encoder = fitted("x", np.array(["2024-01-01"], dtype="M8[D]")).partial_fit({"x": np.array([5], dtype="M8[ns]")})
        assert encoder.n_features_out_ == 2

    @pytest.mark.parametrize("how", ["pickle", "file", "mapped"])
    def test_a_grown_encoder_survives_storage_and_grows_on(self, how, tmp_path):
        encoder = FMEncoder(**ALL_SPECS).fit(DATA).partial_fit(LATER)
        if how == "pickle":
            again = pickle.loads(pickle.dumps(encoder))
        else:
            save_model(tmp_path / "encoder.fm", encoder=encoder)
            again = load_model(tmp_path / "encoder.fm", mmap=how == "mapped").encoder
        assert again.get_params() == encoder.get_params()
        more = LATER | {"user_id": [100, 9, 101, 1], "item_id": ["z", "z", "b", "y"]}
        for fitted_encoder in (encoder, again):
            fitted_encoder.partial_fit(more)
        assert names_of(again) == names_of(encoder)
        assert_same_matrix(again.transform(more), encoder.transform(more))


def _name(encoder, value):
    found = encoder.transform({"x": [value]}).indices.tolist()
    return [encoder.get_feature_names_out()[feature] for feature in found]
