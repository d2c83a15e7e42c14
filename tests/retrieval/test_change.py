"""Changes of an index: items added, updated and removed."""

import contextlib
import copy
import os
import pickle
import threading

import numpy as np
import pytest

from fastfm_ext.retrieval import ItemIndex


class TestChange:
    def test_added_items_are_found_after_the_others(self):
        index = ItemIndex().fit(np.eye(2), ids=["a", "b"]).add([[1.0, 0.0], [5.0, 5.0]], ids=["c", "d"])
        assert index.ids.tolist() == ["a", "b", "c", "d"]
        assert index.search([1.0, 0.0], n=4)[0].tolist() == ["d", "a", "c", "b"]

    def test_removed_items_are_not_found(self):
        index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=[10, 20, 30]).remove([10, 10])
        assert index.search(np.ones(3), n=3)[0].tolist() == [20, 30, -1]
        assert 10 not in index
        assert 20 in index
        assert len(index) == 2
        assert index.add([[9.0, 0.0, 0.0]], [10]).ids.tolist() == [20, 30, 10]

    def test_updated_items_keep_their_places_and_get_their_new_vectors(self):
        index = ItemIndex().fit(np.diag([3.0, 2.0, 1.0]), ids=["a", "b", "c"])
        assert index.search(np.ones(3), n=1)[0].tolist() == ["a"]
        index.update(["c", "a"], [[9.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
        assert index.ids.tolist() == ["a", "b", "c"]
        ids, scores = index.search(np.ones(3), n=3)
        assert (ids.tolist(), scores.tolist()) == (["c", "a", "b"], [9.0, 2.0, 2.0])

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda index: index.add(np.eye(2), ["c", "a"]), r"ids already in the index: 'a'"),
            (lambda index: index.add(np.eye(2), ["c", "c"]), r"ids must be unique, but 'c'"),
            (lambda index: index.add(np.eye(2), ["c"]), r"ids has 1 entries for 2 item_vectors"),
            (lambda index: index.add(np.eye(3), ["c", "d", "e"]), r"item_vectors has 3 columns"),
            (
                lambda index: index.remove(["a", *"bcdefgh"]),
                r"ids not in the index: 'c', 'd', .* and 1 more",
            ),
            (lambda index: index.update(["c"], np.eye(2)[:1]), r"ids not in the index: 'c'"),
            (lambda index: index.update(["a", "a"], np.eye(2)), r"ids must be unique, but 'a'"),
            (lambda index: index.update(["a"], np.eye(2)), r"ids has 1 entries for 2 item_vectors"),
            (lambda index: index.update(["a"], np.eye(3)[:1]), r"item_vectors has 3 columns"),
        ],
    )
    def test_a_failed_change_leaves_the_index_as_it_was(self, change, match):
        index = ItemIndex().fit(np.eye(2), ids=["a", "b"])
        with pytest.raises(ValueError, match=match):
            change(index)
        assert index.ids.tolist() == ["a", "b"]
        assert index.search([2.0, 1.0], n=2)[0].tolist() == ["a", "b"]

    def test_before_fit_the_index_has_no_items(self):
        assert len(ItemIndex()) == 0
        assert 1 not in ItemIndex()
        assert repr(ItemIndex()) == "ItemIndex(kind='exact')"


def test_changes_by_two_threads_at_once_are_both_kept(monkeypatch):
    index = ItemIndex().fit(np.eye(2))
    both_under_way = threading.Barrier(2)
    derive = ItemIndex._searches

    def slow(*arguments):
        with contextlib.suppress(threading.BrokenBarrierError):
            both_under_way.wait(0.3)
        return derive(*arguments)

    monkeypatch.setattr(ItemIndex, "_searches", slow)
    threads = [threading.Thread(target=index.add, args=(np.eye(1, 2), [new])) for new in (5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(index.ids.tolist()) == [0, 1, 5, 6]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_process_forked_while_a_thread_changes_the_index_can_change_and_search_it():
    index = ItemIndex().fit(np.eye(2))
    with index._changing.writing():  # as by a thread that is not there in the child
        child = os.fork()
        if child == 0:
            os._exit(0 if index.add([[3.0, 0.0]], [7]).search([1.0, 0.0], n=1)[0].tolist() == [7] else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_a_copied_index_can_be_changed():
    for duplicate in (copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))):
        index = ItemIndex().fit(np.eye(2))
        duplicate(index).remove([0])
        assert len(index) == 2
