"""Progressive validation: the loss and metrics of rows, each scored before the model has learned from it.

One pass over rows gives figures as honest as those of held-out rows, of all rows: Blum, Kalai, Langford, "Beating the
Hold-Out" (COLT 1999), and for click logs McMahan et al., "Ad Click Prediction: a View from the Trenches" (KDD 2013),
section 5.1. The kernels hand over the scores that they step on anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastfm_ext._common.arrays import Float32, Float64, Int64
from fastfm_ext._learning.losses import JointLoss, Loss
from fastfm_ext._learning.samples import Samples

# Log odds are sorted into bins, within which the AUC takes rows for equal.
_BINS_OF_1, _WIDEST = 512, 16
N_BINS = 2 * _BINS_OF_1 * _WIDEST
_PROBABILITIES = 1.0 / (1.0 + np.exp(_WIDEST - (np.arange(N_BINS) + 0.5) / _BINS_OF_1))

Figures = dict[str, list[Any]]


class Periods:
    """Periods of a stream, such as days: the number of the first row of each run, and its label."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._labels: list[Any] = []

    @property
    def are_named(self) -> bool:
        """Whether any rows have a label."""
        return any(label is not None for label in self._labels)

    def add(self, first: int, n_rows: int, period: Any) -> None:
        """Learn the period of rows from `first` on: a label, or one for each of the rows, (n_rows,).

        Raises
        ------
        ValueError
            For another number of labels.
        """
        if isinstance(period, str) or not hasattr(period, "__len__"):
            self._begin(first, period)
            return
        labels = np.asarray(period)
        if labels.shape != (n_rows,):
            raise ValueError(f"period must be one label, or one for each of the {n_rows} rows; got {labels.shape}.")
        for start in [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist()] if n_rows else []:
            self._begin(first + start, labels[start])

    def _begin(self, first: int, label: Any) -> None:
        plain = label.item() if isinstance(label, np.generic) else label
        plain = plain if plain is None or isinstance(plain, str | int | float) else str(plain)
        if not self._labels or self._labels[-1] != plain:
            self._starts.append(first)
            self._labels.append(plain)

    def of(self, numbers: Int64) -> tuple[list[Any], NDArray[np.intp]]:
        """Return the labels among rows of these numbers, (n_rows,), in their order, and which of them each row has."""
        first, last = np.searchsorted(self._starts, [numbers.min(), numbers.max()], side="right") - 1
        if first == last:
            return [self._labels[first] if first >= 0 else None], np.zeros(len(numbers), dtype=np.intp)
        runs, codes = np.unique(np.searchsorted(self._starts, numbers, side="right") - 1, return_inverse=True)
        named = [self._labels[run] if run >= 0 else None for run in runs.tolist()]
        labels = list(dict.fromkeys(named))
        return labels, np.array([labels.index(label) for label in named], dtype=np.intp)[codes]


@dataclass
class _Tally:
    """Sums over the rows of a period; `by_score` (2, N_BINS) is the weight of negatives and positives by log odds."""

    period: Any
    rows: int = 0
    weight: float = 0.0
    loss: float = 0.0
    by_score: Float64 = field(default_factory=lambda: np.zeros((2, N_BINS)))

    def add(self, y: Float32, score: Float32 | None, weight: Float32 | None, loss: float) -> None:
        """Add rows: targets, log odds (None unless there are two classes) and weights, (n_rows,); and their loss."""
        self.rows += len(y)
        self.weight += float(len(y) if weight is None else weight.sum(dtype=np.float64))
        self.loss += loss
        if score is not None:
            bins = ((score + _WIDEST) * _BINS_OF_1).clip(0, N_BINS - 1).astype(np.int32)
            bins += N_BINS * y.astype(np.int32)
            self.by_score += np.bincount(bins, weight, 2 * N_BINS).reshape(2, N_BINS)

    def state(self) -> dict[str, Any]:
        """Return what `restored` takes, as JSON can hold it."""
        used = np.flatnonzero(self.by_score)
        return vars(self) | {"by_score": [used.tolist(), self.by_score.ravel()[used].tolist()]}

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Self:
        """Undo `state`."""
        tally, (used, weights) = cls(**state | {"by_score": np.zeros((2, N_BINS))}), state["by_score"]
        tally.by_score.ravel()[used] = weights
        return tally

    # Sums, not products of vectors: for so few numbers, BLAS takes longer to wake its threads.
    def figures(self, *, of_clicks: bool) -> dict[str, Any]:
        """Return what is known of the period, by name; NaN for what needs rows of both classes."""
        loss = self.loss / self.weight if self.weight else np.nan
        found = {"period": self.period, "rows": self.rows, "loss": loss}
        if not of_clicks:
            return found
        negatives, positives = self.by_score
        expected = float(((negatives + positives) * _PROBABILITIES).sum())
        n_negative, n_positive = float(negatives.sum()), float(positives.sum())
        rate = n_positive / self.weight if self.weight else np.nan
        below = np.cumsum(negatives) - 0.5 * negatives
        is_mixed = n_negative > 0 and n_positive > 0
        entropy = -rate * np.log(rate) - (1 - rate) * np.log1p(-rate) if is_mixed else np.nan
        return found | {
            "rate": rate,
            "normalized_entropy": float(loss / entropy),
            "calibration_ratio": expected / n_positive if n_positive else np.nan,
            "auc": float((positives * below).sum() / (n_negative * n_positive)) if is_mixed else np.nan,
        }


