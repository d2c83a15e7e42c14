"""Console program ``fastfm-ext``, also ``python -m fastfm_ext``.

Exit codes: 0 success, 1 failure (with one line on stderr), 2 wrong usage, 130 interrupted.
"""

import argparse
import gc
import os
import sys
import warnings
from collections.abc import Sequence

from fastfm_ext._common.version import VERSION
from fastfm_ext.cli.commands import add_commands
from fastfm_ext.cli.pipes import named_by_user

# Errors that the user can mend. Any other error is a fault of this package, and its traceback is worth reporting.
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
            # A reader such as `head` has enough. Python would complain again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except KeyboardInterrupt:
            print("fastfm-ext: interrupted", file=sys.stderr)
            return 130
        except MemoryError as error:
            advice = "fewer features, fields or --n-factors, or fit --stream, take less"
            print(f"fastfm-ext: error: out of memory: {_one_line(error)}; {advice}", file=sys.stderr)
            return 1
        except EXPECTED_ERRORS as error:
            print(f"fastfm-ext: error: {_one_line(error)}", file=sys.stderr)
            return 1
    if argv is None:
        gc.freeze()  # the process ends, and need not look for garbage among all that it has loaded
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fastfm-ext", description="Factorization machines.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}", help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_commands(commands)
    return parser


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"fastfm-ext: warning: {_one_line(message)}", file=sys.stderr)


def _one_line(message: BaseException | str) -> str:
    if isinstance(message, OSError) and message.filename is not None:
        return f"{named_by_user(message.filename)}: {message.strerror}"
    return " ".join(named_by_user(message).split()) or type(message).__name__
