"""Progress of a streamed fit: rows, speed and time left."""

import pytest

from fastfm_ext.streaming import StreamProgress
from stream_cases import BUFFER_ROWS, N_ROWS, batches, make, rows


@pytest.fixture(scope="module")
def data():
    return rows()


def test_progress_tells_rows_speed_and_time_left(data, capsys):
    X, y = data[0], data[1] > 0
    seen = []
    make(verbose=1).fit_stream(batches(X, y, 100), 2, buffer_rows=BUFFER_ROWS, progress=seen.append)
    assert [p.rows for p in seen] == [*range(200, 1500, 200), 1500] * 2
    assert [p.epoch for p in seen] == [1] * 8 + [2] * 8
    first, second = seen[0], seen[8]
    assert first.n_rows is None
    assert first.seconds_left is None
    assert second.n_rows == N_ROWS
    assert second.rows_per_second > 0
    assert second.seconds_left == pytest.approx(1300 / second.rows_per_second)
    printed = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in printed] == ["epoch   1/2", "epoch   2/2"]


def test_progress_as_text():
    assert str(StreamProgress(2, 3, 500, 1000, 10.0)) == "epoch   2/3  500 rows of 1,000  10 rows/s  0:02:30 left"
    assert str(StreamProgress(1, 3, 500, None, 10.0)) == "epoch   1/3  500 rows  10 rows/s"
