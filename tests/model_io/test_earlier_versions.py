"""Files that earlier versions have saved still load, and answer as they did."""

import json

import numpy as np
import pytest

import saved_models
from fastfm_ext import load_model

VERSIONS = sorted(path for path in saved_models.FOLDER.iterdir() if path.is_dir())
FILES = [path for version in VERSIONS for path in sorted(version.glob("*.fm"))]


def file_id(path):
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
@pytest.mark.parametrize("path", FILES, ids=file_id)
def test_a_saved_file_answers_as_it_did(path, mmap):
    expected = json.loads((path.parent / saved_models.ANSWERS).read_text(encoding="utf-8"))[path.name]
    found = saved_models.answers(load_model(path, mmap=mmap))
    assert found.keys() == expected.keys()
    for what, value in found.items():
        if value and isinstance(np.ravel(value)[0], str):
            assert value == expected[what]
        else:
            np.testing.assert_allclose(value, expected[what], rtol=1e-4, atol=1e-5, err_msg=what)


@pytest.mark.parametrize("path", [path for path in FILES if path.stem in ("squared-sgd", "logistic-ftrl")], ids=file_id)
def test_training_goes_on_from_a_saved_file(path):
    model = load_model(path).model
    X, y = saved_models.golden_cases.X, saved_models.golden_cases.Y
    before = model.history_["train_loss"][-1]
    for _ in range(3):
        model.partial_fit(X, y if path.stem.startswith("squared") else y > 3)
    assert model.history_["train_loss"][-1] < before


def test_every_version_has_saved_every_kind_of_part():
    assert VERSIONS
    for version in VERSIONS:
        names = {path.stem for path in version.glob("*.fm")}
        assert {"encoder", "index", "squared-adagrad", "one-against-the-rest-adagrad", "warp-adagrad"} <= names
