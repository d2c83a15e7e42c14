"""Examples in the documentation of `pyspark.ml`, run on the classes of this package."""

import doctest
import re
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?:E-?\d+)?(?:\.\.\.)?")


def structure(text: str) -> str:
    """An output without its numbers, and without the widths that depend on them."""
    without = re.sub(r"-{2,}", "--", _NUMBER.sub("#", text))
    return re.sub(r"\s+", " ", re.sub(r"\s*\|\s*", "|", without)).strip()


def is_matched(want: str, got: str) -> bool:
    """Whether an output has the structure that the example shows, "..." standing for anything."""
    pattern = ".*".join(re.escape(part.strip()) for part in structure(want).split("..."))
    return re.fullmatch(pattern, structure(got), re.S) is not None


def outputs(test: doctest.DocTest) -> list[tuple[doctest.Example, str]]:
    """The examples of a test, each with what it prints; an exception in an example is an error here, too."""
    found: list[tuple[doctest.Example, str]] = []

    class Runner(doctest.DocTestRunner):
        def report_success(self, out: Any, test: Any, example: doctest.Example, got: str) -> None:
            found.append((example, got))

        report_failure = report_success  # type: ignore[assignment]

        def report_unexpected_exception(self, out: Any, test: Any, example: Any, exc_info: Any) -> None:
            raise exc_info[1]

    Runner(verbose=True).run(test, out=lambda text: None, clear_globs=False)
    return found
