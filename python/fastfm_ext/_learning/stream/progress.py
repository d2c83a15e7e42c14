"""How far a streamed fit is: what a progress bar needs, and lines for those who have none."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

# A line at most this often, in seconds.
_LINE_EVERY = 10.0


@dataclass(frozen=True)
class StreamProgress:
    """How far a streamed fit is.

    Attributes
    ----------
    epoch, n_epochs : int
        The present epoch, from 1, and the most there will be.
    rows : int
        Rows of the present epoch that have been trained on.
    n_rows : int or None
        Rows of an epoch; None before anybody knows.
    rows_per_second : float
        Since the present epoch began or was taken up again.
    loss : float
        Mean loss of the rows of the last buffer, each before its own step: in the first epoch, of rows that the model
        has not seen.
    seconds_left : float or None
        At this speed, for all epochs; None as long as `n_rows` is.

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMRegressor
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> seen = []
    >>> model = FMRegressor(n_factors=2, random_state=0)
    >>> _ = model.fit_stream(lambda: iter([(X, X[:, 0])]), n_epochs=2, progress=seen.append)
    >>> seen[-1].epoch, seen[-1].rows
    (2, 500)
    """

    epoch: int
    n_epochs: int
    rows: int
    n_rows: int | None
    rows_per_second: float
    loss: float = math.nan

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at this speed."""
        if self.n_rows is None or self.rows_per_second <= 0:
            return None
        rows_left = max(self.n_rows - self.rows, 0) + (self.n_epochs - self.epoch) * self.n_rows
        return rows_left / self.rows_per_second

    def __str__(self) -> str:
        parts = [f"epoch {self.epoch:3d}/{self.n_epochs}", f"{self.rows:,} rows"]
        if self.n_rows:
            parts[1] += f" of {self.n_rows:,}"
        parts.append(f"{self.rows_per_second:,.0f} rows/s")
        if self.seconds_left is not None:
            minutes, seconds = divmod(round(self.seconds_left), 60)
            parts.append(f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left")
        return "  ".join(parts)


class Lines:
    """Prints a line of progress now and then."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: StreamProgress, loss: str) -> None:
        """Print how far the fit is, and the loss of the last buffer in words."""
        now = time.monotonic()
        if now - self._last >= _LINE_EVERY:
            self._last = now
            print(f"{progress}  {loss}", flush=True)
