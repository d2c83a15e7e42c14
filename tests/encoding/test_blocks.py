"""Encoding in blocks: written out it is the encoded matrix, and each side's distinct rows are encoded once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import NotFittedError

import encoding_cases
from encoding_cases import ALL_SPECS, DATA, LATER, RATINGS, SPECS, assert_same_matrix, pd
from fastfm_ext.encoding import FMEncoder, binned, categorical, crossed, hashed, implicit, multi, numeric

make_frame = encoding_cases.make_frame

USERS = {"gender": ["f", "m", None, "f"], "age": [20.5, None, 60.0, 20.5]}
FILMS = {"genres": ["a|b", "b", None, "b|a|c", ""], "year": [1990, 1991, 1990, None, 2000]}
USER_SPECS = [
    "user",
    categorical("gender", missing="feature"),
    numeric("age", missing="feature"),
    implicit("user", of="film"),
]
FILM_SPECS = [
    categorical("film", min_count=2, unknown="rare"),
    multi("genres", norm="l1", missing="feature"),
    hashed("film", 5, signed=True),
    numeric("year"),
    implicit("film", of="user", norm=None),
]
CONTEXT_SPECS = [binned("hour", 3), numeric("hour"), crossed("user", "hour")]
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.none() | st.integers(0, 5)), max_size=60)


def table_of(rows):
    # The first rows make sure that no column is without values.
    users, films, hours = map(list, zip((0, 0, 1), (1, 1, 2), *rows, strict=True))
    table = {"user": users, "film": films, "hour": hours}
    table |= {name: [column[user] for user in users] for name, column in USERS.items()}
    return table | {name: [column[film] for film in films] for name, column in FILMS.items()}


class TestBlocks:
    @settings(max_examples=60, deadline=None)
    @given(ROWS, ROWS, st.booleans(), st.booleans())
    def test_blocks_written_out_are_the_encoded_matrix(self, rows, others, has_sides, grows):
        specs = {"user": USER_SPECS, "item": FILM_SPECS, "context": CONTEXT_SPECS}
        if not has_sides:
            specs = {"columns": [*USER_SPECS, *FILM_SPECS, *CONTEXT_SPECS]}
        encoder = FMEncoder(**specs).fit(table_of(rows))
        if grows:
            encoder.partial_fit(table_of(others))
        for table in (table_of(rows), table_of(others)):
            X, blocks = encoder.transform(table), encoder.transform_blocks(table)
            assert_same_matrix(blocks.tocsr(), X)
            assert blocks.nnz == X.nnz
            np.testing.assert_array_equal(blocks.fields, encoder.fields_)
            assert blocks.field_names == encoder.field_names_
            features = np.concatenate([block.features for block in blocks.to_blocks().blocks])
            np.testing.assert_array_equal(np.sort(features), np.arange(encoder.n_features_out_))

    def test_every_table_and_every_spec_may_be_encoded_in_blocks(self, make_frame):
        for specs, table, later in ((SPECS, RATINGS, RATINGS), (ALL_SPECS, DATA, LATER)):
            encoder = FMEncoder(**specs).fit(make_frame(table))
            for rows in (table, later):
                X = encoder.transform_blocks(make_frame(rows))
                assert_same_matrix(X.tocsr(), encoder.transform(make_frame(rows)))

    def test_a_side_is_one_block_of_its_distinct_rows_and_a_context_column_is_its_own(self):
        rows = [(user, film, hour) for user in range(4) for film in range(5) for hour in range(4)]
        encoder = FMEncoder(user=USER_SPECS, item=FILM_SPECS, context=CONTEXT_SPECS[:2]).fit(table_of(rows))
        table = {name: column[2:] for name, column in table_of(rows).items()}
        blocks = encoder.transform_blocks(table).to_blocks().blocks
        assert [block.n_block_rows for block in blocks[:2]] == [4, 5]
        assert sorted(set(encoder.fields_[blocks[0].features])) == [0, 1, 2, 3]
        assert len(blocks) == 4
        bins, numbers = blocks[2:]
        assert bins.X is numbers.X is None
        assert len(np.unique(numbers.values)) == 4

    def test_a_side_that_differs_in_most_rows_is_a_block_for_each_column(self):
        table = {"user": [1, 2, 1, 2], "age": [1.0, 2.0, 3.0, 4.0], "film": list("abab")}
        blocks = FMEncoder(user=["user", numeric("age")], item=["film"]).fit(table).transform_blocks(table)
        assert [block.features.tolist() for block in blocks.to_blocks().blocks] == [[0, 1], [2], [3, 4]]

    def test_an_encoder_that_is_not_fitted_has_no_blocks(self):
        with pytest.raises(NotFittedError):
            FMEncoder(user=["user"]).transform_blocks({"user": [1]})


class TestRealData:
    def test_implicit_sets_of_movielens_are_small_in_blocks(self, data_dir):
        folder = data_dir / "ml-latest-small"
        if not folder.is_dir():
            pytest.skip("no ml-latest-small in the data folder")
        ratings = pd.read_csv(next(folder.glob("ratings.csv*"))).head(20_000)
        user, item = "userId", "movieId"
        encoder = FMEncoder(user=[user, implicit(user, of=item)], item=[item, implicit(item, of=user)])
        X = encoder.fit(ratings).transform_blocks(ratings)
        (users,) = (block for block in X.to_blocks().blocks if block.n_block_rows == ratings[user].nunique())
        assert users.X.nnz == 20_000 + users.n_block_rows
        assert X.nnz > 50 * sum(block.rows.nnz for block in X.to_blocks().blocks)
