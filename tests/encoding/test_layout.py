import inspect
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

from encoding_cases import FRAMES, RATINGS, assert_same_matrix, dense, encode_one
from fastfm_ext import FMRegressor, load_model, save_model
from fastfm_ext.encoding import FMEncoder, binned, categorical, crossed, hashed, multi, numeric
from fastfm_ext.encoding.columns import hashed as _hashed

TEXTS = st.text(max_size=40)


def names_of(encoder):
    return encoder.get_feature_names_out().tolist()


def fitted(spec, column):
    return FMEncoder(user=[spec]).fit({"x": column})


class TestRareMissingUnknown:
    COLUMN = ("a", "a", "b", None, "c", "c")

    def test_rare_values_share_one_feature(self):
        encoder = fitted(categorical("x", min_count=2), self.COLUMN)
        assert names_of(encoder) == ["x=<rare>", "x=a", "x=c"]
        assert dense(encoder.transform({"x": ["b", "a", "never", None]})) == [
            [1, 0, 0],
            [0, 1, 0],
            [0, 0, 0],
            [0, 0, 0],
        ]

    @pytest.mark.parametrize(
        ("options", "names", "missing", "unknown"),
        [
            ({}, ["x=a", "x=b", "x=c"], None, None),
            ({"missing": "feature"}, ["x=<missing>", "x=a", "x=b", "x=c"], 0, None),
            ({"unknown": "feature"}, ["x=<unknown>", "x=a", "x=b", "x=c"], None, 0),
            ({"missing": "feature", "unknown": "feature"}, ["x=<missing>", "x=<unknown>", "x=a", "x=b", "x=c"], 0, 1),
            ({"min_count": 2, "unknown": "rare"}, ["x=<rare>", "x=a", "x=c"], None, 0),
        ],
    )
    @pytest.mark.parametrize("make", [categorical, multi], ids=["categorical", "multi"])
    def test_missing_and_unknown_values_give_what_was_chosen(self, make, options, names, missing, unknown):
        encoder = fitted(make("x", **options), self.COLUMN)
        assert names_of(encoder) == names
        for value, feature in ((None, missing), ("never", unknown)):
            assert encoder.transform({"x": [value]}).indices.tolist() == ([] if feature is None else [feature])

    def test_a_cell_without_values_is_missing_and_rare_values_of_a_cell_count_once(self):
        encoder = fitted(multi("x", min_count=2, missing="feature", norm=None), ["a|b|c", "a", "", None, "|"])
        assert names_of(encoder) == ["x=<rare>", "x=<missing>", "x=a"]
        expected = [[1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
        assert dense(encoder.transform({"x": ["a|b|c", "a", "", None, "|"]})) == expected

    def test_missing_numbers_and_hashes_can_have_a_feature(self):
        assert dense(encode_one(numeric("x", missing="feature"), [1, None, 3])) == [[-1, 0], [0, 1], [1, 0]]
        assert dense(encode_one(binned("x", edges=[2], missing="feature"), [1, None, 3])) == [
            [1, 0, 0],
            [0, 0, 1],
            [0, 1, 0],
        ]
        assert encode_one(hashed("x", 4, missing="feature"), ["a", None]).indices.tolist()[1] == 4
        assert encode_one(hashed("x", 4, sep="|", missing="feature"), ["a", ""]).indices.tolist()[1] == 4

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: categorical("x", min_count=0), "min_count of categorical.'x'. must be a positive integer, got 0"),
            (
                lambda: categorical("x", missing="drop"),
                "missing of categorical.'x'. must be one of 'ignore', 'feature'",
            ),
            (lambda: multi("x", unknown="rare"), "unknown='rare' of multi.'x'. needs min_count above 1"),
            (lambda: hashed("x", 0), "n_features of hashed.'x'. must be an integer from 1"),
            (lambda: hashed("x", signed=1), "signed of hashed"),
            (lambda: binned("x", 1), "n_bins of binned.'x'. must be an integer of at least 2, got 1"),
            (lambda: binned("x", edges=[2, 1]), "edges of binned.'x'. must be finite numbers that rise"),
            (lambda: binned("x", strategy="kmeans"), "strategy of binned"),
            (lambda: crossed("x"), "crossed needs two columns or more"),
            (lambda: numeric("x", log=2), "log of numeric"),
        ],
    )
    def test_bad_options_are_refused(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()

    @pytest.mark.parametrize(
        "spec",
        [
            categorical("x", min_count=3),
            hashed("x", 8, signed=True),
            binned("x", 4, edges=[1, 2]),
            crossed("x", "y", min_count=2),
        ],
    )
    def test_the_printed_form_is_what_one_writes(self, spec):
        assert eval(repr(spec)) == spec


class TestNumbers:
    def test_log_numbers_equal_scikit_learns_scaling_of_logarithms(self):
        x = np.array([0.0, -3, 10, 1e6, 50])
        expected = StandardScaler().fit_transform((np.sign(x) * np.log1p(np.abs(x)))[:, None])
        np.testing.assert_allclose(encode_one(numeric("x", log=True), x).toarray(), expected, rtol=1e-5)

    @pytest.mark.parametrize("strategy", ["quantile", "uniform"])
    def test_bins_equal_scikit_learns(self, strategy):
        x = np.random.default_rng(0).exponential(size=500)
        # Before 1.7, scikit-learn knew this method alone.
        has_methods = "quantile_method" in inspect.signature(KBinsDiscretizer).parameters
        options = {"quantile_method": "linear"} if has_methods and strategy == "quantile" else {}
        peer = KBinsDiscretizer(5, encode="onehot-dense", strategy=strategy, subsample=None, **options)
        np.testing.assert_array_equal(
            encode_one(binned("x", 5, strategy=strategy), x).toarray(), peer.fit_transform(x[:, None])
        )

    def test_bins_with_the_same_edges_are_one(self):
        encoder = fitted(binned("x", 4), [0] * 90 + [1, 2, 3])
        assert encoder.n_features_out_ < 4
        assert encoder.transform({"x": [-np.inf, np.inf]}).indices.tolist() == [0, encoder.n_features_out_ - 1]
        assert encoder.feature_at(0) == ("x", "bin", (-np.inf, encoder.feature_at(0).value[1]))


class TestHashed:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(1, 2**20), st.booleans())
    def test_hashes_equal_scikit_learns(self, texts, n_features, signed):
        texts = [text.replace("\x00", "0") for text in texts]
        peer = FeatureHasher(n_features, input_type="string", alternate_sign=signed, dtype=np.float32)
        expected = peer.transform([[text] for text in texts])
        assert_same_matrix(encode_one(hashed("x", n_features, signed=signed), texts), expected.sorted_indices())

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), min_size=1, max_size=6), st.booleans())
    def test_cells_are_added_up_as_scikit_learn_does(self, cells, signed):
        peer = FeatureHasher(5, input_type="string", alternate_sign=signed, dtype=np.float32)
        columns = [["|".join(cell) for cell in cells], cells]
        for column in columns:
            encoded = encode_one(hashed("x", 5, signed=signed, sep="|"), column)
            np.testing.assert_array_equal(encoded.toarray(), peer.transform(cells).toarray())
            assert np.all(encoded.data != 0)

    def test_values_that_are_no_text_are_hashed_as_text(self):
        assert dense(encode_one(hashed("x"), [1.0, 2.0])) == dense(encode_one(hashed("x"), ["1", "2"]))

    def test_the_least_hash_has_the_feature_that_scikit_learn_gives_it(self, monkeypatch):
        # No text with this hash is known; what is made of hashes does not depend on the text.
        monkeypatch.setattr(_hashed, "murmur3", lambda texts: np.array([-(2**31), -(2**31) + 1, 7], dtype=np.int32))
        positions, _ = hashed("x", 1000).fit({})._hashes(np.array(["a", "b", "c"], dtype=object))
        assert positions.tolist() == [(2**31 - 1 - 999) % 1000, (2**31 - 1) % 1000, 7]


