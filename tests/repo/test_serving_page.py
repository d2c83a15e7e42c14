"""The page about serving: its graph, and the files for vector databases in their documented formats."""

import json
import re

import numpy as np
import pytest

from markdown_examples import run_examples
from repository import ROOT

PAGE = ROOT / "docs" / "serving.md"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    for module in ("onnx", "onnxruntime", "pyarrow"):
        pytest.importorskip(module, reason=f"needs {module}")
    folder = tmp_path_factory.mktemp("serving")
    return run_examples(PAGE, folder), folder


def test_the_graph_takes_what_the_page_says_and_predicts_as_the_model(page):
    printed = page[0]["A graph without Python"].printed.splitlines()
    assert f"```text\n{printed[0]}\n" in PAGE.read_text(encoding="utf-8")
    assert printed[1] == printed[2]


def test_the_table_for_pgvector_has_a_row_for_each_item(page):
    found, folder = page
    names = found["pgvector"].names
    rows = [line.split("\t") for line in (folder / "films.tsv").read_text().splitlines()]
    assert [int(item) for item, _ in rows] == names["ids"].tolist()
    # Numbers between brackets, with commas; the spaces that Python writes are allowed.
    assert all(re.fullmatch(r"\[[-+0-9.e]+(, [-+0-9.e]+)*\]", vector) for _, vector in rows)
    np.testing.assert_array_equal(np.array([json.loads(v) for _, v in rows], dtype=np.float32), names["vectors"])
    statement = (folder / "search.sql").read_text()
    query = np.array(json.loads(re.match(r"\\set user '(.+?)'\n", statement)[1]), dtype=np.float32)
    np.testing.assert_array_equal(query, names["user"])
    assert f"vector vector({len(query)})" in PAGE.read_text(encoding="utf-8")


def test_the_requests_to_qdrant_have_its_fields(page):
    found, folder = page
    names = found["Qdrant"].names
    collection, points, query = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("collection", "points", "query")
    )
    assert collection == {"vectors": {"size": 17, "distance": "Dot"}}
    batch = points["batch"]
    assert set(batch) == {"ids", "vectors", "payloads"}
    assert all(type(item) is int and item >= 0 for item in batch["ids"])
    assert {len(part) for part in batch.values()} == {30}
    assert {len(vector) for vector in batch["vectors"]} == {17}
    np.testing.assert_array_equal(np.array(batch["vectors"], dtype=np.float32), names["vectors"])
    assert len(query["query"]) == 17


def test_the_table_of_parquet_has_what_went_to_the_databases(page):
    found, folder = page
    table = pytest.importorskip("pandas", reason="needs pandas").read_parquet(folder / "films.parquet")
    names = found["Qdrant"].names
    assert table["id"].tolist() == names["ids"].tolist()
    np.testing.assert_array_equal(np.stack(table["vector"]), names["vectors"])
