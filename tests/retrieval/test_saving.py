"""Files that hold an index."""

import datetime

import numpy as np
import pytest

from fastfm_ext.model_io import ModelFileError
from fastfm_ext.retrieval import ItemIndex


class TestFiles:
    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    @pytest.mark.parametrize(
        "ids",
        [
            None,
            [5, -(2**63)],
            ["ä", "\ud800\0"],
            [("a", 1, (2.5, True)), "a"],
            [True, 2],
            [0.1, float("inf")],
            [2**70, 3],
        ],
        ids=["default", "int64", "str", "tuples", "bool", "float", "large int"],
    )
    def test_round_trip(self, tmp_path, ids, mmap):
        index = ItemIndex().fit([[1.0, 0.5], [0.25, 3.0]], ids)
        index.save(tmp_path / "index.fm")
        loaded = ItemIndex.load(tmp_path / "index.fm", mmap=mmap)
        assert loaded.ids.dtype == index.ids.dtype
        assert [(type(i), i) for i in loaded.ids.tolist()] == [(type(i), i) for i in index.ids.tolist()]
        for one, other in zip(index.search([1.0, 1.0]), loaded.search([1.0, 1.0]), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_a_mapped_index_can_be_changed(self, tmp_path):
        ItemIndex().fit(np.eye(2)).save(tmp_path / "index.fm")
        index = ItemIndex.load(tmp_path / "index.fm", mmap=True).add([[3.0, 3.0]], [2]).remove([0])
        assert index.search([1.0, 0.0], n=2)[0].tolist() == [2, 1]

    def test_an_emptied_index_can_be_saved(self, tmp_path):
        ItemIndex().fit(np.eye(2)).remove([0, 1]).save(tmp_path / "index.fm")
        assert ItemIndex.load(tmp_path / "index.fm", mmap=True).add([[3.0, 3.0]], ["a"]).ids.tolist() == ["a"]

    def test_ids_that_no_file_can_hold(self, tmp_path):
        index = ItemIndex().fit(np.eye(2), ids=["a", datetime.date(2020, 1, 1)])
        with pytest.raises(TypeError, match=r"index\.ids\[1\] is a datetime\.date, which a model file cannot hold"):
            index.save(tmp_path / "index.fm")
        assert list(tmp_path.iterdir()) == []

    def test_a_subclass_is_not_saved_because_it_would_not_come_back(self, tmp_path):
        class FilmIndex(ItemIndex):
            pass

        with pytest.raises(TypeError, match="index must be one of ItemIndex, got a FilmIndex"):
            FilmIndex().fit(np.eye(2)).save(tmp_path / "index.fm")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_without_an_index(self, tmp_path):
        (tmp_path / "notes.txt").write_text("hello")
        with pytest.raises(ModelFileError, match="not a fastfm-ext model file"):
            ItemIndex.load(tmp_path / "notes.txt")


def test_a_file_keeps_the_parameters(tmp_path):
    index = ItemIndex(n_jobs=2, target_recall=0.9).fit(np.eye(2))
    index.save(tmp_path / "index.fm")
    loaded = ItemIndex.load(tmp_path / "index.fm")
    assert (loaded.n_jobs, loaded.target_recall) == (2, 0.9)
