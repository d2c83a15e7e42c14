"""Batches from files: the rows of every form, in the order of the names, and errors that name the file."""

import bz2
import gzip
import os
import subprocess

import numpy as np
import pandas as pd
import pytest

from fastfm_ext import FMClassifier, FMEncoder, FMRegressor, numeric
from fastfm_ext.streaming import CsvSource, LibffmSource, LibsvmSource, ParquetSource
from fastfm_ext.text_formats import write_libffm, write_libsvm
from stream_cases import assert_same_states, batches, make, rows

N_FILES, ROWS_OF_A_FILE = 3, 500


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    n = N_FILES * ROWS_OF_A_FILE
    return pd.DataFrame(
        {
            "user": [f"u{number}" for number in rng.integers(0, 30, n)],
            "film": rng.integers(0, 20, n),
            "age": rng.normal(40, 10, n).round(1),
            "stars": rng.integers(1, 6, n).astype(float),
            "weight": rng.random(n).round(3),
        }
    )


def parts(frame):
    return [frame[first : first + ROWS_OF_A_FILE] for first in range(0, len(frame), ROWS_OF_A_FILE)]


@pytest.fixture(scope="module")
def tables(frame, tmp_path_factory):
    """Folders of Parquet and CSV files, and an encoder."""
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    folder = tmp_path_factory.mktemp("tables")
    (folder / "deeper").mkdir()
    for number, part in enumerate(parts(frame)):
        part.to_parquet(folder / f"{number}.parquet", row_group_size=130)
        part.to_csv(folder / f"{number}.csv", index=False)
        (folder / "deeper" / f"{number}.tsv.gz").write_bytes(gzip.compress(part.to_csv(index=False, sep="\t").encode()))
    (folder / "_SUCCESS.parquet").touch()
    (folder / ".hidden.csv").touch()
    return folder, FMEncoder(user=["user", numeric("age")], item=["film"]).fit(frame)


def fit_in_memory(encoder, frame):
    model = make(FMRegressor, shuffle=False, early_stopping=False, max_iter=2)
    return model.fit(encoder.transform(frame), frame["stars"], sample_weight=frame["weight"])


@pytest.mark.parametrize("kind", [ParquetSource, CsvSource])
def test_a_folder_of_tables_gives_the_rows_in_order(frame, tables, kind):
    folder, encoder = tables
    where = folder if kind is ParquetSource else [folder / f"{number}.csv" for number in range(N_FILES)]
    source = kind(where, encoder, target="stars", sample_weight="weight", batch_rows=200)
    model = make(FMRegressor, shuffle=False).fit_stream(source, 2)
    assert_same_states(model, fit_in_memory(encoder, frame))


def test_the_folder_s_own_files_are_left_out_and_deeper_ones_are_not(frame, tables):
    folder, encoder = tables
    csv = CsvSource(folder, encoder, target="stars")
    assert [path.removeprefix(f"{folder}/") for path in csv.paths] == [
        "0.csv",
        "1.csv",
        "2.csv",
        "deeper/0.tsv.gz",
        "deeper/1.tsv.gz",
        "deeper/2.tsv.gz",
    ]
    assert sum(len(table) for table in csv.tables()) == 2 * len(frame)


def test_parquet_batches_are_of_one_size_whatever_the_row_groups(frame, tables):
    folder, encoder = tables
    source = ParquetSource(folder, encoder, target="stars", batch_rows=200)
    found = list(source)
    assert [batch.X.shape[0] for batch in found] == [200, 200, 100] * N_FILES
    assert (len(source), source.n_rows) == (len(found), len(frame))
    assert found[1].where == f"{folder / '0.parquet'}, rows 201 to 400"


def test_an_encoder_can_learn_from_the_tables_as_they_stream(frame, tables):
    folder, _ = tables
    encoder = FMEncoder(user=["user"], item=["film"])
    users, films = set(), set()
    for table in ParquetSource(folder, target="stars", batch_rows=200).tables():
        users |= set(table["user"].to_pylist())
        films |= set(table["film"].to_pylist())
    encoder.fit(pd.DataFrame({"user": sorted(users), "film": (sorted(films) * 2)[: len(users)]}))
    source = ParquetSource(folder, encoder, target="stars")
    assert next(iter(source)).X.shape[1] == encoder.n_features_out_ == len(users) + len(films)


