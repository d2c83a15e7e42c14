import errno
import os
import stat
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import model_parts
from fastfm_ext.fm import FMClassifier, FMRegressor
from fastfm_ext.model_io import SavedModel, container, load_model, save_model
from fastfm_ext.retrieval import ItemIndex
from model_parts import Weights, example, save_and_load

# pytest finds fixtures among the names of the test's module.
path, registered_parts = model_parts.path, model_parts.registered_parts


class TestSave:
    def test_parts_come_back_under_their_names(self, path):
        save_model(path, Weights({"a": 1}), encoder=Weights({"b": 2}))
        saved = load_model(path)
        assert type(saved) is SavedModel
        assert (saved.model.meta, saved.encoder.meta, saved.index) == ({"a": 1}, {"b": 2}, None)

    def test_the_same_model_gives_the_same_bytes(self, tmp_path):
        for name in ("one", "two"):
            save_model(tmp_path / name, example())
        assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

    def test_nothing_to_save(self, path):
        with pytest.raises(ValueError, match="at least one of model, encoder and index"):
            save_model(path)

    @pytest.mark.parametrize("part", [3, type("Weights", (Weights,), {})(), "FMRegressor"])
    def test_other_classes_are_refused(self, path, part):
        with pytest.raises(TypeError, match=r"encoder must be one of FMEncoder, Weights, Picky, got an? \w+\."):
            save_model(path, encoder=part)

    def test_a_missing_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            save_model(tmp_path / "absent" / "model.fm", example())

    @pytest.mark.parametrize("existing", [b"the old model", None], ids=["replaced", "new"])
    def test_a_failed_save_leaves_the_folder_as_it_was(self, path, monkeypatch, existing):
        if existing:
            path.write_bytes(existing)

        def fail(descriptor):
            raise OSError(errno.ENOSPC, "disk full")

        monkeypatch.setattr(container.os, "fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            save_model(path, example())
        assert [p.read_bytes() for p in path.parent.iterdir()] == ([existing] if existing else [])

    def test_an_existing_file_is_replaced_while_it_is_mapped(self, path):
        if sys.platform == "win32":
            pytest.skip("Windows does not replace a mapped file")
        old = save_and_load(path, Weights(w=np.zeros(1000)), mmap=True)
        assert save_and_load(path, Weights(w=np.ones(1000))).arrays["w"].all()
        assert not old.arrays["w"].any()

    @pytest.mark.skipif(os.name == "nt", reason="needs POSIX links and permissions")
    def test_a_link_stays_a_link_and_others_may_read(self, tmp_path, path):
        link = tmp_path / "latest.fm"
        link.symlink_to(path)
        mask = os.umask(0o022)
        try:
            save_model(link, example())
        finally:
            os.umask(mask)
        assert link.is_symlink()
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.skipif(not hasattr(FMRegressor, "_to_state"), reason="the estimators have no state to save yet")
@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
class TestEstimators:
    @pytest.mark.parametrize(
        ("model", "y"),
        [
            (FMRegressor(n_factors=3, max_iter=2, random_state=0), np.linspace(0, 1, 30)),
            (FMRegressor(n_factors=0, max_iter=2, tol=0.0, random_state=0), np.linspace(0, 1, 30)),
            (FMClassifier(n_factors=3, max_iter=2, random_state=0), np.arange(30) % 2 == 0),
            (FMClassifier(n_factors=3, max_iter=2, random_state=0), np.array(["a", "b", "c"])[np.arange(30) % 3]),
        ],
        ids=["regressor", "no factors", "binary", "multiclass"],
    )
    def test_a_loaded_model_has_the_same_parameters_and_predictions(self, path, model, y, mmap):
        X = np.random.default_rng(0).normal(size=(30, 6))
        model = clone(model).fit(X, y)
        loaded = save_and_load(path, model, mmap=mmap)
        assert type(loaded) is type(model)
        assert loaded.get_params() == model.get_params()
        assert loaded.history_ == model.history_
        predict = "predict" if isinstance(model, FMRegressor) else "predict_proba"
        np.testing.assert_array_equal(getattr(loaded, predict)(X), getattr(model, predict)(X))
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))

    def test_a_loaded_model_can_learn_on(self, path, mmap):
        X = np.random.default_rng(0).normal(size=(30, 6))
        y = X[:, 0] * X[:, 1]
        model = FMRegressor(n_factors=3, max_iter=2, random_state=0).fit(X, y)
        loaded = save_and_load(path, model, mmap=mmap)
        np.testing.assert_allclose(loaded.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X), rtol=1e-4)

    def test_model_and_index_in_one_file(self, path, mmap):
        X = np.eye(6, dtype=np.float32)
        model = FMRegressor(n_factors=3, max_iter=2, random_state=0).fit(np.tile(X, (5, 1)), np.arange(30.0))
        save_model(path, model, index=ItemIndex().fit(model.item_vector(X), ids=list("abcdef")))
        saved = load_model(path, mmap=mmap)
        ids, _ = saved.index.search(saved.model.user_vector(X[:2]), n=6)
        assert sorted(ids[0]) == list("abcdef")
        assert ItemIndex.load(path, mmap=mmap).ids.tolist() == list("abcdef")

    def test_an_unfitted_model_is_not_saved(self, path, mmap):
        with pytest.raises(NotFittedError):
            save_model(path, FMRegressor())
        assert not path.exists()
