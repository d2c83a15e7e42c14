"""Models are saved to and loaded from file objects that the caller has opened."""

import gzip
import io
import os

import numpy as np
import pytest

from fastfm_ext import FMRegressor, ModelFileError, load_model, save_model

X = np.eye(4)


@pytest.fixture(scope="module")
def model():
    return FMRegressor(n_factors=2, random_state=0).fit(X, X[:, 0])


def assert_same(loaded, model):
    np.testing.assert_array_equal(loaded.model.predict(X), model.predict(X))


def test_a_file_in_memory_holds_the_bytes_of_a_file_on_disk(model, tmp_path):
    file = io.BytesIO()
    save_model(file, model)
    save_model(tmp_path / "model.fm", model)
    assert file.getvalue() == (tmp_path / "model.fm").read_bytes()
    assert_same(load_model(file), model)
    assert_same(load_model(io.BytesIO(file.getvalue())), model)
    assert not file.closed


@pytest.mark.parametrize("buffering", [-1, 0])
def test_an_open_file_stays_open(model, tmp_path, buffering):
    with open(tmp_path / "model.fm", "w+b", buffering=buffering) as file:
        save_model(file, model)
        assert_same(load_model(file), model)
        assert not file.closed
    with open(tmp_path / "model.fm", "rb", buffering=buffering) as file:
        assert_same(load_model(file), model)


def test_a_file_that_compresses_and_a_pipe(model, tmp_path):
    with gzip.open(tmp_path / "model.gz", "wb") as file:
        save_model(file, model)
    with gzip.open(tmp_path / "model.gz", "rb") as file:
        assert_same(load_model(file), model)
    source, target = os.pipe()
    with os.fdopen(source, "rb") as reader:
        with os.fdopen(target, "wb") as writer:
            save_model(writer, model)
        assert_same(load_model(reader), model)


def test_what_stands_before_the_model_is_kept(model):
    file = io.BytesIO()
    file.write(b"a header of 21 bytes.")
    save_model(file, model)
    assert file.getvalue().startswith(b"a header of 21 bytes.")
    assert_same(load_model(file), model)


@pytest.mark.parametrize("call", [lambda file, model: save_model(file, model), lambda file, _: load_model(file)])
@pytest.mark.parametrize(
    ("file", "message"),
    [(io.StringIO(), "open in text mode; open it in binary mode"), (3, "a path or a binary file object; got 3")],
)
def test_other_objects_are_refused(model, call, file, message):
    with pytest.raises(TypeError, match=message):
        call(file, model)


def test_a_file_object_cannot_be_mapped(model):
    file = io.BytesIO()
    save_model(file, model)
    with pytest.raises(ValueError, match="mmap=True needs the path"):
        load_model(file, mmap=True)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_errors_name_what_the_object_is_called(content, tmp_path):
    with pytest.raises(ModelFileError, match=r"^BytesIO: "):
        load_model(io.BytesIO(content))
    (tmp_path / "model.fm").write_bytes(content)
    with open(tmp_path / "model.fm", "rb") as file, pytest.raises(ModelFileError, match=r"model\.fm: "):
        load_model(file)


def test_nothing_is_written_if_the_model_cannot_be_saved():
    file = io.BytesIO()
    with pytest.raises(TypeError, match="must be one of"):
        save_model(file, 3)
    assert not file.getvalue()
