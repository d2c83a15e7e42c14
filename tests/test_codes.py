"""The approximate index whose items are codes: what they cost, what they find, and what happens when items change."""

import copy
import lzma
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import FMRegressor
from fastfm_ext._codes import Codec
from fastfm_ext.model_io import ModelFileError
from fastfm_ext.retrieval import ItemIndex
from index_cases import ITEMS, N_ITEMS, USERS, clustered, recall

pytest.importorskip("faiss", reason="needs faiss-cpu")

KINDS = ["sq8", "pq"]
HELD_OUT = USERS[400:]


def made(quantizer, keep_vectors, target_recall=0.95):
    target = target_recall if keep_vectors or quantizer == "sq8" else 0.7
    index = ItemIndex("ivf", quantizer=quantizer, keep_vectors=keep_vectors, target_recall=target)
    return index.fit(ITEMS).tune(USERS[:400])


@pytest.fixture(scope="module")
def fitted():
    return {(kind, keeps): made(kind, keeps) for kind in KINDS for keeps in (True, False)}


@pytest.fixture(scope="module")
def exact():
    return ItemIndex().fit(ITEMS)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["vectors", "codes alone"])
def keeps(request):
    return request.param


@pytest.fixture
def index(fitted, kind, keeps):
    return copy.deepcopy(fitted[kind, keeps])


@pytest.fixture
def of_codes(fitted, kind):
    """An index of codes alone."""
    return copy.deepcopy(fitted[kind, False])


class TestRecall:
    def test_other_users_than_those_of_the_tuning_get_what_was_measured(self, index, exact):
        found, best = (i.search(HELD_OUT, n=100)[0] for i in (index, exact))
        assert index.target_recall <= index.recall_
        assert recall(found, best) == pytest.approx(index.recall_, abs=0.03)
        assert index.n_probes_ < index.n_lists_

    def test_the_first_search_tunes(self):
        index = ItemIndex("ivf", quantizer="sq8").fit(ITEMS)
        assert index.recall_ is None
        index.search(USERS)
        assert index.recall_ >= 0.95

    def test_codes_that_cannot_reach_the_target_say_so(self):
        index = ItemIndex("ivf", quantizer="pq", keep_vectors=False, target_recall=0.99).fit(ITEMS)
        with pytest.warns(UserWarning, match=r"The codes reach a recall of 0\.\d+, not target_recall=0.99"):
            index.tune(USERS)
        assert index.recall_ < 0.99

    def test_vectors_of_a_trained_model_are_found(self, data_dir, kind):
        with lzma.open(data_dir / "ml-100k" / "u.data.xz", "rt") as file:
            table = np.loadtxt(file, dtype=np.int64, usecols=(0, 1, 2))
        users, films = (np.unique(column, return_inverse=True)[1] for column in table.T[:2])
        n_users, n_films = users.max() + 1, films.max() + 1
        pairs = np.stack([users, n_users + films], axis=1).ravel()
        X = sparse.csr_array((np.ones(len(pairs)), pairs, np.arange(0, len(pairs) + 1, 2)))
        model = FMRegressor(n_factors=16, random_state=0).fit(X, table[:, 2])
        features = sparse.eye_array(n_users + n_films, format="csr")
        vectors, queries = model.item_vector(features[n_users:]), model.user_vector(features[:n_users])
        index = ItemIndex("ivf", quantizer=kind).fit(vectors).tune(queries[::2])
        found, best = (i.search(queries[1::2], n=100)[0] for i in (index, ItemIndex().fit(vectors)))
        assert recall(found, best) > 0.93


class TestScores:
    def test_with_vectors_scores_and_their_order_are_exact(self, fitted, kind):
        ids, scores = fitted[kind, True].search(USERS[:50], n=20)
        products = np.einsum("ud,und->un", np.float32(USERS[:50]), np.float32(ITEMS)[ids], dtype=np.float64)
        np.testing.assert_allclose(scores, products, rtol=1e-6)
        assert (np.diff(products, axis=1) <= 0).all()

    def test_without_vectors_scores_are_near(self, of_codes, kind):
        ids, scores = of_codes.search(USERS[:50], n=20)
        products = np.einsum("ud,und->un", USERS[:50], ITEMS[ids])
        assert np.abs(scores - products).mean() < {"sq8": 0.01, "pq": 0.1}[kind] * np.abs(products).mean()
        assert (np.diff(scores, axis=1) <= 0).all()

    def test_alone_in_a_batch_or_on_threads_a_user_gets_the_same(self, index):
        ids, scores = index.search(USERS[:40], n=7)
        for r in range(40):
            np.testing.assert_array_equal(index.search(USERS[r], n=7)[0], ids[r])
        index.n_jobs = 2
        np.testing.assert_allclose(index.search(USERS[:40], n=7)[1], scores, rtol=1e-6)


