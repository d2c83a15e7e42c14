"""The command line: ``fastfm-ext``, also ``python -m fastfm_ext``.

Exit codes: 0 success, 1 failure (with one line on stderr), 2 wrong usage, 130 interrupted.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from fastfm_ext.cli.commands import add_commands, run_job
from fastfm_ext.cli.settings import VARIANTS, MovielensSettings
from fastfm_ext.cli.words import fraction, integer, n_jobs

# What the user can mend. Anything else is a fault of this package, and its traceback is worth reporting.
EXPECTED_ERRORS = (ArithmeticError, ImportError, OSError, ValueError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments without the program's name; by default those of the process.

    Returns
    -------
    int
        The exit code.

    Raises
    ------
    SystemExit
        With code 2 for wrong usage, 0 after ``--help`` and ``--version``.

    Examples
    --------
    >>> from fastfm_ext.cli import main
    >>> main(["movielens", "--user", "42"])  # doctest: +SKIP
    0
    """
    arguments = _parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            arguments.run(arguments)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader, such as `head`, has enough. Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except KeyboardInterrupt:
            print("fastfm-ext: interrupted", file=sys.stderr)
            return 130
        except EXPECTED_ERRORS as error:
            print(f"fastfm-ext: error: {_one_line(error)}", file=sys.stderr)
            return 1
    return 0


class _Version(argparse.Action):
    """Look the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from importlib.metadata import version

        print(f"{parser.prog} {version('fastfm-ext')}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastfm-ext", description="Factorization machines.", allow_abbrev=False)
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_commands(commands)
    _add_movielens(commands)
    return parser


def _add_movielens(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "movielens",
        help="train on film ratings, print the test error and recommend films",
        description="Train a factorization machine on film ratings, print its test error beside simple baselines, and "
        "recommend films to one user. The ratings are MovieLens (downloaded once) or your own files of that form.",
        allow_abbrev=False,
    )
    data = parser.add_argument_group("data")
    data.add_argument("--variant", choices=VARIANTS, help="MovieLens data set (default: 100k)")
    data.add_argument("--data-home", type=Path, metavar="DIR", help="folder for downloads (default: scikit-learn's)")
    data.add_argument("--ratings", type=Path, metavar="CSV", help="your ratings: userId,movieId,rating[,timestamp]")
    data.add_argument("--movies", type=Path, metavar="CSV", help="your films: movieId,title,genres")
    data.add_argument(
        "--test-size", type=fraction, default=0.1, metavar="SHARE", help="ratings held out (default: 0.1)"
    )
    training = parser.add_argument_group("training")
    training.add_argument("--n-factors", type=integer(0), metavar="K", help="length of the factors (default: 16)")
    training.add_argument(
        "--max-iter", type=integer(1), metavar="N", help="most epochs (early stopping may end before)"
    )
    training.add_argument("--n-jobs", type=n_jobs, metavar="N", help="threads, -1 for all (default: 1)")
    training.add_argument(
        "--seed", type=integer(0), default=0, metavar="N", help="seed of all that is random (default: 0)"
    )
    output = parser.add_argument_group("output")
    output.add_argument("--user", metavar="ID", help="whom to recommend films to (default: the first user)")
    output.add_argument("-n", "--top", type=integer(1), default=10, metavar="N", help="films to list (default: 10)")
    output.add_argument("--save", type=Path, metavar="FILE", help="save model, encoder and index")
    output.add_argument("--plot", type=Path, metavar="PNG", help="draw the learning curve")
    output.add_argument("--quiet", action="store_true", help="print results only, no progress")
    parser.set_defaults(run=lambda arguments: _movielens(parser, arguments))


def _movielens(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    options = {name: value for name, value in vars(arguments).items() if name != "run"}
    if (arguments.ratings is None) != (arguments.movies is None):
        parser.error("--ratings and --movies go together; only one of them was given")
    if arguments.ratings is not None and (arguments.variant is not None or arguments.data_home is not None):
        parser.error("--variant and --data-home choose a download; they cannot go with --ratings")
    options["variant"] = arguments.variant or MovielensSettings.variant
    run_job("movielens", MovielensSettings(**options))


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"fastfm-ext: warning: {_one_line(message)}", file=sys.stderr)


def _one_line(message: BaseException | str) -> str:
    if isinstance(message, OSError) and message.filename is not None:
        return f"{message.filename}: {message.strerror}"
    return " ".join(str(message).split()) or type(message).__name__