def test_without_an_encoder_columns_are_features_as_they_are(frame, tables, tmp_path):
    pd.DataFrame({"a": [1.0, 2.0], "b": [3, 4], "y": ["no", "yes"]}).to_parquet(tmp_path / "numbers.parquet")
    (batch,) = ParquetSource(tmp_path, target="y")
    np.testing.assert_array_equal(batch.X, [[1, 3], [2, 4]])
    assert batch.y.tolist() == ["no", "yes"]
    FMClassifier().fit_stream(ParquetSource(tmp_path, target="y"))
    with pytest.raises(ValueError, match=r"0.parquet: could not convert string to float: 'u\d+'"):
        list(ParquetSource(tables[0], target="stars"))


def test_a_function_can_stand_for_the_encoder(tables):
    source = ParquetSource(tables[0], lambda table: table["age"].to_numpy()[:, None], target="stars")
    assert next(iter(source)).X.shape == (ROWS_OF_A_FILE, 1)


def test_csv_is_given_in_batches_of_at_most_so_many_rows(tmp_path):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "a.csv").write_text("user,y\n" + "17,1\n" * 300_000 + "x17,1\n")
    source = CsvSource(tmp_path, target="y", batch_rows=1000)
    assert sum(len(table) for table in source.tables()) == 300_001
    assert max(len(table) for table in source.tables()) == 1000