class TestMemory:
    def test_codes_take_what_is_said(self, fitted, kind):
        whole = ItemIndex("ivf").fit(ITEMS).tune(USERS).bytes_per_item_
        with_vectors, alone = (fitted[kind, keeps].bytes_per_item_ for keeps in (True, False))
        assert with_vectors - alone == 8 * 4
        assert alone < with_vectors < whole
        code = {"sq8": 8, "pq": 4}[kind] + 8 + 4  # with faiss' number of the item, and that of its list
        lists = fitted[kind, False]._items.searches["ivf"].lists
        of_codec = {"sq8": 2 * 8, "pq": 256 * 8}[kind] * 4
        of_lists = lists.nbytes + 4 * 8 * len(lists)
        assert alone == pytest.approx(code + (of_lists + of_codec) / N_ITEMS)

    def test_vectors_are_dropped_once_recall_was_measured(self):
        index = ItemIndex("ivf", quantizer="sq8", keep_vectors=False, target_recall=0.5).fit(ITEMS)
        before = index.bytes_per_item_
        index.search(USERS)
        assert before - index.bytes_per_item_ == 8 * 4

    def test_what_needs_vectors_says_so(self, of_codes):
        with pytest.raises(ValueError, match="recall is measured against the vectors"):
            of_codes.tune(USERS)
        with pytest.raises(ValueError, match="similar_items needs vectors"):
            of_codes.similar_items([0])


class TestSets:
    @pytest.mark.parametrize("n_seen", [30, 600])
    def test_seen_items_never_come(self, index, exact, n_seen):
        seen = exact.search(USERS[:60], n=n_seen)[0]
        ids, _ = index.search(USERS[:60], n=30, exclude=list(seen))
        assert not any(np.isin(found, known).any() for found, known in zip(ids, seen, strict=True))
        assert (ids >= 0).all()

    def test_what_remains_without_seen_items_is_nearly_the_best(self, fitted, exact, kind):
        seen = list(exact.search(USERS[:60], n=80)[0])
        found, best = (i.search(USERS[:60], n=20, exclude=seen)[0] for i in (fitted[kind, True], exact))
        assert recall(found, best) > 0.9

    def test_lists_are_visited_until_the_wanted_items_are_found(self, index):
        in_stock = np.arange(0, N_ITEMS, 500)
        ids, _ = index.search(USERS, n=len(in_stock), only=in_stock)
        assert (np.sort(ids, axis=1) == in_stock).all()

    def test_a_short_choice_of_each_user_is_looked_at_item_by_item(self, fitted, exact, kind, keeps):
        chosen = sparse.random_array((50, N_ITEMS), density=0.01, rng=np.random.default_rng(3), format="csr")
        sets = {"only_by_user": chosen, "only": np.arange(N_ITEMS) % 5 > 0}
        found, best = (i.search(USERS[:50], n=5, **sets) for i in (fitted[kind, keeps], exact))
        if keeps:
            np.testing.assert_array_equal(found[0], best[0])
        assert recall(found[0], best[0]) > 0.85

    def test_more_items_than_there_are_fill_up_with_none(self, kind):
        ids, scores = ItemIndex("ivf", quantizer=kind).fit(ITEMS[:3]).search(USERS[:5], n=6)
        assert (np.sort(ids, axis=1) == [-1, -1, -1, 0, 1, 2]).all()
        assert np.isneginf(scores[:, 3:]).all()


class TestChange:
    def test_added_updated_and_removed_items_are_searched_as_they_are(self, index):
        new = clustered(500, 5)
        index.add(new, range(N_ITEMS, N_ITEMS + 500)).update(range(100), clustered(100, 6)).remove(range(200, 400))
        vectors = np.concatenate([clustered(100, 6), ITEMS[100:200], ITEMS[400:], new])
        exact = ItemIndex().fit(vectors, ids=[*range(200), *range(400, N_ITEMS + 500)])
        found, best = (i.search(USERS, n=20)[0] for i in (index, exact))
        assert recall(found, best) > (0.9 if index.keep_vectors else 0.6)

    def test_removed_items_leave_the_codes_of_the_others_as_they_were(self, index):
        before = index.search(USERS[0], n=20)
        index.remove(before[0][::2].tolist())
        ids, scores = index.search(USERS[0], n=10)
        np.testing.assert_array_equal(ids, before[0][1::2])
        np.testing.assert_allclose(scores, before[1][1::2], rtol=1e-6)

    def test_an_item_far_beyond_the_codes_is_found_or_refused(self, fitted, keeps):
        index, far = copy.deepcopy(fitted["sq8", keeps]), 20 * USERS[:1]
        if keeps:
            assert index.add(far, [-5]).search(USERS[0], n=1)[0].tolist() == [-5]
        else:
            with pytest.raises(
                ValueError, match=r"item_vectors\[0\] lies so far from all that the index was fitted on"
            ):
                index.add(far, [-5])
            assert -5 not in index

    def test_an_emptied_index_takes_items_again(self, index):
        index.remove(range(N_ITEMS)).add(ITEMS[:3], ["a", "b", "c"])
        assert sorted(index.search(USERS[0], n=3)[0]) == ["a", "b", "c"]


