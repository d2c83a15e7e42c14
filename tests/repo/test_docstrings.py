"""Public names are documented in the numpydoc form, and the examples in the documentation run."""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import fastfm_ext
from codebase_checks import OPTIONAL_DEPENDENCIES, module_names
from fastfm_ext._learning.losses import LOSSES, RANKING_LOSSES
from fastfm_ext._learning.solvers.base import Defaults
from fastfm_ext._learning.solvers.negative_sampling import NegativeSampling
from fastfm_ext._learning.solvers.registry import SOLVERS
from fastfm_ext._names import PUBLIC_MODULES
from public_modules import public_module

# Examples of Spark need a session: tests/spark/test_documentation.py has one.
MODULES = sorted(
    name
    for name in module_names(Path(fastfm_ext.__file__).parent)
    if name not in {"__init__", "__main__"} and not name.startswith("spark.")
)
DATA = {"X", "y", "item_vectors", "user_vectors"}
DOCTEST_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def sections(text: str) -> set[str]:
    """The numpydoc section titles of a docstring; what generators yield is what they return."""
    return set(re.findall(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(text).replace("\nYields\n", "\nReturns\n"), re.M))


def own_methods(cls: type) -> Iterator[tuple[str, object]]:
    """Public methods that this package defines; scikit-learn documents those that it hands down."""
    for name, member in inspect.getmembers(cls, inspect.isroutine):
        if not name.startswith("_") and getattr(member, "__module__", "").split(".")[0] == "fastfm_ext":
            yield name, member


def wanted_sections(thing: object) -> set[str]:
    """Parameters if it takes any, Returns if its annotation says so, Raises if it takes data, which may be bad.

    Results that the package makes, named tuples and data classes, have Attributes.
    """
    if inspect.isclass(thing) and (issubclass(thing, tuple) or is_dataclass(thing)):
        return {"Attributes"}
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return set()
    takes = [p for p in signature.parameters.values() if p.name not in {"self", "cls"}]
    returns = signature.return_annotation not in {inspect.Signature.empty, None, "None"} and not inspect.isclass(thing)
    # A method that returns its own object says so by its type.
    returns = returns and str(signature.return_annotation) not in {"Self", "typing.Self"}
    raises = not inspect.isclass(thing) and not DATA.isdisjoint(signature.parameters)
    return {s for s, wanted in (("Parameters", takes), ("Returns", returns), ("Raises", raises)) if wanted}


def docstring_problems(name: str, thing: object) -> list[str]:
    """What a public name's documentation lacks, with that of its methods."""
    text = inspect.getdoc(thing)
    if not text:
        return [f"{name} has no docstring"]
    if inspect.ismodule(thing) or not callable(thing):
        return []
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return [] if "Examples" in sections(text) else [f"{name} lacks Examples"]
    problems = [f"{name} lacks {s}" for s in sorted((wanted_sections(thing) | {"Examples"}) - sections(text))]
    for method, member in own_methods(thing) if inspect.isclass(thing) else ():
        text = inspect.getdoc(member) or ""
        problems += [] if text else [f"{name}.{method} has no docstring"]
        problems += [f"{name}.{method} lacks {s}" for s in sorted(wanted_sections(member) - sections(text))]
    return problems


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (module.__name__, name)
        for module in [fastfm_ext, *(importlib.import_module(f"fastfm_ext.{name}") for name in PUBLIC_MODULES)]
        for name in sorted(module.__all__)
    ],
)
def test_public_names_are_documented(module, name):
    assert docstring_problems(name, getattr(public_module(module), name)) == []


def test_missing_documentation_is_found():
    def bare(x: int) -> int: ...

    def short(x: int) -> int:
        """Do something."""

    class Thing:
        """A thing.

        Examples
        --------
        >>> 1
        1
        """

        def act(self, x: int) -> None: ...

        def fit(self, X: object) -> None:
            """Fit.

            Parameters
            ----------
            X : object
            """

    Thing.act.__module__ = Thing.fit.__module__ = "fastfm_ext.thing"
    assert docstring_problems("bare", bare) == ["bare has no docstring"]
    assert docstring_problems("short", short) == [
        "short lacks Examples",
        "short lacks Parameters",
        "short lacks Returns",
    ]
    assert docstring_problems("Thing", Thing) == [
        "Thing.act has no docstring",
        "Thing.act lacks Parameters",
        "Thing.fit lacks Raises",
    ]


