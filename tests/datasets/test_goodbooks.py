"""Goodbooks-10k: from a site, from a data home, and what is wrong with other archives."""

import pytest

import archive_cases
from archive_cases import zip_bytes
from fastfm_ext.datasets import fetch_goodbooks, goodbooks

site = archive_cases.site

pd = pytest.importorskip("pandas")

BOOKS_HEADER = (
    "book_id,goodreads_book_id,best_book_id,work_id,books_count,isbn,isbn13,authors,original_publication_year,"
    "original_title,title,language_code,average_rating,ratings_count,work_ratings_count,work_text_reviews_count,"
    "ratings_1,ratings_2,ratings_3,ratings_4,ratings_5,image_url,small_image_url\n"
)
TINY = {
    "ratings.csv": "user_id,book_id,rating\n1,2,5\n2,1,4\n2,2,3\n",
    "books.csv": BOOKS_HEADER
    + '1,27,27,92,9,043902348,9.78E+12,"Ann Lee, Bo Ek",2008.0,Rök,"Smoke (Fire, #1)",eng,4.3,7,8,1,0,0,1,2,4,a,b\n'
    + "2,31,31,95,9,,,Homer,-750.0,,NA,,4.0,5,5,1,0,0,1,1,3,a,b\n",
    "to_read.csv": "user_id,book_id\n1,1\n",
    "book_tags.csv": "goodreads_book_id,tag_id,count\n27,5,10\n31,5,3\n31,7,1\n",
    "tags.csv": "tag_id,tag_name\n5,epic\n7,null\n",
}


@pytest.fixture
def put(tmp_path):
    """Put an archive into the data home; fetch it from there."""

    def fetch(members):
        folder = tmp_path / "goodbooks"
        folder.mkdir(exist_ok=True)
        (folder / "goodbooks-10k.zip").write_bytes(zip_bytes(members, "utf-8"))
        return fetch_goodbooks(data_home=tmp_path, download_if_missing=False)

    return fetch


def test_goodbooks_are_downloaded_once(site, tmp_path, monkeypatch):
    monkeypatch.setattr(goodbooks, "_BASE_URL", site.url)
    (site.folder / "goodbooks-10k.zip").write_bytes(zip_bytes(TINY, "utf-8"))
    first, second = fetch_goodbooks(data_home=tmp_path / "home"), fetch_goodbooks(data_home=tmp_path / "home")
    assert site.state["requests"] == 1
    assert first.origin == site.url + "goodbooks-10k.zip"
    pd.testing.assert_frame_equal(first.ratings, second.ratings)


@pytest.mark.parametrize("folder", ["", "goodbooks-10k/"])
def test_the_files_are_read_into_tidy_tables(put, folder):
    bunch = put({folder + name: text for name, text in TINY.items()})
    assert bunch.ratings.to_dict("list") == {"user_id": [1, 2, 2], "book_id": [2, 1, 2], "rating": [5, 4, 3]}
    assert bunch.books["title"].tolist() == ["Smoke (Fire, #1)", "NA"]
    assert bunch.books["isbn"].tolist() == ["043902348", ""]
    assert bunch.books["original_publication_year"].tolist() == [2008, -750]
    assert bunch.books["original_title"].tolist() == ["Rök", ""]
    assert bunch.to_read.to_dict("list") == {"user_id": [1], "book_id": [1]}
    assert bunch.book_tags.to_dict("list") == {
        "book_id": [1, 2, 2],
        "tag_name": ["epic", "epic", "null"],
        "count": [10, 3, 1],
    }
    assert "3 ratings of 2 books by 2 readers" in bunch.DESCR
    assert "CC BY-SA 4.0" in bunch.DESCR
    assert "To cite: Zygmunt Zając" in bunch.DESCR


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tags.csv", None, "there is no tags.csv"),
        ("ratings.csv", "user,book_id,rating\n1,2,5\n", "user_id"),
        ("ratings.csv", "user_id,book_id,rating\n1,2,9\n", "a rating is not from 1 to 5"),
        ("ratings.csv", "user_id,book_id,rating\n1,x,5\n", "x"),
        ("to_read.csv", "user_id,book_id\n1,77\n", "to_read.csv: books.csv has no book_id 77"),
    ],
)
def test_an_archive_of_another_form_is_refused(put, name, text, message):
    members = {**TINY, name: text} if text else {key: value for key, value in TINY.items() if key != name}
    with pytest.raises(OSError, match=rf"goodbooks-10k\.zip is damaged.*{message}.*Delete it"):
        put(members)


def test_an_offline_error_says_where_to_put_the_archive(tmp_path, monkeypatch):
    monkeypatch.setattr(goodbooks, "_BASE_URL", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(OSError, match="goodbooks-10k could not be downloaded") as caught:
        fetch_goodbooks(data_home=tmp_path)
    assert f"save it as {tmp_path / 'goodbooks' / 'goodbooks-10k.zip'}" in str(caught.value)
