"""How long fastfm-ext takes from Frappe's text in memory to a test AUC, a job that others published times for."""

from __future__ import annotations

import lzma
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from .data import data_file
from .runner import Contender, run_script

FILES = {
    "train": "frappe-nfm/frappe.train.rebuilt.libfm",
    "validation": "frappe-nfm/frappe.validation.libfm",
    "test": "frappe-nfm/frappe.test.libfm",
}


def measure(contender: Contender, rounds: int) -> dict[str, float]:
    """Return the median of each number over the rounds; nothing if the files are not at hand.

    Raises
    ------
    PeerFailedError
        When the script fails.
    """
    files = {part: data_file(path) for part, path in FILES.items()}
    if any(file is None for file in files.values()):
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for part, file in files.items():
            assert file is not None
            content = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
            (Path(folder) / part).write_bytes(content)
        scratch = Path(folder)
        results = [run_script(contender, "frappe_single_fit.py", scratch, scratch, 1) for _ in range(rounds)]
    return {name: median(result[name] for result in results) for name in results[0]}


def describe(result: Mapping[str, float]) -> str:
    """Return the result as a sentence."""
    total = result["parse_seconds"] + result["fit_seconds"] + result["predict_seconds"]
    return (
        f"fastfm-ext, default settings, one `fit()` call with the validation file for early stopping: "
        f"{total:.2f} s from libfm text in memory to a test AUC of {result['test_auc']:.4f} "
        f"(log loss {result['test_log_loss']:.4f}). Of these, parsing the three files took "
        f"{result['parse_seconds']:.2f} s, `fit()` {result['fit_seconds']:.2f} s for {result['epochs']:.0f} epochs on "
        f"one thread, prediction {result['predict_seconds']:.3f} s. The training file's negatives were drawn again by "
        "the paper's rule; validation and test are the originals."
    )
