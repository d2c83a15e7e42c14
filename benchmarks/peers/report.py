"""The results as a report in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from tables import markdown_table, three_digits

from .registry import PEERS
from .runner import Results, best_of
from .single_fit import describe

OURS = "fastfm-ext"
RIVAL = "modern-fm"
ORDER = [spec.name for spec in PEERS]
QUALITIES = {"squared": "RMSE", "logistic": "log loss"}


def markdown(results: Results) -> str:
    """Return the whole report."""
    parts = ["# fastfm-ext and its peers", f"{results.machine}. 16 factors, every peer in an environment of its own."]
    for name, title in results.titles.items():
        if any(entry["problem"] == name for entry in results.throughput):
            parts += [f"## Speed: {title}", _speed_table(results, name), _SPEED_LEGEND]
        if results.curves.get(name):
            quality = QUALITIES[results.losses[name]]
            parts += [
                f"## Time to quality: {title}",
                _quality_table(results, name),
                _quality_legend(results, name, quality),
            ]
    if results.single_fit:
        parts += ["## Frappe in one call", describe(results.single_fit)]
    notes = [f"- {spec.name}: {spec.note}" for spec in PEERS if spec.note]
    notes += [f"- {peer} is missing: {reason}" for peer, reason in results.unavailable.items()]
    notes += [f"- failed: {job}: {reason}" for job, reason in results.failures.items()]
    return "\n\n".join([*parts, "## Notes", "\n".join(notes)]) + "\n"


_SPEED_LEGEND = (
    "Medians over interleaved rounds, lowest and highest in brackets. Epoch: one pass of training after a pass to warm "
    "up. Predict: the training rows. Ours: how many times as many rows a second fastfm-ext handles with one thread, "
    "by the median of the rounds' ratios. Memory: the peak above what the process held with the rows loaded, so "
    "conversion, parameters and everything else."
)


def throughput_of(results: Results, problem: str) -> dict[tuple[str, int], dict[str, list[float]]]:
    """Return the values of each round for every (peer, threads), peers in the registry's order."""
    entries = [entry for entry in results.throughput if entry["problem"] == problem]
    keys = sorted(
        {(entry["peer"], entry["threads"]) for entry in entries}, key=lambda key: (ORDER.index(key[0]), key[1])
    )
    names = ("epoch_rows_per_second", "predict_rows_per_second", "peak_bytes", "n_rows")
    return {
        key: {name: [entry[name] for entry in entries if (entry["peer"], entry["threads"]) == key] for name in names}
        for key in keys
    }


def _speed_table(results: Results, problem: str) -> str:
    throughput = throughput_of(results, problem)
    ours = throughput.get((OURS, 1))
    rows = []
    for (peer, threads), values in throughput.items():
        ratios = ["", ""]
        if ours is not None and (peer, threads) != (OURS, 1):
            ratios = [_ratio(ours, values, name) for name in ("epoch_rows_per_second", "predict_rows_per_second")]
        rows.append(
            [
                peer,
                str(threads),
                f"{int(values['n_rows'][0]):,}",
                _millions(values["epoch_rows_per_second"]),
                ratios[0],
                _millions(values["predict_rows_per_second"]),
                ratios[1],
                f"{median(values['peak_bytes']) / 2**20:,.0f}",
            ]
        )
    headings = ["peer", "threads", "rows", "epoch, M rows/s", "ours", "predict, M rows/s", "ours", "memory, MiB"]
    return markdown_table(headings, rows)


def _ratio(ours: dict[str, list[float]], theirs: dict[str, list[float]], name: str) -> str:
    return _times(median(our / their for our, their in zip(ours[name], theirs[name], strict=False)))


def _times(ratio: float) -> str:
    return f"{ratio:.0f}x" if ratio >= 9.95 else f"{ratio:.2g}x"


def _millions(values: Sequence[float]) -> str:
    low, middle, high = (f"{value / 1e6:.3g}" for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


def target_of(results: Results, problem: str) -> float | None:
    """Return the best quality of modern-fm: what every peer's time is taken to."""
    curves = results.curves.get(problem, {}).get(RIVAL)
    return min(value for _, value in curves[0]) if curves else None


def seconds_to(curve: Sequence[Sequence[float]], target: float) -> float | None:
    """Return the seconds of the first epoch whose quality is the target or better."""
    return next((seconds for seconds, value in curve if value <= target), None)


def _quality_table(results: Results, problem: str) -> str:
    target = target_of(results, problem)
    rows = []
    for peer in sorted(results.curves[problem], key=ORDER.index):
        curves = results.curves[problem][peer]
        best = min(value for _, value in curves[0])
        tried = best_of(results.search[problem][peer])["settings"]
        to_target = [seconds_to(curve, target) if target is not None else None for curve in curves]
        rows.append(
            [
                peer,
                ", ".join(f"{name} {value:g}" for name, value in tried.items()),
                f"{best:.4f}",
                three_digits(median(_own_best_seconds(curve) for curve in curves)),
                _median_seconds(to_target),
                _sooner(results, problem, to_target),
            ]
        )
    headings = ["peer", "best of six settings", "best", "s to its best", "s to the target", "ours sooner"]
    return markdown_table(headings, rows)


def _own_best_seconds(curve: Sequence[Sequence[float]]) -> float:
    return min(curve, key=lambda point: point[1])[0]


def _median_seconds(values: Sequence[float | None]) -> str:
    times = [value for value in values if value is not None]
    return three_digits(median(times)) if times else "never"


def _sooner(results: Results, problem: str, theirs: Sequence[float | None]) -> str:
    target, our_curves = target_of(results, problem), results.curves[problem].get(OURS)
    if target is None or our_curves is None:
        return ""
    ours = [seconds_to(curve, target) for curve in our_curves]
    our_times = [value for value in ours if value is not None]
    their_times = [value for value in theirs if value is not None]
    return _times(median(their_times) / median(our_times)) if our_times and their_times else ""


def _quality_legend(results: Results, problem: str, quality: str) -> str:
    target = target_of(results, problem)
    goal = f"The target is modern-fm's best, {target:.4f}. " if target is not None else ""
    return (
        f"Validation {quality}, lower is better. {goal}Seconds of training on one thread, medians over interleaved "
        "rounds; the evaluation after each epoch is not counted. Every peer's settings are the best of six on the same "
        "validation rows."
    )


def entries_of(results: Results, problem: str) -> dict[str, Any]:
    """Return the curves of a problem: peer to its rounds."""
    return dict(sorted(results.curves.get(problem, {}).items(), key=lambda item: ORDER.index(item[0])))
