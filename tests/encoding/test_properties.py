from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoding_cases import assert_same_matrix, pd, pl
from fastfm_ext.encoding import FMEncoder, multi, numeric

ROW = st.fixed_dictionaries(
    {
        "user_id": st.none() | st.integers(-3, 3),
        "occupation": st.none() | st.sampled_from(["", "a", "b", "é"]),
        "age": st.none() | st.integers(-1000, 1000).map(lambda n: n / 8),
        "genres": st.none() | st.lists(st.sampled_from(["", "a", "b", "c d"]), max_size=4).map("|".join),
        "seen": st.none() | st.booleans(),
        "day": st.none() | st.dates(date(1700, 1, 1), date(2200, 1, 1)),
    }
)
# The first row makes sure that no column is without values.
FIRST = {"user_id": 1, "occupation": "a", "age": 1.0, "genres": "a", "seen": True, "day": date(2024, 1, 1)}
ROWS = st.lists(ROW, max_size=12).map(lambda rows: [FIRST, *rows])
ROW_SPECS = {"user": ["user_id", "occupation", numeric("age")], "item": [multi("genres"), "seen"], "context": ["day"]}
POLARS_TYPES = {"user_id": pl.Int64, "age": pl.Float64}


def columns_of(rows):
    return {name: [row[name] for row in rows] for name in FIRST}


class TestProperties:
    @settings(max_examples=50, deadline=None)
    @given(ROWS, st.randoms(use_true_random=False))
    def test_permuted_rows_give_permuted_rows(self, rows, random):
        order = random.sample(range(len(rows)), len(rows))
        straight = FMEncoder(**ROW_SPECS).fit_transform(columns_of(rows))
        permuted = FMEncoder(**ROW_SPECS).fit_transform(columns_of([rows[i] for i in order]))
        # Sums of numbers depend on their order, in the last digits.
        np.testing.assert_allclose(permuted.toarray(), straight.toarray()[order], atol=1e-6)

    @settings(max_examples=50, deadline=None)
    @given(ROWS, ROWS)
    def test_the_sides_add_up_to_the_whole(self, rows, others):
        encoder = FMEncoder(**ROW_SPECS).fit(columns_of(rows))
        X = columns_of(others)
        user, item = encoder.transform(X, side="user"), encoder.transform(X, side="item")
        assert user.multiply(item).nnz == 0
        assert_same_matrix(user + item, encoder.transform(X))

    @settings(max_examples=50, deadline=None)
    @given(ROWS, ROWS)
    def test_pandas_polars_and_lists_give_the_same_matrix(self, rows, others):
        tables = [dict, pd.DataFrame, lambda columns: pl.DataFrame(columns, schema_overrides=POLARS_TYPES)]
        plain, *frames = [
            FMEncoder(**ROW_SPECS).fit(make(columns_of(rows))).transform(make(columns_of(others))) for make in tables
        ]
        for matrix in frames:
            assert_same_matrix(matrix, plain)

    @settings(max_examples=50, deadline=None)
    @given(ROWS)
    def test_every_known_value_is_at_its_feature(self, rows):
        encoder = FMEncoder(**ROW_SPECS).fit(columns_of(rows))
        X = encoder.transform(columns_of(rows)).toarray()
        for row, encoded in zip(rows, X, strict=True):
            for name in ("user_id", "occupation", "seen", "day"):
                expected = np.zeros(encoder.n_features_out_)
                if row[name] is not None:
                    expected[encoder.feature_index(name, row[name])] = 1
                np.testing.assert_array_equal(encoded[encoder.slices_[name]], expected[encoder.slices_[name]])

    @settings(max_examples=50, deadline=None)
    @given(ROWS)
    def test_each_multi_valued_row_has_length_one_or_zero(self, rows):
        lengths = np.linalg.norm(FMEncoder(item=[multi("genres")]).fit_transform(columns_of(rows)).toarray(), axis=1)
        assert np.all(np.isclose(lengths, 1) | (lengths == 0))


class TestRealData:
    @pytest.fixture
    def tables(self, data_dir):
        folder = data_dir / "ml-latest-small"
        if not folder.is_dir():
            pytest.skip("no ml-latest-small in the data folder")
        ratings, movies = (next(folder.glob(f"{name}.csv*")) for name in ("ratings", "movies"))
        return pd.read_csv(ratings).head(20_000), pd.read_csv(movies)

    def test_movielens_frames_of_pandas_and_polars_agree(self, tables):
        ratings, movies = tables
        frame = ratings.merge(movies, on="movieId")
        specs = {"user": ["userId"], "item": ["movieId", multi("genres")], "context": [numeric("timestamp")]}
        encoder = FMEncoder(**specs)
        X = encoder.fit_transform(frame)
        assert_same_matrix(X, FMEncoder(**specs).fit_transform(pl.DataFrame(frame.to_dict("list"))))
        assert encoder.slices_["movieId"].stop - encoder.slices_["movieId"].start == frame["movieId"].nunique()
        n_genres = frame["genres"].str.split("|").str.len().to_numpy()
        np.testing.assert_array_equal((encoder.fields_[X.indices] == 2).sum(), n_genres.sum())

    def test_the_catalogue_is_encoded_without_users(self, tables):
        ratings, movies = tables
        encoder = FMEncoder(user=["userId"], item=["movieId", multi("genres")]).fit(ratings.merge(movies, on="movieId"))
        X = encoder.transform(movies, side="item")
        assert X.shape == (len(movies), encoder.n_features_out_)
        assert X.indices.min() >= encoder.slices_["userId"].stop
