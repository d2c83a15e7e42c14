"""The lock that many readers share and a writer has alone."""

import threading
import time

from fastfm_ext._common.shared_lock import SharedLock


def test_readers_share_and_a_writer_is_alone():
    lock, inside, seen = SharedLock(), set(), []
    both_read = threading.Barrier(2, timeout=10)

    def read():
        with lock.reading():
            both_read.wait()  # only passes with two readers inside
            inside.add("reader")
            inside.discard("reader")

    def write(name):
        with lock.writing():
            seen.append(set(inside))
            inside.add(name)
            time.sleep(0.01)
            inside.discard(name)

    readers = [threading.Thread(target=read) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for thread in (*readers, *writers):
        thread.start()
    for thread in (*readers, *writers):
        thread.join(10)
    assert seen == [set()] * 3


def test_a_waiting_writer_goes_before_readers_that_come_later():
    lock, order = SharedLock(), []
    reading, leave = threading.Event(), threading.Event()

    def first():
        with lock.reading():
            reading.set()
            leave.wait(10)

    def write():
        with lock.writing():
            order.append("writer")

    def late():
        with lock.reading():
            order.append("reader")

    threads = [threading.Thread(target=target) for target in (first, write, late)]
    threads[0].start()
    reading.wait(10)
    threads[1].start()
    while not lock._n_waiting:
        time.sleep(0.001)
    threads[2].start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["writer", "reader"]


def test_an_error_inside_leaves_the_lock_free():
    lock = SharedLock()
    for access in (lock.reading, lock.writing):
        try:
            with access():
                raise ValueError
        except ValueError:
            pass
    with lock.writing():
        pass
