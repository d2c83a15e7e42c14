"""CSV files: cells as they are written, and types that hold for all files."""

import bz2
import gzip
import lzma

import numpy as np
import pytest

from fastfm_ext import FMClassifier, FMEncoder, categorical, crossed, numeric
from fastfm_ext.encoding import binned, multi
from fastfm_ext.streaming import CsvSource

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

N_MANY = 150_000  # rows of more than the first megabyte


def write(path, *lines):
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def columns(path, encoder=None, target="y", **options):
    """All rows of a file, column by column."""
    source = CsvSource(path, encoder, target=target, **options)
    at_once = source.read()
    again = CsvSource(path, encoder, target=target, **options)
    assert pa.concat_tables(again.tables()).combine_chunks() == at_once
    return at_once.to_pydict()


def test_ids_are_what_was_written(tmp_path):
    ids = [
        "007",
        "7",
        "0007",
        "987654321098765401",
        "987654321098765402",
        "",
        "guest",
        "NA",
        "null",
        "1.0",
        "1e3",
        " 7",
    ]
    found = columns(write(tmp_path / "a.csv", "user,y", *(f"{user},1" for user in ids)))
    assert found["user"] == [user or None for user in ids]


@pytest.mark.parametrize("late", ["guest", "", "007", "0.5x"])
def test_a_late_cell_changes_nothing_for_the_others(tmp_path, late):
    path = write(tmp_path / "a.csv", "user,y", *(f"{k % 50},1" for k in range(N_MANY)), f"{late},1")
    encoder = FMEncoder(user=["user"])
    for table in CsvSource(path, target="y").tables():
        encoder.partial_fit(table)
    assert encoder.n_features_out_ == 50 + bool(late)
    assert set(encoder.get_feature_names_out()) >= {f"user={k}" for k in range(50)}


def test_only_the_empty_cell_is_missing_unless_others_are_named(tmp_path):
    path = write(tmp_path / "a.csv", "x,country,y", "1.5,NA,1", ",,2", '"","-",3', "0.5,DE,4")
    assert columns(path)["country"] == ["NA", None, "-", "DE"]
    assert columns(path)["x"] == [1.5, None, None, 0.5]
    assert columns(path, missing=["NA", "-"])["country"] == [None, None, None, "DE"]
    with pytest.raises(TypeError, match=r"missing must be a list of strings; did you mean missing=\['NA'\]"):
        CsvSource(path, target="y", missing="NA")


def test_an_undeclared_column_is_of_numbers_if_all_cells_are_and_some_have_a_fraction(tmp_path):
    path = write(
        tmp_path / "a.csv", "whole,fraction,late,text,nan,y", *["1,0.5,1,1.5,0.5,1"] * N_MANY, "2,.5,1.5,a,nan,2"
    )
    found = CsvSource(path, target="y").read().schema
    kinds = {field.name: field.type for field in found}
    numbers, text = pa.float64(), pa.string()
    assert kinds == {"whole": text, "fraction": numbers, "late": numbers, "text": text, "nan": text, "y": pa.int64()}


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        (["1", " 2"], [1, 2]),
        (["1", "b", "1.0"], ["1", "b", "1.0"]),
        (["True", "false"], ["True", "false"]),
        ([str(2**63), "1"], [2.0**63, 1.0]),
        (["1", "nan"], ["1", "nan"]),
    ],
)
def test_the_target_is_of_numbers_if_every_cell_is(tmp_path, cells, found):
    path = write(tmp_path / "a.csv", "x,y", *(f"1,{cell}" for cell in cells))
    assert columns(path)["y"] == found
    y = np.concatenate([batch.y for batch in CsvSource(path, FMEncoder(user=["x"]).fit({"x": [1]}), target="y")])
    assert y.tolist() == found


def test_types_hold_for_all_files(tmp_path):
    write(tmp_path / "a.csv", "user,x,y", "1,1,1", "2,2,2")
    write(tmp_path / "b.csv", "user,x,y", "guest,2.5,3.5")
    found = columns(tmp_path)
    assert found == {"user": ["1", "2", "guest"], "x": [1.0, 2.0, 2.5], "y": [1.0, 2.0, 3.5]}


def test_the_encoder_says_which_columns_are_numbers(tmp_path):
    path = write(tmp_path / "a.csv", "user,age,height,tags,w,y", "1,20,170,1|2,1,0", "1.5,,180,2,2,1")
    encoder = FMEncoder(user=["user", numeric("age"), crossed("age", "user")], item=[binned("height"), multi("tags")])
    found = columns(path, encoder, sample_weight="w")
    assert found == {
        "user": ["1", "1.5"],
        "age": [20.0, None],
        "height": [170.0, 180.0],
        "tags": ["1|2", "2"],
        "w": [1.0, 2.0],
        "y": [0, 1],
    }
    encoder = FMEncoder(user=[categorical("user"), numeric("age")]).fit(CsvSource(path, encoder, target="y").read())
    (batch,) = CsvSource(path, encoder, target="y", sample_weight="w")
    assert batch.X.nnz == 2
    assert batch.sample_weight.tolist() == [1.0, 2.0]


