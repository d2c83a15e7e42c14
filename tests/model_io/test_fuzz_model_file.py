"""A short run of the fuzzer of model files, and what longer runs have found."""

import random
import warnings
import zipfile

import numpy as np
import pytest

import fuzz_load_model
from fastfm_ext import FMClassifier, FMEncoder, ModelFileError, load_model, save_model
from model_parts import rewrite

CLASSES = ("FMRegressor", "FMClassifier", "FMEncoder")


def test_mutated_files_are_refused_or_give_parts_that_answer(tmp_path):
    with warnings.catch_warnings():
        assert fuzz_load_model.fuzz(tmp_path, seconds=20, rounds=600, seed=5, classes=CLASSES) == []


def test_mutations_change_files_and_repacking_leaves_valid_checksums(tmp_path):
    (content,) = fuzz_load_model.seeds(tmp_path, ("FMEncoder",))
    rng = random.Random(0)
    assert sum(fuzz_load_model.changed(content, rng, [content]) != content for _ in range(20)) > 15
    path = tmp_path / "repacked.fm"
    reasons = []
    for _ in range(30):
        path.write_bytes(fuzz_load_model.repacked(content, rng, [content]))
        try:
            load_model(path)
        except ModelFileError as error:
            reasons.append(str(error))
    assert reasons
    assert not any("checksum" in reason for reason in reasons)


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
def test_class_names_of_characters_that_do_not_exist_are_refused(tmp_path, mmap):
    path = tmp_path / "model.fm"
    model = FMClassifier(n_factors=1, max_iter=1, random_state=0).fit(np.eye(2), ["a", "b"])
    save_model(path, model)
    _, arrays = model._to_state()
    (name,) = (name for name, array in arrays.items() if array.dtype.kind == "U")
    with zipfile.ZipFile(path) as archive:
        content = archive.read(f"model/{name}.npy")
    header = content[: content.index(b"\n") + 1]
    rewrite(path, members={f"model/{name}.npy": header + b"\xff" * arrays[name].nbytes})
    with pytest.raises(ModelFileError, match="text of no known characters"):
        load_model(path, mmap=mmap)


@pytest.mark.parametrize("number", [-1, 2, 2**31 - 1])
def test_a_feature_of_no_field_is_refused_before_anything_counts_to_it(tmp_path, number):
    encoder = FMEncoder(user=["x", "y"]).fit({"x": [1], "y": [1]}).partial_fit({"x": [2], "y": [1]})
    meta, arrays = encoder._to_state()
    arrays["fields"][-1] = number
    with pytest.raises(ValueError, match="fields of the features do not fit"):
        FMEncoder._from_state(meta, arrays)