def documented_defaults(cls: type, parameters: str, solver: str) -> list[float]:
    """The numbers in "Default: 0.1 and 0.2 for This and That, ..." of these parameters, for this solver."""
    text = inspect.cleandoc(cls.__doc__)
    entry = re.search(rf"^{parameters} : .*\n((?:    .*\n)+)", text, re.M).group(1)
    sentence = " ".join(entry.split()).partition("Default: ")[2]
    # Names start with a letter, so a list of names ends before the next number.
    names = r"[A-Za-z][\w-]*(?:(?:, | and )[A-Za-z][\w-]*)*"
    for numbers, solvers in re.findall(rf"((?:[\d.e+-]+(?: and )?)+) for ({names})", sentence):
        if solver in re.split(", | and ", solvers.lower()):
            return [float(number) for number in numbers.split(" and ")]
    return []


def assert_documented(cls: type, name: str, defaults: Defaults, *, has_steps: bool = True) -> None:
    assert documented_defaults(cls, "learning_rate", name) == ([defaults.learning_rate] if has_steps else [])
    assert documented_defaults(cls, "l2_w, l2_V", name) == [defaults.l2_w, defaults.l2_V]
    assert documented_defaults(cls, "init_stdev", name) == [defaults.init_stdev]


@pytest.mark.parametrize(
    ("loss", "solver"),
    [
        pytest.param(loss, solver, id=f"{loss.name}-{solver.name}")
        for loss in LOSSES
        for solver in SOLVERS
        if loss.name in solver.losses
    ],
)
def test_defaults_are_documented_as_they_are(loss, solver):
    cls = {"regression": fastfm_ext.FMRegressor, "classification": fastfm_ext.FMClassifier}[loss.task]
    assert_documented(cls, solver.title.lower(), solver.defaults(loss), has_steps="learning_rate" in solver.reads)


@pytest.mark.parametrize("loss", RANKING_LOSSES, ids=lambda loss: loss.name)
def test_defaults_of_rankings_are_documented_as_they_are(loss):
    assert_documented(fastfm_ext.FMRanker, loss.name, NegativeSampling.defaults(loss))


def test_documented_defaults_are_found_across_lines_and_lists():
    class Estimator:
        """An estimator.

        Parameters
        ----------
        rate : float
            How fast. Default: 0.1 and 1e-05 for
            One, 2.0 and 0 for Two and Three.
        other : float
            Default: 9 for Four.
        """

    assert documented_defaults(Estimator, "rate", "one") == [0.1, 1e-5]
    assert documented_defaults(Estimator, "rate", "two") == documented_defaults(Estimator, "rate", "three") == [2, 0]
    assert documented_defaults(Estimator, "rate", "four") == []


def run_examples(test: doctest.DocTest) -> None:
    """Run one docstring; fail with doctest's own report, skip where an optional dependency is not installed."""
    try:
        doctest.DebugRunner(optionflags=DOCTEST_FLAGS, verbose=False).run(test, clear_globs=False)
    except doctest.UnexpectedException as unexpected:
        error = unexpected.exc_info[1]
        if isinstance(error, ImportError) and (error.name or "").split(".")[0] in OPTIONAL_DEPENDENCIES:
            pytest.skip(f"{error.name} is not installed")
        raise error from None
    except doctest.DocTestFailure as failure:
        pytest.fail(
            f"{failure.test.name}: {failure.example.source}expected:\n{failure.example.want}got:\n{failure.got}",
            pytrace=False,
        )


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_the_documentation_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(f"fastfm_ext.{name.removesuffix('.__init__')}")
    for test in doctest.DocTestFinder().find(module):
        run_examples(test)


def example(source: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(source, {}, "example", None, 0)


def test_a_wrong_example_fails():
    with pytest.raises(pytest.fail.Exception, match="example: 1 \\+ 1"):
        run_examples(example(">>> 1 + 1\n3\n"))


def test_an_example_that_raises_fails():
    with pytest.raises(ZeroDivisionError):
        run_examples(example(">>> 1 / 0\n"))


def test_an_example_is_skipped_only_without_its_optional_dependency():
    with pytest.raises(pytest.skip.Exception, match="pandas is not installed"):
        run_examples(example(">>> raise ImportError('gone', name='pandas')\n"))
    with pytest.raises(ImportError, match="gone"):
        run_examples(example(">>> raise ImportError('gone', name='numpy')\n"))