class TestCopiesAndFiles:
    def test_a_pickled_index_searches_alike(self, index):
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(index)).search(USERS)[0], index.search(USERS)[0])

    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    def test_round_trip(self, index, tmp_path, mmap):
        index.save(tmp_path / "index.fm")
        loaded = ItemIndex.load(tmp_path / "index.fm", mmap=mmap)
        assert repr(loaded) == repr(index)
        assert loaded.bytes_per_item_ == index.bytes_per_item_
        for one, other in zip(loaded.search(USERS), index.search(USERS), strict=True):
            np.testing.assert_array_equal(one, other)
        loaded.remove([0]).add(ITEMS[:1], [-1])
        assert len(ItemIndex.load(tmp_path / "index.fm")) == N_ITEMS

    def test_loading_names_the_extra_where_faiss_is_missing(self, fitted, tmp_path):
        fitted["sq8", False].save(tmp_path / "index.fm")
        code = (
            "import sys; sys.modules['faiss'] = None\n"
            "from fastfm_ext.retrieval import ItemIndex\n"
            f"try: ItemIndex.load({str(tmp_path / 'index.fm')!r})\n"
            "except ImportError as error: print(error)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert 'pip install "fastfm-ext[retrieval]"' in run.stdout

    @pytest.mark.parametrize(
        "damage",
        [
            lambda meta, arrays: arrays.update(codes=arrays["codes"][1:]),
            lambda meta, arrays: arrays.update(codes=arrays["codes"].astype(np.int32)),
            lambda meta, arrays: arrays.update(codec=arrays["codec"][1:]),
            lambda meta, arrays: arrays["codec"].__setitem__(0, np.nan),
            lambda meta, arrays: meta.update(quantizer="sq4"),
            lambda meta, arrays: meta.update(quantizer=None, keep_vectors=True),
            lambda meta, arrays: meta.update(keep_vectors=True),
            lambda meta, arrays: meta["ivf"].update(factor=1000),
        ],
        ids=["n", "type", "table", "nan", "quantizer", "none", "no vectors", "factor"],
    )
    def test_a_senseless_state_is_refused(self, of_codes, tmp_path, monkeypatch, damage):
        state = of_codes._to_state()
        damage(*state)
        monkeypatch.setattr(ItemIndex, "_to_state", lambda self: state)
        of_codes.save(tmp_path / "index.fm")
        with pytest.raises(ModelFileError, match="the index cannot be rebuilt"):
            ItemIndex.load(tmp_path / "index.fm")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"kind": "ivf", "quantizer": "sq4"}, r"quantizer must be None, or one of \['sq8', 'pq'\] .* got 'sq4'"),
        ({"kind": "exact", "quantizer": "sq8"}, r'quantizer must be None, or one of .* for kind "ivf", got \'sq8\''),
        ({"kind": "ivf", "keep_vectors": False}, r"keep_vectors must be True, or False with a quantizer, got False"),
        ({"kind": "ivf", "quantizer": "pq", "keep_vectors": 0}, r"keep_vectors must be True, or False"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        ItemIndex(**arguments)


@pytest.mark.parametrize(("kind", "width", "n"), [("sq8", 1, 1), ("sq8", 17, 300), ("pq", 1, 1), ("pq", 17, 300)])
def test_codes_stand_for_vectors_near_those_they_were_made_of(kind, width, n):
    vectors = np.random.default_rng(0).normal(size=(n, width)).astype(np.float32)
    codec = Codec.train(kind, vectors)
    codes = codec.encode(vectors)
    assert (codes.dtype, codes.shape) == (np.uint8, (n, codec.code_size))
    assert codec.decode(codes).shape == vectors.shape
    assert np.abs(codec.decode(codes) - vectors).max() < 0.6
    assert np.abs(codec.decode(codes) - vectors).mean() < {"sq8": 0.01, "pq": 0.15}[kind]