@pytest.mark.parametrize(
    ("kind", "name", "pack"),
    [(LibsvmSource, "a.libsvm", None), (LibsvmSource, "a.txt.gz", gzip), (LibffmSource, "a.ffm.bz2", bz2)],
)
def test_text_gives_the_rows_that_were_written(tmp_path, kind, name, pack):
    X, y = rows(n_rows=400)
    target = pack.open(tmp_path / name, "wb") if pack else (tmp_path / name).open("wb")
    with target as file:
        if kind is LibffmSource:
            write_libffm(file, X, y, fields=X.indices // 20)
        else:
            write_libsvm(file, X, y)
    source = kind(tmp_path, n_features=X.shape[1], zero_based=True, batch_rows=77)
    model = make(FMRegressor).fit_stream(source, 2)
    assert_same_states(model, make(FMRegressor).fit_stream(batches(X, y.astype(np.float32), 100), 2))
    assert source.n_rows is None


@pytest.mark.parametrize(("kind", "entry"), [(LibsvmSource, "{}:1"), (LibffmSource, "0:{}:1")])
def test_files_have_one_base(tmp_path, kind, entry):
    for name, ids in (("0.txt", range(10)), ("1.txt", range(1, 10)), ("2.txt", range(3, 8))):
        (tmp_path / name).write_text("".join(f"{i} {entry.format(i)}\n" for i in ids))
    # The files' labels are their ids.
    whole, parts = kind(tmp_path), kind([tmp_path / "1.txt", tmp_path / "2.txt"])
    for source in (whole, parts, kind(tmp_path, zero_based="auto")):
        assert source.is_zero_based
        assert all((batch.y == batch.X.indices).all() for batch in source)
    for zero_based in ("auto", False):
        source = kind([tmp_path / "1.txt", tmp_path / "2.txt"], zero_based=zero_based)
        assert not source.is_zero_based
        assert all((batch.y == batch.X.indices + 1).all() for batch in source)
    (tmp_path / "empty.txt").write_text("1\n")
    assert not kind([tmp_path / "empty.txt", tmp_path / "1.txt"], zero_based="auto").is_zero_based
    with pytest.raises(ValueError, match='zero_based="auto" guesses'):
        kind(tmp_path, zero_based="auto", n_features=10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_once(tmp_path):
    X, y = rows(n_rows=400)
    write_libsvm(tmp_path / "a.libsvm", X, y)
    os.mkfifo(tmp_path / "pipe")

    def fit(n_epochs, **options):
        with subprocess.Popen(f"cat {tmp_path}/a.libsvm > {tmp_path}/pipe", shell=True):
            source = LibsvmSource(tmp_path / "pipe", n_features=X.shape[1])
            return make(FMRegressor).fit_stream(source, n_epochs, **options)

    wanted = make(FMRegressor).fit_stream(LibsvmSource(tmp_path / "a.libsvm", n_features=X.shape[1]))
    assert_same_states(fit(1), wanted)
    assert fit(3, cache=tmp_path).n_iter_ == 3
    with pytest.raises(ValueError, match="pipe is a pipe, which can be read only once"):
        fit(2)
    for kind in (CsvSource, ParquetSource):
        with pytest.raises(ValueError, match="write it to a file first"):
            kind(tmp_path / "pipe", target="y")


def test_an_error_of_a_file_names_it_though_it_is_read_ahead(tmp_path, tables):
    (tmp_path / "0.libsvm").write_text("1 0:1\n0 1:1\n" * 500)
    (tmp_path / "1.libsvm").write_text("1 0:1\n0 1:one\n")
    source = LibsvmSource(tmp_path, n_features=2, zero_based=True)
    with pytest.raises(ValueError, match=r"1\.libsvm.*2"):
        FMClassifier().fit_stream(source, buffer_rows=100)
    folder, encoder = tables
    content = (folder / "2.parquet").read_bytes()
    broken = tmp_path / "3.parquet"
    middle = len(content) // 4
    broken.write_bytes(content[:middle] + bytes(200) + content[middle + 200 :])
    source = ParquetSource([folder / "0.parquet", broken], encoder, target="stars", batch_rows=50)
    with pytest.raises((ValueError, OSError), match=r"3\.parquet"):
        FMRegressor().fit_stream(source, buffer_rows=100)


def test_a_value_that_cannot_be_trained_on_names_its_file_and_rows(frame, tables, tmp_path):
    frame = frame.copy()
    frame.loc[130, "stars"] = np.nan
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet, rows 101 to 150: .*y contains NaN"):
        FMRegressor().fit_stream(ParquetSource(tmp_path, tables[1], target="stars", batch_rows=50), buffer_rows=60)


@pytest.mark.parametrize(
    ("make_source", "error", "message"),
    [
        (lambda folder: ParquetSource(folder / "none", target="y"), FileNotFoundError, "no file or folder '.*none'"),
        (lambda folder: ParquetSource([], target="y"), FileNotFoundError, "paths names no file"),
        (lambda folder: ParquetSource(folder, target="y"), FileNotFoundError, r"holds no file \*\.parquet, \*\.pq"),
        (lambda folder: ParquetSource(folder / "a.txt", target="y"), ValueError, r"a\.txt: "),
        (lambda folder: list(CsvSource(folder / "a.txt", target="y")), ValueError, r"a\.txt: there is no column 'y'"),
        (lambda folder: LibsvmSource(folder, batch_rows=0), ValueError, "batch_rows must be an integer of at least 1"),
    ],
)
def test_sources_that_cannot_be_are_refused(tmp_path, make_source, error, message):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    (tmp_path / "a.txt").write_text("hello, world\nhow are, you\n")
    with pytest.raises(error, match=message):
        make_source(tmp_path)


def test_a_column_that_is_missing_is_named(tables):
    folder, encoder = tables
    with pytest.raises(ValueError, match=r"0\.parquet: there is no column 'rating', only 'user', 'film'"):
        list(ParquetSource(folder, encoder, target="rating"))


def test_a_checkpoint_is_of_its_files(tables, tmp_path):
    folder, encoder = tables
    settings = {"checkpoint": tmp_path / "fit.fastfm", "checkpoint_every": 0.0}
    FMRegressor(random_state=0).fit_stream(ParquetSource(folder, encoder, target="stars"), **settings)
    fewer = ParquetSource(folder / "0.parquet", encoder, target="stars")
    with pytest.raises(ValueError, match=r"batches was 'ParquetSource: 0\.parquet of \d+ bytes, 1\.parquet"):
        FMRegressor(random_state=0).fit_stream(fewer, **settings)
