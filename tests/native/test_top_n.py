"""The search kernel against sorting all inner products in float64, on every instruction set."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastfm_ext import _engine
from fastfm_ext._engine import search as _top_n
from fastfm_ext._engine.search import ItemLists, PackedItems, top_n


def brute_force(users, items, n, may_get):
    """Positions and scores by sorting everything; `may_get` is a matrix of truth values."""
    scores = np.where(may_get, users.astype(np.float64) @ items.astype(np.float64).T, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    best = np.take_along_axis(scores, order, axis=1)
    missing = n - order.shape[1]
    order = np.pad(np.where(best > -np.inf, order, -1), ((0, 0), (0, missing)), constant_values=-1)
    return order, np.pad(best, ((0, 0), (0, missing)), constant_values=-np.inf).astype(np.float32)


def lists_of(matrix, may_get):
    indptr = np.concatenate([[0], np.cumsum(matrix.sum(axis=1))]).astype(np.int64)
    return ItemLists(indptr, np.nonzero(matrix)[1].astype(np.int32), may_get)


def check(users, items, n, *, lists=None, allowed=None, n_threads=1):
    users, items = np.float32(users), np.float32(items)
    may_get = np.ones((len(users), len(items)), dtype=bool)
    if lists is not None:
        listed, keep = lists
        may_get = listed if keep else ~listed
        lists = lists_of(listed, keep)
    expected = brute_force(users, items, n, may_get & (True if allowed is None else allowed))
    found = top_n(users, PackedItems.of(items), n, lists, allowed, n_threads)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_allclose(found[1], expected[1], rtol=2e-7)


def normal(seed, n_users, n_items, d):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_users, d)), rng.normal(size=(n_items, d)) * rng.gamma(2, size=(n_items, 1))


@st.composite
def searches(draw):
    n_items, n_users, d = draw(st.integers(1, 150)), draw(st.integers(1, 16)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.integers(0, 3))
    items = rng.integers(-spread, spread + 1, (n_items, d))
    users = rng.integers(-spread, spread + 1, (n_users, d))
    listed = rng.random((n_users, n_items)) < draw(st.sampled_from([0.0, 0.05, 0.5, 1.0]))
    allowed = rng.random(n_items) < draw(st.sampled_from([0.2, 1.0]))
    return users, items, draw(st.integers(1, 30)), (listed, draw(st.booleans())), allowed


@given(searches())
@settings(max_examples=100, deadline=None)
def test_ties_go_to_the_first_items_whoever_may_get_what(search):
    users, items, n, lists, allowed = search
    in_use = _engine.isa_in_use()
    try:
        for isa in _engine.supported_isas():
            _engine.use_isa(isa)
            check(users, items, n, lists=lists, allowed=allowed)
    finally:
        _engine.use_isa(in_use)


@pytest.mark.usefixtures("isa")
class TestRanking:
    @pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 8, 16, 17, 31, 64, 65, 128, 200])
    def test_all_widths(self, d):
        check(*normal(d, 15, 700, d), 10)

    @pytest.mark.parametrize("n_items", [1, 2, 31, 32, 33, 64, 100, 1000, 4097])
    def test_all_numbers_of_items(self, n_items):
        check(*normal(n_items, 14, n_items, 6), 12)

    @pytest.mark.parametrize("n_users", [1, 2, 4, 5, 11, 12, 13, 16, 17, 25, 300])
    def test_all_numbers_of_users(self, n_users):
        check(*normal(n_users, n_users, 500, 9), 7)

    @pytest.mark.parametrize("n", [1, 2, 50, 499, 500, 501, 2000])
    def test_all_numbers_of_results(self, n):
        check(*normal(n, 6, 500, 5), n)

    @pytest.mark.parametrize("n", [100, 900, 1500])
    def test_hundreds_of_results_of_thousands_of_items(self, n):
        check(*normal(n, 14, 4000, 9), n)

    def test_no_users(self):
        positions, scores = top_n(np.empty((0, 3), np.float32), PackedItems.of(np.ones((5, 3), np.float32)), 4)
        assert positions.shape == scores.shape == (0, 4)

    @pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 1e15, 1e-30])
    def test_thousands_of_equal_items_come_in_their_order(self, value):
        check(np.ones((14, 3)), np.full((3000, 3), value), 10)

    @pytest.mark.parametrize("n", [10, 20, 100])
    def test_no_sample_of_items_misleads(self, n):
        # The best lie in every so many panels, which for one of the strides are those that limits are guessed from.
        panels, items = np.arange(64 * 32) // 32, np.empty((64 * 32, 2))
        items[:, 0] = np.random.default_rng(n).random(len(items))
        items[:, 1] = 1000 - 0.1 * np.arange(len(items))  # the longest come first
        for stride in (64 // 2, 64 // 3, 64 // 8):
            chosen = items.copy()
            chosen[panels % stride == stride // 2, 0] += 1
            check([[1, 0], [1, 1e-9], [-1, 0]], chosen, n)

    def test_duplicates_of_the_best_items_come_in_their_order(self):
        users, items = normal(0, 20, 400, 8)
        check(users, np.tile(items, (5, 1)), 12)

    def test_a_difference_below_the_rounding_of_float32_decides(self):
        # In float32 the large terms cancel to noise; the item at 700 is best by the small term only.
        items = np.tile([[3e7, -3e7, 1.0]], (1000, 1))
        items[700, 2] = 2.0
        check(np.ones((13, 3)), items, 5)

    def test_scores_that_differ_in_float64_only_are_ranked(self):
        rng = np.random.default_rng(3)
        items = np.stack([np.ones(2000), rng.permutation(2000) * 2.0**-40], axis=1)
        check(np.ones((3, 2)), items, 20)

    @pytest.mark.parametrize("size", [1e-38, 1e-30, 1e-20, 1e15, 1e17])
    def test_values_near_the_limits_of_float32(self, size):
        users, items = normal(1, 13, 600, 5)
        check(users, items * size, 9)
        check(users * size, items, 9)

    def test_products_too_small_for_float32_are_ranked(self):
        users, items = normal(2, 13, 600, 5)
        positions, scores = top_n(np.float32(users * 1e-30), PackedItems.of(np.float32(items * 1e-30)), 9)
        expected = brute_force(np.float32(users * 1e-30), np.float32(items * 1e-30), 9, True)
        np.testing.assert_array_equal(positions, expected[0])
        assert not scores.any()

    def test_one_enormous_item_among_small_ones(self):
        users, items = normal(4, 30, 2000, 7)
        items[17] *= 1e10
        check(users, items, 10)

    def test_the_longest_items_may_all_be_excluded(self):
        users, items = normal(5, 25, 3000, 6)
        seen = np.zeros((25, 3000), dtype=bool)
        seen[:, np.argsort(-np.linalg.norm(items, axis=1))[:1500]] = True
        check(users, items, 10, lists=(seen, False))

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.11, 0.13, 0.6, 1.0])
    @pytest.mark.parametrize("keep", [False, True], ids=["exclude", "restrict"])
    def test_lists_of_every_length(self, share, keep):
        users, items = normal(6, 30, 900, 11)
        check(users, items, 8, lists=(np.random.default_rng(6).random((30, 900)) < share, keep))

    def test_nothing_allowed_gives_no_result(self):
        check(*normal(7, 14, 300, 4), 5, allowed=np.zeros(300, dtype=bool))


@pytest.mark.usefixtures("isa")
class TestIndependence:
    def test_users_get_the_same_bits_alone_and_in_a_batch(self):
        users, items = map(np.float32, normal(8, 64, 600, 17))
        packed = PackedItems.of(items)
        together = top_n(users, packed, 4)
        for r in range(64):
            for one, all_of_them in zip(top_n(users[r : r + 1], packed, 4), together, strict=True):
                np.testing.assert_array_equal(one[0], all_of_them[r])

    @pytest.mark.parametrize("n_threads", [2, 3, 200])
    def test_the_number_of_threads_changes_nothing(self, n_threads):
        users, items = normal(9, 100, 5000, 33)
        seen = np.random.default_rng(9).random((100, 5000)) < 0.02
        check(users, items, 10, lists=(seen, False), n_threads=n_threads)

    def test_calls_for_a_few_users_each_change_nothing(self, monkeypatch):
        monkeypatch.setattr(_top_n, "PRODUCTS_PER_CALL", 20_000)
        users, items = normal(10, 50, 800, 5)
        check(users, items, 6, lists=(np.random.default_rng(10).random((50, 800)) < 0.05, False))


def test_all_instruction_sets_give_the_same_bits():
    users, items = map(np.float32, normal(12, 40, 3000, 21))
    packed, in_use, found = PackedItems.of(items), _engine.isa_in_use(), []
    try:
        for isa in _engine.supported_isas():
            _engine.use_isa(isa)
            found.append(top_n(users, packed, 100))
    finally:
        _engine.use_isa(in_use)
    for positions, scores in found[1:]:
        np.testing.assert_array_equal(positions, found[0][0])
        np.testing.assert_array_equal(scores, found[0][1])


def test_items_are_laid_out_longest_first_and_padded_with_zeros():
    items = np.float32([[1, 0], [0, 3], [2, 2]])
    packed = PackedItems.of(items)
    assert packed.positions.tolist() == [1, 2, 0] + [-1] * 29
    assert packed.norms.tolist() == [3.0]
    np.testing.assert_array_equal(packed.panels[0, :, :4], [[0, 2, 1, 0], [3, 2, 0, 0]])
    assert not packed.panels[0, :, 3:].any()


def test_items_of_many_panels_are_laid_out_alike():
    items = np.random.default_rng(11).normal(size=(5000, 40)).astype(np.float32)
    packed = PackedItems.of(items)
    in_order = packed.panels.transpose(0, 2, 1).reshape(-1, 40)
    np.testing.assert_array_equal(in_order[:5000], items[packed.positions[:5000]])
    assert (np.diff(packed.norms) <= 0).all()


def assert_halves_are_searched_exactly(users, items, n, **how):
    """See that items in float16 give the bits of the same numbers in float32."""
    users, halves = np.float32(users), np.float16(items)
    found, expected = (top_n(users, PackedItems.of(vectors), n, **how) for vectors in (halves, np.float32(halves)))
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.usefixtures("isa")
class TestHalves:
    @pytest.mark.parametrize("d", [1, 3, 7, 8, 9, 16, 17, 65, 200])
    @pytest.mark.parametrize("n_users", [1, 3, 30])
    def test_give_the_bits_of_the_same_numbers_in_float32(self, d, n_users):
        assert_halves_are_searched_exactly(*normal(d, n_users, 700, d), 10)

    def test_of_every_finite_number(self):
        numbers = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        numbers = numbers[np.isfinite(numbers)][:, None]
        assert_halves_are_searched_exactly([[1.0], [-3.0]], numbers, 2000)
        chosen = [np.arange(len(numbers)) % 9 == 0]
        assert_halves_are_searched_exactly([[1.0]], numbers, len(numbers), lists=lists_of(np.array(chosen), True))

    def test_of_equal_items_come_in_their_order(self):
        assert_halves_are_searched_exactly(np.ones((14, 3)), np.tile(normal(0, 1, 400, 3)[1], (5, 1)), 12)

    def test_in_lists_are_searched_alike(self):
        users, items = normal(3, 20, 900, 17)
        users, halves = np.float32(users), np.float16(items)
        lists = np.random.default_rng(3).integers(0, 12, 900).astype(np.int32)
        probes = np.tile(np.arange(0, 12, 2, dtype=np.int32), (20, 1))
        packed = (PackedItems.in_lists(vectors, lists, 12) for vectors in (halves, np.float32(halves)))
        found, expected = (top_n(users, items, 10, probes=probes) for items in packed)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
        assert (lists[found[0]] % 2 == 0).all()
