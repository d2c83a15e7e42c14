import numpy as np
import pytest

from archive_cases import MOVIES, RATINGS
from fastfm_ext import datasets

pd = pytest.importorskip("pandas")


def write_csvs(folder, ratings=RATINGS, movies=MOVIES):
    paths = folder / "ratings.csv", folder / "movies.csv"
    for path, text in zip(paths, (ratings, movies), strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_csv_files_are_read_into_tidy_tables(tmp_path):
    bunch = datasets.load_movielens_csv(*write_csvs(tmp_path))
    assert bunch.ratings.to_dict("list") == {
        "user_id": [1, 1, 2],
        "movie_id": [10, 20, 10],
        "rating": [4.0, 3.5, 1.0],
        "timestamp": [100, 101, 102],
    }
    assert bunch.users.to_dict("list") == {"user_id": [1, 2]}
    assert bunch.movies.to_dict("list") == {
        "movie_id": [10, 20],
        "title": ["Heat (1995)", "American President, The (1995)"],
        "year": [1995, 1995],
        "genres": ["Action|Crime", ""],
    }


@pytest.mark.parametrize("header", ["user_id,movie_id,rating", "USERID,MovieID, Rating", "\ufeffuserId,movieId,rating"])
def test_spellings_of_the_header(tmp_path, header):
    bunch = datasets.load_movielens_csv(*write_csvs(tmp_path, f"{header}\n7,10,4\n"))
    assert bunch.ratings.to_dict("list") == {"user_id": [7], "movie_id": [10], "rating": [4.0]}


def test_other_columns_and_any_order_are_fine(tmp_path):
    bunch = datasets.load_movielens_csv(*write_csvs(tmp_path, "note,rating,movieId,userId\nx,2,10,5\n"))
    assert bunch.ratings.to_dict("list") == {"user_id": [5], "movie_id": [10], "rating": [2.0]}


def test_text_ids_stay_text_in_both_files(tmp_path):
    bunch = datasets.load_movielens_csv(
        *write_csvs(tmp_path, "userId,movieId,rating\nann,007,4\nbob,20,3\n", MOVIES + "007,Bond,\n")
    )
    assert bunch.ratings["user_id"].tolist() == ["ann", "bob"]
    assert bunch.ratings["movie_id"].tolist() == ["007", "20"]
    assert bunch.movies["movie_id"].tolist() == ["10", "20", "007"]


def test_titles_that_look_like_gaps_or_numbers_are_kept(tmp_path):
    movies = "movieId,title,genres\n10,NA,Drama\n20,300,\n30,,\n40,Series (2006\u20132007),\n50,2001 (1968) (1999),\n"
    bunch = datasets.load_movielens_csv(*write_csvs(tmp_path, movies=movies))
    assert bunch.movies["title"].tolist()[:3] == ["NA", "300", "film 30"]
    assert bunch.movies["year"].tolist() == [pd.NA, pd.NA, pd.NA, 2006, 1999]


@pytest.mark.parametrize("timestamp", ["2005-04-02 23:53:47", "", "1.5e9"])
def test_no_timestamp_is_refused(tmp_path, timestamp):
    bunch = datasets.load_movielens_csv(
        *write_csvs(tmp_path, f"userId,movieId,rating,timestamp\n1,10,4,{timestamp}\n1,20,4,9\n")
    )
    assert len(bunch.ratings) == 2


def test_rated_films_that_are_not_listed_are_added(tmp_path):
    paths = write_csvs(tmp_path, RATINGS + "2,99,5.0,103\n1,99,5.0,103\n")
    with pytest.warns(UserWarning, match=r"movies\.csv: 1 rated films are not listed, such as movieId 99"):
        bunch = datasets.load_movielens_csv(*paths)
    assert bunch.movies.iloc[-1].tolist()[:2] == [99, "film 99"]
    assert bunch.movies["genres"].iloc[-1] == ""
    assert len(bunch.ratings) == 5


def test_the_last_of_repeated_ratings_counts(tmp_path):
    paths = write_csvs(tmp_path, RATINGS + "1,10,0.5,103\n")
    with pytest.warns(UserWarning, match=r"ratings\.csv: 1 repeated ratings"):
        bunch = datasets.load_movielens_csv(*paths)
    assert bunch.ratings["rating"].tolist() == [3.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("ratings", "movies", "message"),
    [
        (
            "userId,film,rating\n1,2,3\n",
            MOVIES,
            r"ratings\.csv: no column 'movieId' \(or 'movie_id'\); it has 'userId'",
        ),
        (RATINGS, "movieId,title\n1,x\n", r"movies\.csv: no column 'genres'; it has 'movieId', 'title'"),
        ("userId,user_id,movieId,rating\n1,1,2,3\n", MOVIES, r"ratings\.csv: more than one column 'userId'"),
        ("userId,movieId,rating\n1,10,good\n", MOVIES, r"column 'rating', data row 1: 'good' is not a finite number"),
        ("userId,movieId,rating\n1,10,4\n1,20,\n", MOVIES, r"column 'rating', data row 2: '' is not a finite number"),
        ("userId,movieId,rating\n1,10,inf\n", MOVIES, r"'inf' is not a finite number"),
        (
            "userId,movieId,rating\n1,10,4\n ,10,4\n",
            MOVIES,
            r"ratings\.csv: column 'userId' .*data row 2: ' ' is empty",
        ),
        ("userId,movieId,rating\n", MOVIES, r"ratings\.csv: there are no rows"),
        ("", MOVIES, r"ratings\.csv: the file is empty"),
        ("userId,movieId,rating\n1,10,4\n1,10,4,5\n", MOVIES, r"ratings\.csv: not a well-formed CSV file"),
        ("userId,movieId,rating\n1,10,4,5\n", MOVIES, r"ratings\.csv: not a well-formed CSV file"),
        (RATINGS, MOVIES + "10,Again,\n", r"movies\.csv: movieId 10 stands there twice"),
    ],
)
def test_an_error_names_the_file_and_the_column(tmp_path, ratings, movies, message):
    with pytest.raises(ValueError, match=message):
        datasets.load_movielens_csv(*write_csvs(tmp_path, ratings, movies))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        datasets.load_movielens_csv(tmp_path / "nowhere.csv", tmp_path / "movies.csv")


@pytest.mark.parametrize(("name", "message"), [("r.csv", "not a UTF-8"), ("r.csv.xz", "damaged")])
def test_a_file_of_another_kind_is_refused(tmp_path, name, message):
    path = tmp_path / name
    path.write_bytes(b"userId,movieId,rating\n\xff\xfe,1,2\n")
    with pytest.raises(ValueError, match=rf"r\.csv.*{message}"):
        datasets.load_movielens_csv(path, write_csvs(tmp_path)[1])


def test_compressed_files_of_real_data(data_dir):
    folder = data_dir / "ml-latest-small"
    bunch = datasets.load_movielens_csv(folder / "ratings.csv.xz", folder / "movies.csv.xz")
    assert bunch.ratings.shape == (100_836, 4)
    assert bunch.movies.shape == (9742, 4)
    assert len(bunch.users) == 610
    assert np.isin(bunch.ratings["movie_id"], bunch.movies["movie_id"]).all()
