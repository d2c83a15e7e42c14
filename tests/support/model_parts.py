"""Parts of a model file with any state, and ways to write and change such files, for the tests of both."""

import json
import zipfile

import numpy as np
import pytest

from fastfm_ext.model_io import load_model, save_model, saved


class Weights:
    """A part that can be saved, with any state."""

    def __init__(self, meta=None, **arrays):
        self.meta = meta or {}
        self.arrays = arrays

    def _to_state(self):
        return self.meta, self.arrays

    @classmethod
    def _from_state(cls, meta, arrays):
        return cls(meta, **arrays)


class Picky(Weights):
    """A part that looks at its state when it is loaded."""

    @classmethod
    def _from_state(cls, meta, arrays):
        if meta["size"] != len(arrays["w"]):
            raise ZeroDivisionError("no sense in this")
        return cls(meta, **arrays)


@pytest.fixture(autouse=True)
def registered_parts(monkeypatch):
    """Let these classes be saved and loaded in every slot."""
    classes = {slot: {**known, "Weights": __name__, "Picky": __name__} for slot, known in saved._CLASSES.items()}
    monkeypatch.setattr(saved, "_CLASSES", classes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.fm"


def save_and_load(path, part, **options):
    save_model(path, part)
    return load_model(path, **options).model


def example():
    return Weights({"tol": 1e-4, "names": ["a", "b"]}, w=np.arange(40.0, dtype=np.float32), V=np.ones((40, 3), "<f4"))


def rewrite(path, change_manifest=lambda manifest: None, members=None, compression=zipfile.ZIP_STORED):
    """Write the file anew, with valid checksums, a changed manifest and other members."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(contents["manifest.json"])
    changed = change_manifest(manifest)
    contents["manifest.json"] = json.dumps(manifest if changed is None else changed).encode()
    contents.update(members or {})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)
