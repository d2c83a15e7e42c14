"""The page about Spark runs, and shows what it prints."""

import re

import pytest

from markdown_examples import run_examples
from page_data import LOADERS
from repository import ROOT

PAGE = ROOT / "docs" / "spark.md"


@pytest.fixture(scope="module")
def page(spark, tmp_path_factory):
    pytest.importorskip("pandas", reason="needs pandas")
    try:
        LOADERS["movielens-100k"]()
    except OSError:
        pytest.skip("no movielens-100k on this machine")
    folder = tmp_path_factory.mktemp("page")
    # Java, which does not follow Python to another folder, writes the files of the page.
    hadoop = spark._jvm.org.apache.hadoop.fs
    storage = hadoop.FileSystem.get(spark.sparkContext._jsc.hadoopConfiguration())
    before = storage.getWorkingDirectory()
    storage.setWorkingDirectory(hadoop.Path(str(folder)))
    yield run_examples(PAGE, folder, {"spark": spark}), folder
    storage.setWorkingDirectory(before)


def test_the_encoder_and_its_vectors_are_shown_as_they_are(page):
    shown, _, _ = page[0]["From raw columns to a model"].printed.partition("only showing")
    assert shown.count("\n") > 5
    assert f"```text\n{shown}```" in PAGE.read_text(encoding="utf-8")


def test_the_model_predicts_as_well_as_the_page_says(page):
    printed = page[0]["From raw columns to a model"].printed
    claimed = float(re.search(r"RMSE of about ([\d.]+)", PAGE.read_text(encoding="utf-8"))[1])
    assert float(re.search(r"RMSE ([\d.]+)", printed)[1]) == pytest.approx(claimed, abs=0.01)


def test_users_get_the_best_films_that_they_have_not_rated(page):
    found, folder = page
    section = found["The best items of all users"]
    rows = re.findall(r"^\| +(\d+)\| +(\d+)\| *(.+)\| *([\d.]+)\|$", section.printed, re.M)
    assert [(user, rank) for user, rank, _, _ in rows] == [(user, rank) for user in "12" for rank in "123"]
    scores = [float(score) for _, _, _, score in rows]
    assert all(sorted(scores[of : of + 3], reverse=True) == scores[of : of + 3] for of in (0, 3))
    rated = section.names["training"].filter("user_id < 3").select("user_id", "title").collect()
    assert {(row["user_id"], row["title"]) for row in rated}.isdisjoint((int(u), title) for u, _, title, _ in rows)
    assert list((folder / "film-vectors").glob("*.parquet"))
