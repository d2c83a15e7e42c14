import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoding_cases import ALL_SPECS, DATA, FRAMES, LATER
from fastfm_ext import FMRegressor
from fastfm_ext.encoding import FMEncoder, multi


class TestWhole:
    @pytest.mark.parametrize("make_frame", FRAMES.values(), ids=FRAMES)
    def test_every_feature_says_what_it_is(self, make_frame):
        encoder = FMEncoder(**ALL_SPECS).fit(make_frame(DATA))
        features = [encoder.feature_at(j) for j in range(encoder.n_features_out_)]
        assert [feature.field for feature in features] == [encoder.field_names_[field] for field in encoder.fields_]
        for j, feature in enumerate(features):
            if feature.kind == "value":
                assert encoder.feature_index(feature.field, feature.value) == j
        assert {feature.kind for feature in features} == {
            "value",
            "rare",
            "missing",
            "unknown",
            "number",
            "bin",
            "hash",
        }
        with pytest.raises(IndexError, match="index must be from 0 to"):
            encoder.feature_at(encoder.n_features_out_)

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.integers(1, 5))
    def test_batches_of_rows_give_the_rows_of_the_whole(self, rows, size):
        encoder = FMEncoder(**ALL_SPECS).fit(DATA).partial_fit(LATER)
        table = {name: [column[r] for r in rows] for name, column in DATA.items()}
        whole = encoder.transform(table).toarray()
        for start in range(0, len(rows), size):
            batch = {name: column[start : start + size] for name, column in table.items()}
            np.testing.assert_array_equal(encoder.transform(batch).toarray(), whole[start : start + size])

    def test_more_rows_than_one_chunk_of_the_native_code(self):
        rng = np.random.default_rng(0)
        columns = {
            "a": rng.integers(0, 50, 5000),
            "b": rng.integers(0, 10**12, 5000),
            "g": rng.choice(["p|q", "q", ""], 5000),
        }
        encoder = FMEncoder(user=["a", "b", multi("g", norm=None)])
        X = encoder.fit_transform(columns)
        expected = np.zeros(X.shape, dtype=np.float32)
        for r in range(5000):
            for name, value in (
                ("a", columns["a"][r]),
                ("b", columns["b"][r]),
                *(("g", g) for g in columns["g"][r].split("|") if g),
            ):
                expected[r, encoder.feature_index(name, value)] = 1
        np.testing.assert_array_equal(X.toarray(), expected)

    def test_a_model_grows_in_step_with_its_encoder(self):
        encoder = FMEncoder(**ALL_SPECS).fit(DATA)
        model = FMRegressor(n_factors=2, random_state=0).partial_fit(encoder.transform(DATA), np.arange(5.0))
        n_old, w, V = encoder.n_features_out_, model.w_.copy(), model.V_.copy()
        untouched = np.setdiff1d(np.arange(n_old), encoder.partial_fit(LATER).transform(LATER).indices)
        model.partial_fit(encoder.transform(LATER), np.arange(4.0))
        assert model.w_.shape == (encoder.n_features_out_,)
        np.testing.assert_array_equal(model.w_[untouched], w[untouched])
        np.testing.assert_array_equal(model.V_[untouched], V[untouched])
