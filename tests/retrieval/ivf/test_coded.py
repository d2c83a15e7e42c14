"""The approximate index whose items are codes: recall, memory, and changes of items."""

import lzma
import subprocess
import sys

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import FMRegressor
from fastfm_ext.retrieval import ItemIndex
from index_cases import ITEMS, N_ITEMS, USERS, assert_refused_from_a_file, recall, tuned_index

pytest.importorskip("faiss", reason="needs faiss-cpu")

KINDS = ["sq8", "pq"]
HELD_OUT = USERS[400:]


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
def index(kind, keeps):
    return tuned_index(f"{kind} and vectors" if keeps else f"{kind} alone")


@pytest.fixture
def of_both(kind):
    """An index of codes that ranks by vectors."""
    return tuned_index(f"{kind} and vectors")


@pytest.fixture
def of_codes(kind):
    """An index of codes alone."""
    return tuned_index(f"{kind} alone")


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
    def test_without_vectors_scores_are_near(self, of_codes, kind):
        ids, scores = of_codes.search(USERS[:50], n=20)
        products = np.einsum("ud,und->un", USERS[:50], ITEMS[ids])
        assert np.abs(scores - products).mean() < {"sq8": 0.01, "pq": 0.1}[kind] * np.abs(products).mean()
        assert (np.diff(scores, axis=1) <= 0).all()


class TestMemory:
    def test_codes_take_what_is_said(self, of_both, of_codes, kind):
        whole = ItemIndex("ivf").fit(ITEMS).tune(USERS).bytes_per_item_
        with_vectors, alone = (index.bytes_per_item_ for index in (of_both, of_codes))
        assert with_vectors - alone == 8 * 4
        assert alone < with_vectors < whole
        code = {"sq8": 8, "pq": 4}[kind] + 8 + 4  # with faiss' number of the item, and that of its list
        lists = of_codes._items.searches["ivf"].lists
        of_codec = {"sq8": 2 * 8, "pq": 256 * 8}[kind] * 4
        of_lists = lists.nbytes + 4 * 8 * len(lists)
        assert alone == pytest.approx(code + (of_lists + of_codec) / N_ITEMS)

    def test_vectors_are_dropped_when_asked_for_the_recall_and_not_by_a_search(self):
        index = ItemIndex("ivf", quantizer="sq8", keep_vectors=False, target_recall=0.5).fit(ITEMS)
        before = index.bytes_per_item_
        ids, _ = index.search(USERS)
        assert index.bytes_per_item_ == before
        np.testing.assert_array_equal(index.tune(USERS).search(USERS)[0], ids)
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

    def test_what_remains_without_seen_items_is_nearly_the_best(self, of_both, exact):
        seen = list(exact.search(USERS[:60], n=80)[0])
        found, best = (i.search(USERS[:60], n=20, exclude=seen)[0] for i in (of_both, exact))
        assert recall(found, best) > 0.9

    def test_a_short_choice_of_each_user_is_looked_at_item_by_item(self, index, exact, keeps):
        chosen = sparse.random_array((50, N_ITEMS), density=0.01, rng=np.random.default_rng(3), format="csr")
        sets = {"only_by_user": chosen, "only": np.arange(N_ITEMS) % 5 > 0}
        found, best = (i.search(USERS[:50], n=5, **sets) for i in (index, exact))
        if keeps:
            np.testing.assert_array_equal(found[0], best[0])
        assert recall(found[0], best[0]) > 0.85

    def test_more_items_than_there_are_fill_up_with_none(self, kind):
        ids, scores = ItemIndex("ivf", quantizer=kind).fit(ITEMS[:3]).search(USERS[:5], n=6)
        assert (np.sort(ids, axis=1) == [-1, -1, -1, 0, 1, 2]).all()
        assert np.isneginf(scores[:, 3:]).all()


class TestChange:
    def test_removed_items_leave_the_codes_of_the_others_as_they_were(self, index):
        before = index.search(USERS[0], n=20)
        index.remove(before[0][::2].tolist())
        ids, scores = index.search(USERS[0], n=10)
        np.testing.assert_array_equal(ids, before[0][1::2])
        np.testing.assert_allclose(scores, before[1][1::2], rtol=1e-6)

    def test_an_item_far_beyond_the_codes_is_found_or_refused(self, keeps):
        index, far = tuned_index("sq8 and vectors" if keeps else "sq8 alone"), 20 * USERS[:1]
        if keeps:
            assert index.add(far, [-5]).search(USERS[0], n=1)[0].tolist() == [-5]
        else:
            with pytest.raises(
                ValueError, match=r"item_vectors\[0\] lies so far from all that the index was fitted on"
            ):
                index.add(far, [-5])
            assert -5 not in index


class TestCopiesAndFiles:
    def test_loading_names_the_extra_where_faiss_is_missing(self, tmp_path):
        tuned_index("sq8 alone").save(tmp_path / "index.fm")
        code = (
            "import sys; sys.modules['faiss'] = None\n"
            "from fastfm_ext.retrieval import ItemIndex\n"
            f"try: ItemIndex.load({str(tmp_path / 'index.fm')!r})\n"
            "except ImportError as error: print(error)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert 'the extra "retrieval" of fastfm-ext: pip install "faiss-cpu>=' in run.stdout

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
        assert_refused_from_a_file(of_codes, damage, tmp_path / "index.fm", monkeypatch)


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
