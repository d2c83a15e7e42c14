"""Rounds of an epoch."""

import numpy as np
import pytest

from fastfm_ext.spark.training.rounds import FEWEST_ROUNDS, MOST_ROUNDS, ROWS_OF_ROUND, Rounds, Share


@pytest.mark.parametrize(("n_rows", "n"), [(0, 1), (5, 3), (1000, 7)])
def test_shares_hold_each_row_once(n_rows, n):
    order = np.random.default_rng(0).permutation(n_rows)
    shares = [Share(number, n).of(order) for number in range(n)]
    assert np.concatenate(shares).tolist() == order.tolist()
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_small_partitions_visit_a_share_of_each_block():
    rounds = Rounds.of(4, np.array([100, 100]), {0: [0, 1], 1: [0]}, seed=0)
    assert not rounds.blocks
    assert [rounds.share(number) for number in range(4)] == [Share(number, 4) for number in range(4)]
    frame = object()
    assert rounds.blocks_of(frame, epoch=1, number=2) is frame


@pytest.mark.parametrize(
    ("n_partitions", "n_rows", "expected"),
    [
        (1, 10**9, 1),
        (2, 10, FEWEST_ROUNDS),
        (2, 6 * ROWS_OF_ROUND, 6),
        (8, 10**9, MOST_ROUNDS),
    ],
)
def test_the_number_of_rounds_follows_the_rows(n_partitions, n_rows, expected):
    blocks_of = {part: [0, 1] for part in range(n_partitions)}
    assert Rounds.of(None, np.full(n_partitions, n_rows), blocks_of, seed=0).n == expected


def test_large_partitions_visit_each_block_once_an_epoch_in_another_order_each(spark):
    blocks = list(range(20))
    rounds = Rounds.of(5, np.array([100, 100]), {0: blocks, 1: blocks}, seed=0)
    frame = spark.range(20).withColumnRenamed("id", "block")

    def visited(epoch):
        return [sorted(row["block"] for row in rounds.blocks_of(frame, epoch, n).collect()) for n in range(2)]

    assert rounds.share(3) == Share(0, 1)
    first, again, second = visited(1), visited(1), visited(2)
    assert [len(chosen) for chosen in first] == [4, 4]
    assert not set(first[0]) & set(first[1])
    assert first == again != second
