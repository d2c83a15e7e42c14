"""Calls public functions, and the engine behind them, with arrays that nobody should pass, for as long as one likes.

    PYTHONPATH=tests/support python tests/fuzz/fuzz_arrays.py --seconds 600 --at-hand /tmp/call-at-hand

Each call takes sound arguments and attacks one or two of them (`array_attacks`): their type, byte order, layout in
memory, shape, numbers, or the index arrays of a sparse matrix. It must end in one of the errors that are documented,
or in an answer without NaN; where only the layout was attacked, in the answer to the sound arguments. Arguments must
not be changed, and a model or an index must answer as before after an error. A finding is anything else. The engine is
attacked through its own functions, in types and layouts alone: lengths and ranges are what Python checks before it.

The seed and number of the call at hand are written to `--at-hand` first, so that a crash leaves them there; `--first`
begins at a call. Exit code 1 if there are findings.
"""

import argparse
import collections
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from array_attacks import attacked
from array_targets import Target, public_targets
from engine_targets import engine_targets
from fastfm_ext import DivergenceError

DOCUMENTED = (ValueError, TypeError, MemoryError, DivergenceError, NotFittedError)
TARGETS = [*public_targets(), *engine_targets()]
NOT_EVEN_AN_ARRAY = AttributeError  # what the engine may say, and public functions may not


class Call(NamedTuple):
    """A target, the arguments that it is given, and how some of them were attacked."""

    target: Target
    arguments: dict[str, Any]
    attacks: dict[str, str]
    only_layout: bool


def call_number(seed: int, number: int) -> Call:
    """A call of a random target, with one or two arguments attacked."""
    rng = np.random.default_rng([seed, number])
    target = TARGETS[rng.integers(len(TARGETS))]
    only_layout = target.layouts_alone or bool(rng.random() < 0.3)
    arguments, attacks = target.arguments(), {}
    for name in rng.choice(list(arguments), size=min(len(arguments), rng.choice([1, 1, 2])), replace=False):
        attack, value = attacked(arguments[name], rng, only_layout)
        if target.layouts_alone and attack == "misaligned":  # Python has put it right before the engine
            continue
        attacks[str(name)], arguments[name] = attack, value
    return Call(target, arguments, attacks, only_layout)


def fingerprint(value: Any) -> Any:
    """What must be the same after a call, as far as it is known: the bytes of arrays."""
    if sp.issparse(value):
        parts = ("data", "indices", "indptr", "coords")
        return value.format, value.shape, [fingerprint(getattr(value, part, None)) for part in parts]
    if isinstance(value, tuple):
        return [fingerprint(part) for part in value]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return value.dtype, value.shape, value.tobytes()
    return None


def trouble(call: Call) -> tuple[str, str | None]:
    """How the call ended, and what is wrong with that."""
    target = call.target
    subject = target.subject()
    before = {name: fingerprint(value) for name, value in call.arguments.items() if name not in target.written}
    error = None
    try:
        answer = target.call(subject, **call.arguments)
    except (*DOCUMENTED, NOT_EVEN_AN_ARRAY) as raised:
        if isinstance(raised, NOT_EVEN_AN_ARRAY) and not target.layouts_alone:
            raise
        error = raised
    for name, was in before.items():
        if fingerprint(call.arguments[name]) != was:
            return "changed", f"argument {name} was changed"
    if error is not None:
        if len(str(error)) <= 10 and not isinstance(error, MemoryError):
            return type(error).__name__, f"an error that says {str(error)!r}"
        kept = getattr(error, "kept_epoch", None)  # a run that diverges leaves its best epoch, if it had one
        if kept is None and target.probe is not None and not same(target.probe(subject), target.answer_before()):
            return type(error).__name__, "after the error, it answers something else"
        return type(error).__name__, None
    if any(np.isnan(numbers).any() for numbers in answer if np.asarray(numbers).dtype.kind == "f"):
        return "answer", "NaN without a word"
    if call.only_layout and not same(answer, target.sound_answer()):
        return "answer", "another answer than to the same numbers in order"
    return "answer", None


def same(these: list[Any], those: list[Any]) -> bool:
    return len(these) == len(those) and all(np.array_equal(a, b) for a, b in zip(these, those, strict=True))


def outcome(call: Call) -> tuple[str, str | None]:
    """How the call ended ("answer", or the error's name), and what is wrong with that."""
    try:
        return trouble(call)
    except Exception as error:
        return type(error).__name__, "".join(traceback.format_exception(error, limit=-4))


def fuzz(seconds: float, most: int, seed: int, first: int = 0, at_hand: Path | None = None) -> tuple[Any, list[str]]:
    """Try calls until the time or their number is up; return how they ended, and what was found."""
    ends: collections.Counter[str] = collections.Counter()
    found = []
    end = time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        for number in range(first, first + most):
            if time.monotonic() > end:
                break
            if at_hand is not None:
                at_hand.write_text(f"{seed} {number}\n")
            call = call_number(seed, number)
            ended, wrong = outcome(call)
            ends[ended] += 1
            if wrong:
                found.append(f"call {number} of seed {seed}, {call.target.name} with {call.attacks}: {wrong}")
    return ends, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--calls", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--at-hand", type=Path, help="file for the seed and number of the call at hand")
    options = parser.parse_args()
    ends, found = fuzz(options.seconds, options.calls, options.seed, options.first, options.at_hand)
    print(f"{ends.total()} calls: " + ", ".join(f"{count} {end}" for end, count in ends.most_common()))
    for line in found[:40]:
        print(line)
    print(f"{len(found)} findings")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