class ProgressiveLog:
    """Figures of the periods of one pass over rows.

    A period ends with the first rows to train on that have none of it.

    Parameters
    ----------
    loss : Loss
    delta : float
        In units of the targets.
    """

    def __init__(self, loss: Loss, delta: float) -> None:
        self._loss = loss
        self._delta = delta
        self._of_clicks = loss.task == "classification" and not isinstance(loss, JointLoss)
        self._ended: list[dict[str, Any]] = []
        self._open: list[_Tally] = []

    def room(self, samples: Samples) -> Float32 | None:
        """Return room for the scores of all rows, (n_scorers, n_rows); none where classes are learned together."""
        return None if isinstance(self._loss, JointLoss) else np.empty(samples.targets.shape, dtype=np.float32)

    def add(
        self, samples: Samples, scores: Float32 | None, mean_loss: float, labels: Sequence[Any], codes: Any = None
    ) -> list[dict[str, Any]]:
        """Add rows that have been trained on; return the figures of the periods that have ended.

        `scores` (n_scorers, n_rows) are those before each row's step; ``labels[codes[r]]`` is the period of row r, and
        without codes all rows are of the first.
        """
        before = len(self._ended)
        self._end([tally for tally in self._open if tally.period not in labels])
        y, weight = samples.targets, samples.sample_weight
        self._of_clicks = self._of_clicks and len(y) == 1
        score = scores[0] if scores is not None and self._of_clicks else None
        if len(labels) == 1:
            self._of(labels[0]).add(y[0], score, weight, mean_loss * samples.total_weight())
            return self._ended[before:]
        losses = np.full(y.shape[1], mean_loss)
        if scores is not None:
            losses = np.sum([self._loss.values(*one, self._delta) for one in zip(y, scores, strict=True)], axis=0)
        for code, label in enumerate(labels):
            rows = np.flatnonzero(codes == code)
            of_rows, weights = (None if values is None else values[rows] for values in (score, weight))
            loss = losses[rows].sum() if weights is None else losses[rows] @ weights
            self._of(label).add(y[0, rows], of_rows, weights, float(loss))
        return self._ended[before:]

    def _of(self, label: Any) -> _Tally:
        for tally in self._open:
            if tally.period == label:
                return tally
        self._open.append(_Tally(label))
        return self._open[-1]

    def end(self) -> list[dict[str, Any]]:
        """End all periods; return the figures of those that had not ended."""
        before = len(self._ended)
        self._end(list(self._open))
        return self._ended[before:]

    def _end(self, tallies: list[_Tally]) -> None:
        self._ended += [tally.figures(of_clicks=self._of_clicks) for tally in tallies]
        self._open = [tally for tally in self._open if tally not in tallies]

    def figures(self) -> Figures:
        """Return the figures of all periods so far, a list under each name."""
        found = self._ended + [tally.figures(of_clicks=self._of_clicks) for tally in self._open]
        return {name: [of_period[name] for of_period in found] for name in found[0]} if found else {}

    def behind(self, before: Figures) -> Figures:
        """Return the figures of one more period behind those of earlier ones, by its number."""
        new = self.figures() | {"period": [1 + len(before.get("period", []))]}
        return {name: [*before.get(name, []), *values] for name, values in new.items()}

    def state(self) -> dict[str, Any]:
        """Return what `restored` takes, as JSON can hold it."""
        return {"ended": self._ended, "open": [tally.state() for tally in self._open], "of_clicks": self._of_clicks}

    @classmethod
    def restored(cls, loss: Loss, delta: float, state: dict[str, Any]) -> Self:
        """Undo `state`; begin anew where that is empty.

        Raises
        ------
        KeyError, TypeError, ValueError
            For a state that `state` did not make.
        """
        log = cls(loss, delta)
        if state:
            log._ended, log._of_clicks = list(state["ended"]), bool(state["of_clicks"])
            log._open = [_Tally.restored(tally) for tally in state["open"]]
        return log


def words_of(figures: dict[str, Any], loss: Loss) -> str:
    """Return the figures of a period as a line of progress shows them."""
    names = {"auc": "AUC", "normalized_entropy": "normalized entropy", "calibration_ratio": "calibration"}
    shown = [f"{figures['rows']:,} rows", loss.show(figures["loss"])]
    return "  ".join([*shown, *(f"{words} {figures[name]:.4f}" for name, words in names.items() if name in figures)])
