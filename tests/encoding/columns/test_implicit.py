"""Implicit feedback: the sets that fit learns, their weights, and what growth adds."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoding_cases import assert_same_matrix, dense, names_of
from fastfm_ext import load_model, save_model
from fastfm_ext.encoding import FMEncoder, implicit, layout

FEEDBACK = {"user": ["ann", "bob", "ann", None, "ann", "cid"], "film": [3, 1, 2, 4, 3, None]}


def encoder_of_sets(**options):
    return FMEncoder(user=[implicit("user", of="film", **options)])


class TestImplicit:
    def test_each_row_has_the_set_of_its_value_in_the_fitted_table(self):
        encoder = encoder_of_sets(norm=None).fit(FEEDBACK)
        assert names_of(encoder) == ["user has film=1", "user has film=2", "user has film=3"]
        assert encoder.field_names_ == ["user has film"]
        ann, bob, none = [0, 1, 1], [1, 0, 0], [0, 0, 0]
        assert dense(encoder.transform(FEEDBACK)) == [ann, bob, ann, none, ann, none]
        assert dense(encoder.transform({"user": ["bob", "eve"]})) == [bob, none]
        assert encoder.n_features_in_ == 1

    @pytest.mark.parametrize(("norm", "weight"), [("l2", 0.5**0.5), ("l1", 0.5), (None, 1.0)])
    def test_members_of_a_set_share_its_weight(self, norm, weight):
        X = encoder_of_sets(norm=norm).fit(FEEDBACK).transform({"user": ["ann", "bob"]})
        np.testing.assert_allclose(X.data, [weight, weight, 1])

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.none() | st.integers(0, 4), st.none() | st.sampled_from("abcd")), max_size=20))
    def test_both_ways_are_the_matrix_of_who_has_what(self, pairs):
        pairs = [(0, "a"), *pairs]
        table = {"user": [user for user, _ in pairs], "film": [film for _, film in pairs]}
        has = {(user, film) for user, film in pairs if user is not None and film is not None}
        for column, of, sets in (("user", "film", has), ("film", "user", {pair[::-1] for pair in has})):
            encoder = FMEncoder(columns=[implicit(column, of=of)]).fit(table)
            X = encoder.transform(table).toarray()
            for row, value in enumerate(table[column]):
                members = [member for owner, member in sets if owner == value]
                expected = np.zeros(encoder.n_features_out_)
                at = [encoder.feature_index(f"{column} has {of}", member) for member in members]
                expected[at] = len(members) ** -0.5 if members else 0
                np.testing.assert_allclose(X[row], expected, rtol=1e-6)

    def test_ids_of_other_types_are_the_same_ids_as_in_other_columns(self):
        encoder = encoder_of_sets(norm=None).fit({"user": [7, 8, 7], "film": ["1", "2", "2"]})
        assert dense(encoder.transform({"user": ["7", "007"]})) == [[1, 1], [0, 0]]
        assert dense(encoder.transform({"user": [8.0, None]})) == [[0, 1], [0, 0]]
        assert encoder.feature_index("user has film", 2) == 1
        with pytest.raises(ValueError, match="column 'user': dates can't be the same"):
            encoder.transform({"user": np.array(["2020-01-01"], dtype="M8[D]")})

    def test_a_feature_says_what_it_stands_for(self):
        encoder = encoder_of_sets().fit(FEEDBACK)
        assert encoder.feature_at(2) == ("user has film", "value", 3)
        with pytest.raises(KeyError, match="no feature for 4"):
            encoder.feature_index("user has film", 4)

    def test_growth_adds_members_behind_the_old_and_to_old_sets(self):
        encoder = FMEncoder(user=["user", implicit("user", of="film", norm=None)]).fit(FEEDBACK)
        names = names_of(encoder)
        encoder.partial_fit({"user": ["ann", "dan", "bob"], "film": [0, 1, 1]})
        assert names_of(encoder) == [*names, "user=dan", "user has film=0"]
        features = [encoder.feature_index("user has film", film) for film in (1, 2, 3, 0)]
        X = encoder.transform({"user": ["ann", "bob", "cid", "dan"]})
        assert X.has_canonical_format
        assert dense(X[:, features]) == [[0, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]

    def test_growth_in_parts_learns_the_sets_of_the_whole(self):
        rng = np.random.default_rng(0)
        table = {"user": rng.integers(0, 9, 60), "film": rng.integers(0, 9, 60)}
        whole = encoder_of_sets().fit(table)
        parts = encoder_of_sets()
        for rows in np.split(np.arange(60), 5):
            parts.partial_fit({name: column[rows] for name, column in table.items()})
        order = [parts.feature_index("user has film", film) for film in np.unique(table["film"])]
        np.testing.assert_array_equal(parts.transform(table)[:, order].toarray(), whole.transform(table).toarray())

    def test_growth_needs_the_column_of_the_members(self):
        with pytest.raises(ValueError, match="X has no column 'film'"):
            encoder_of_sets().fit(FEEDBACK).partial_fit({"user": ["ann"]})

    def test_it_is_saved_and_shown_as_it_is_written(self, tmp_path):
        encoder = FMEncoder(user=["user", implicit("user", of="film")], item=[implicit("film", of="user", norm="l1")])
        X = encoder.fit_transform(FEEDBACK)
        assert repr(encoder.columns_) == (
            "[categorical('user'), implicit('user', of='film'), implicit('film', of='user', norm='l1')]"
        )
        save_model(tmp_path / "model", encoder=encoder)
        again = load_model(tmp_path / "model").encoder
        assert again.get_params() == encoder.get_params()
        assert names_of(again) == names_of(encoder)
        assert_same_matrix(again.transform(FEEDBACK), X)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"positions": np.array([0, 1, 9], np.int32)}, "names a value that is not there"),
            ({"positions": np.array([2, 1, 0], np.int32)}, "does not ascend"),
            ({"positions": np.array([1, 2], np.int32)}, "do not fit the 2 members"),
            ({"positions": np.array([1.0, 2, 0])}, "types int64 and float64"),
            ({"indptr": np.array([0, 5, 3])}, "do not fit"),
            ({"indptr": np.array([0, 3])}, "shape"),
        ],
    )
    def test_a_senseless_state_is_refused(self, change, message):
        meta, arrays = encoder_of_sets().fit(FEEDBACK)._to_state()
        arrays |= {f"column_0_{name}": array for name, array in change.items()}
        with pytest.raises(ValueError, match=message):
            FMEncoder._from_state(json.loads(json.dumps(meta)), arrays)

    @pytest.mark.parametrize(
        ("make", "kind", "message"),
        [
            (lambda: implicit("user", of="user"), ValueError, "needs another column"),
            (lambda: implicit("user", of=3), TypeError, "must be a string, got 3"),
            (lambda: implicit(3, of="user"), TypeError, "must be a string, got 3"),
            (lambda: implicit("user", of="film", norm="max"), ValueError, r"norm of implicit\('user'\) .* got 'max'"),
            (lambda: encoder_of_sets().fit({"user": [1, None], "film": [None, 2]}), ValueError, "nothing to encode"),
        ],
    )
    def test_what_it_refuses_is_named(self, make, kind, message):
        with pytest.raises(kind, match=message):
            make()

    def test_sets_that_fill_the_memory_are_refused_where_they_are_written_out(self, monkeypatch):
        encoder = encoder_of_sets().fit(FEEDBACK)
        monkeypatch.setattr(layout, "MOST_ENTRIES", 6)
        with pytest.raises(ValueError, match=r"have 7 entries in these 6 rows.*use transform_blocks"):
            encoder.transform(FEEDBACK)
        assert encoder.transform_blocks(FEEDBACK).nnz == 7
