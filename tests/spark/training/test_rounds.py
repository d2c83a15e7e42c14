"""Rounds of an epoch."""

import numpy as np
import pytest

from fastfm_ext.spark.training.rounds import (
    BYTES_OF_SMALL_MODEL,
    FEWEST_ROUNDS,
    MOST_ROUNDS,
    ROWS_OF_ROUND,
    VISITS_OF_ROUND,
    Contents,
    Rounds,
    Share,
)


def rounds_of(n, n_rows_of, blocks_of, nnz=1000, n_features=10, record_bytes=136):
    contents = Contents(np.array(n_rows_of), blocks_of, nnz, np.arange(n_features))
    return Rounds.of(n, contents, record_bytes, seed=0)


@pytest.mark.parametrize(("n_rows", "n"), [(0, 1), (5, 3), (1000, 7)])
def test_shares_hold_each_row_once(n_rows, n):
    order = np.random.default_rng(0).permutation(n_rows)
    shares = [Share(number, n).of(order) for number in range(n)]
    assert np.concatenate(shares).tolist() == order.tolist()
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_small_partitions_visit_a_share_of_each_block():
    rounds = rounds_of(4, [100, 100], {0: [0, 1], 1: [0]})
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
        (8, 10, 8),
        (8, 10**9, MOST_ROUNDS),
    ],
)
def test_the_number_of_rounds_follows_the_rows(n_partitions, n_rows, expected):
    blocks_of = {part: [0, 1] for part in range(n_partitions)}
    assert rounds_of(None, [n_rows] * n_partitions, blocks_of).n == expected


@pytest.mark.parametrize(("visits", "expected"), [(1, 2), (6 * VISITS_OF_ROUND, 6), (100 * VISITS_OF_ROUND, 10)])
def test_a_large_model_is_merged_less_often(visits, expected):
    n_features, n_workers = BYTES_OF_SMALL_MODEL // 100, 2
    nnz, blocks_of = visits * n_features * n_workers, {0: [0], 1: [0]}
    rounds = rounds_of(None, [10 * ROWS_OF_ROUND] * 2, blocks_of, nnz, n_features, record_bytes=136)
    assert rounds.n == expected


def test_large_partitions_visit_each_block_once_an_epoch_in_another_order_each(spark):
    blocks = list(range(20))
    rounds = rounds_of(5, [100, 100], {0: blocks, 1: blocks})
    frame = spark.range(20).withColumnRenamed("id", "block")

    def visited(epoch):
        return [sorted(row["block"] for row in rounds.blocks_of(frame, epoch, n).collect()) for n in range(2)]

    assert rounds.share(3) == Share(0, 1)
    first, again, second = visited(1), visited(1), visited(2)
    assert [len(chosen) for chosen in first] == [4, 4]
    assert not set(first[0]) & set(first[1])
    assert first == again != second