def test_types_can_be_named(tmp_path):
    path = write(tmp_path / "a.csv", "age,when,y", "20,2024-01-01,1")
    found = columns(path, types={"age": pa.float64(), "when": pa.timestamp("s"), "y": pa.string()})
    assert (found["age"], str(found["when"][0]), found["y"]) == ([20.0], "2024-01-01 00:00:00", ["1"])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("abc", r"a\.csv: column 'age', data row 3: 'abc' is not a number\. Name such a cell as missing"),
        ("nan", r"data row 3: 'nan' is not a number"),
        ("1_0", r"'1_0' is not a number"),
    ],
)
def test_a_cell_that_is_no_number_is_named(tmp_path, cell, message):
    path = write(tmp_path / "a.csv", "age,y", "1,1", ",1", f"{cell},1")
    source = CsvSource(path, FMEncoder(user=[numeric("age")]), target="y")
    with pytest.raises(ValueError, match=message):
        source.read()
    with pytest.raises(ValueError, match=message):
        list(source.tables())
    assert columns(path, source.encoder, missing=[cell])["age"] == [1.0, None, None]


def test_truth_values_may_stand_in_a_column_of_numbers(tmp_path):
    path = write(tmp_path / "a.csv", "paid,y", "True,1", "false,1")
    assert columns(path, FMEncoder(user=[numeric("paid")]))["paid"] == [1.0, 0.0]


def test_text_without_a_header(tmp_path):
    path = write(tmp_path / "a.csv", "007,a,1", "8,b,2")
    assert columns(path, header=False, target="3") == {"1": ["007", "8"], "2": ["a", "b"], "3": [1, 2]}
    assert columns(path, names=["user", "item", "y"]) == {"user": ["007", "8"], "item": ["a", "b"], "y": [1, 2]}
    with pytest.raises(ValueError, match=r"a\.csv: .*Expected 2 columns, got 3"):
        columns(path, names=["user", "y"])


def test_quotes_line_breaks_and_byte_order_marks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffuser,"a ""name""",y\r\n"x\ny","1,5",1\r\n\r\nz,,2\r\n'.encode())
    assert columns(path) == {"user": ["x\ny", "z"], 'a "name"': ["1,5", None], "y": [1, 2]}


def test_compressed_text(tmp_path):
    (tmp_path / "a.tsv.xz").write_bytes(lzma.compress(b"user\ty\n007\t1\n"))
    assert columns(tmp_path / "a.tsv.xz") == {"user": ["007"], "y": [1]}


@pytest.mark.parametrize("pack", [gzip, lzma, bz2], ids=lambda pack: pack.__name__)
def test_a_compressed_file_that_was_cut_short_is_named(tmp_path, pack):
    whole = pack.compress(b"user,y\n" + b"".join(b"%d,1\n" % (k * k) for k in range(50_000)))
    path = tmp_path / {"gzip": "a.csv.gz", "lzma": "a.csv.xz", "bz2": "a.csv.bz2"}[pack.__name__]
    path.write_bytes(whole[: len(whole) // 2])
    for read in (lambda source: source.read(), lambda source: list(source.tables())):
        with pytest.raises((ValueError, OSError), match=r"a\.csv\.\w+: "):
            read(CsvSource(path, target="y"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", r"a\.csv: the file is empty"),
        (b"user,user,y\n1,2,3\n", r"a\.csv: more than one column is named 'user'"),
        (b"user,y\n1,2\n3\n", r"a\.csv: .*Expected 2 columns, got 1"),
        (b"user,y\n1,2,3\n", r"a\.csv: .*Expected 2 columns, got 3"),
        (b"user,y\n\xff,1\n", r"a\.csv: .*UTF8"),
    ],
)
def test_malformed_text_is_refused(tmp_path, text, message):
    (tmp_path / "a.csv").write_bytes(text)
    with pytest.raises(ValueError, match=message):
        CsvSource(tmp_path, target="y").read()


def test_labels_of_text_are_trained_on(tmp_path):
    lines = [f"{k % 2},{'yes' if k % 2 else 'no'}" for k in range(200)]
    path = write(tmp_path / "a.csv", "user,y", *lines)
    encoder = FMEncoder(user=["user"]).fit({"user": ["0", "1"]})
    model = FMClassifier(n_factors=2, random_state=0).fit_stream(
        CsvSource(path, encoder, target="y"), 5, classes=["no", "yes"]
    )
    assert model.predict(encoder.transform({"user": [0, 1]})).tolist() == ["no", "yes"]


def test_the_names_of_folders_tell_values(tmp_path):
    for user in ("007", "7.5", "a%20b", "__HIVE_DEFAULT_PARTITION__"):
        (tmp_path / f"user={user}").mkdir()
        write(tmp_path / f"user={user}" / "part.csv", "item,y", "1,2")
    found = columns(tmp_path)
    assert found["user"] == ["007", "7.5", None, "a b"]
    encoder = FMEncoder(user=["user"]).fit({"user": ["007", "7.5"]})
    X = [batch.X.toarray().tolist() for batch in CsvSource(tmp_path, encoder, target="y")]
    assert X == [[[1, 0]], [[0, 1]], [[0, 0]], [[0, 0]]]