CROSSED = {"a": [1, 2, 1, None, 2], "b": ["x", "y", "y", "x", "y"]}


class TestCrossed:
    def test_combinations_that_occur_have_features(self):
        encoder = FMEncoder(user=["a", crossed("a", "b")]).fit(CROSSED)
        assert encoder.field_names_ == ["a", "a*b"]
        assert names_of(encoder)[2:] == ["a=1*b=x", "a=1*b=y", "a=2*b=y"]
        assert dense(encoder.transform(CROSSED))[0] == [1, 0, 1, 0, 0]
        assert encoder.n_features_in_ == 2

    def test_unknown_and_missing_combinations(self):
        spec = crossed("a", "b", missing="feature", unknown="feature")
        encoder = FMEncoder(user=[spec]).fit(CROSSED)
        others = {"a": [2, 9, 1, None], "b": ["x", "x", None, "never"]}
        assert encoder.transform(others).indices.tolist() == [1, 1, 0, 0]
        assert encoder.feature_index("a*b", (1, "y")) == 3
        assert encoder.feature_index("a*b", (1, None)) == 0
        with pytest.raises(TypeError, match="is a tuple of 2 values"):
            encoder.feature_index("a*b", 1)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(*[st.none() | st.integers(0, 3)] * 3), min_size=1, max_size=20), st.integers(1, 3))
    def test_a_cross_encodes_as_a_column_of_joined_text_does(self, rows, min_count):
        columns = dict(zip("abc", map(list, zip(*rows, strict=True)), strict=True))
        rows = [(0, 0, 0)] * 3 + rows
        columns = {name: [0] * 3 + column for name, column in columns.items()}
        columns["joined"] = [None if None in row else "-".join(map(str, row)) for row in rows]
        options = {"min_count": min_count, "missing": "feature"}
        X = FMEncoder(user=[crossed("a", "b", "c", **options)]).fit_transform(columns)
        assert_same_matrix(X, FMEncoder(user=[categorical("joined", **options)]).fit_transform(columns))


ALL_SPECS = {
    "user": ["user_id", categorical("occupation", missing="feature", unknown="feature"), numeric("age")],
    "item": [categorical("item_id", min_count=2), multi("genres"), hashed("genres2", 16), crossed("item_id", "genres")],
    "context": [binned("hour", 3), crossed("user_id", "occupation", "hour")],
}
DATA = RATINGS | {"genres2": RATINGS["genres"]}
LATER = {
    "user_id": [9, 1, 0, 9],
    "age": [1, 2, 3, 4],
    "occupation": ["baker", "writer", "artist", None],
    "item_id": ["b", "d", "a", "d"],
    "genres": ["Western|Comedy", "Action", "", "Drama"],
    "genres2": ["a", "b", "c", "d"],
    "hour": [1.0, 2.0, 8.0, None],
}


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
