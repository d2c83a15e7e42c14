"""Reading ahead in a thread: items and errors in order, and no further than the depth."""

import threading

import pytest

from fastfm_ext._learning.stream.read_ahead import ReadAhead


def test_read_ahead_hands_on_items_and_errors_in_order():
    def items():
        yield from range(5)
        raise KeyError("sixth")

    with ReadAhead(items(), 2) as reader:
        assert [next(reader) for _ in range(5)] == [0, 1, 2, 3, 4]
        for _ in range(2):
            with pytest.raises(KeyError, match="sixth"):
                next(reader)


def test_read_ahead_reads_no_further_than_its_depth_and_closes_what_it_read_from():
    taken, closed = [], threading.Event()

    def items():
        try:
            for number in range(1000):
                taken.append(number)
                yield number
        finally:
            closed.set()

    with ReadAhead(items(), 3) as reader:
        assert next(reader) == 0
    assert closed.is_set()
    assert len(taken) <= 1 + 3 + 1
