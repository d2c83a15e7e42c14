"""Public names are documented in the numpydoc form, and the examples in the documentation run."""

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastfm_ext
from codebase_checks import OPTIONAL_DEPENDENCIES

MODULES = sorted(
    path.stem for path in Path(fastfm_ext.__file__).parent.glob("*.py") if path.stem not in {"__init__", "__main__"}
)
DOCTEST_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def sections(text: str) -> set[str]:
    """The numpydoc section titles of a docstring."""
    return set(re.findall(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(text), re.M))


def own_methods(cls: type) -> Iterator[tuple[str, object]]:
    """Public methods that this package defines; scikit-learn documents those that it hands down."""
    for name, member in inspect.getmembers(cls, inspect.isroutine):
        if not name.startswith("_") and getattr(member, "__module__", "").split(".")[0] == "fastfm_ext":
            yield name, member


def wanted_sections(thing: object) -> set[str]:
    """Parameters if it takes any, Returns if its annotation says so; properties and exceptions need neither."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return set()
    takes = [p for p in signature.parameters.values() if p.name not in {"self", "cls"}]
    returns = signature.return_annotation not in {inspect.Signature.empty, None, "None"} and not inspect.isclass(thing)
    # A method that returns its own object says so by its type.
    returns = returns and str(signature.return_annotation) not in {"Self", "typing.Self"}
    return ({"Parameters"} if takes else set()) | ({"Returns"} if returns else set())


def docstring_problems(name: str, thing: object) -> list[str]:
    """What a public name's documentation lacks, with that of its methods."""
    text = inspect.getdoc(thing)
    if not text:
        return [f"{name} has no docstring"]
    if inspect.ismodule(thing) or not callable(thing):
        return []
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return []
    problems = [f"{name} lacks {s}" for s in sorted((wanted_sections(thing) | {"Examples"}) - sections(text))]
    for method, member in own_methods(thing) if inspect.isclass(thing) else ():
        text = inspect.getdoc(member) or ""
        problems += [] if text else [f"{name}.{method} has no docstring"]
        problems += [f"{name}.{method} lacks {s}" for s in sorted(wanted_sections(member) - sections(text))]
    return problems


@pytest.mark.parametrize("name", sorted(getattr(fastfm_ext, "__all__", ())))
def test_public_names_are_documented(name):
    assert docstring_problems(name, getattr(fastfm_ext, name)) == []


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

    Thing.act.__module__ = "fastfm_ext.thing"
    assert docstring_problems("bare", bare) == ["bare has no docstring"]
    assert docstring_problems("short", short) == [
        "short lacks Examples",
        "short lacks Parameters",
        "short lacks Returns",
    ]
    assert docstring_problems("Thing", Thing) == ["Thing.act has no docstring", "Thing.act lacks Parameters"]


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
    module = importlib.import_module(f"fastfm_ext.{name}")
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
