"""Orders of visits: every row once, in random blocks, and the same where they are made ahead."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext._engine import orders
from fastfm_ext._engine.orders import OrdersAhead, block_orders
from fastfm_ext._validation.matrices import canonical_csr
from kernel_cases import random_rows


def orders_of_epoch(csr, rng):
    return np.concatenate(list(block_orders(csr, rng)))


@pytest.mark.parametrize("n_rows", [1, 2, 60, 20_000])
def test_the_block_order_visits_every_row_once_and_in_blocks(n_rows, monkeypatch):
    monkeypatch.setattr(orders, "ORDERED_ROWS", 7_000)
    rng = np.random.default_rng(12)
    csr = canonical_csr(sp.csr_array(random_rows(rng, n_rows=n_rows).astype(np.float32)))
    first, second = (orders_of_epoch(csr, rng) for _ in range(2))
    for order in (first, second):
        np.testing.assert_array_equal(np.sort(order), np.arange(n_rows))
    if n_rows > 2:
        assert not np.array_equal(first, second)
    if n_rows == 20_000:  # some 2,500 rows of 5 values fit a block
        jumps = np.abs(np.diff(first))
        assert np.mean(jumps > 5_000) < 0.01
        assert np.median(jumps) > 300


def test_every_place_in_a_block_is_as_likely_for_every_row():
    csr = canonical_csr(sp.csr_array(np.ones((4, 1), dtype=np.float32)))
    rng = np.random.default_rng(13)
    counts = np.zeros((4, 4))
    for _ in range(4_000):
        counts[np.arange(4), orders_of_epoch(csr, rng)] += 1
    # 1,000 expected, standard deviation 27.
    assert np.abs(counts - 1_000).max() < 150


@pytest.mark.parametrize("chunks_at_once", [1, 2])
@pytest.mark.parametrize("cpus", [1, 2])
def test_orders_made_ahead_are_the_same(cpus, chunks_at_once, monkeypatch):
    monkeypatch.setattr(orders, "ORDERED_ROWS", 7_000)
    monkeypatch.setattr(orders.core, "usable_cpus", lambda: cpus)
    csr = canonical_csr(sp.csr_array(np.ones((20_000, 1), dtype=np.float32)))
    rng = np.random.default_rng(3)
    expected = [list(block_orders(csr, rng, chunks_at_once)) for _ in range(3)]
    ahead = OrdersAhead(csr, np.random.default_rng(3), chunks_at_once)
    for parts in expected:
        for found, part in zip(ahead.epoch(), parts, strict=True):
            np.testing.assert_array_equal(found, part)


def makers():
    return {one for one in threading.enumerate() if one.name.startswith("fastfm-ext-orders")}


def test_the_thread_that_makes_orders_ends_with_them(monkeypatch):
    monkeypatch.setattr(orders.core, "usable_cpus", lambda: 2)
    csr, before = canonical_csr(sp.csr_array(np.ones((20_000, 1), dtype=np.float32))), makers()
    ahead = OrdersAhead(csr, np.random.default_rng(3), 1)
    (thread,) = makers() - before
    list(ahead.epoch())
    del ahead
    thread.join(10)
    assert not thread.is_alive()


def test_few_rows_need_no_thread():
    csr, before = canonical_csr(sp.csr_array(np.ones((100, 1), dtype=np.float32))), makers()
    ahead = OrdersAhead(csr, np.random.default_rng(3), 1)
    assert [len(order) for _ in range(3) for order in ahead.epoch()] == [100] * 3
    assert not makers() - before
