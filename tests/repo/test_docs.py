"""What the pages show runs: their examples one after the other, and their commands as far as their words."""

import contextlib
import importlib
import io
import re
import shlex
import struct
from collections import Counter

import pytest

from fastfm_ext._learning.losses import LOSSES
from fastfm_ext._learning.solvers.registry import SOLVERS
from fastfm_ext._names import PUBLIC_MODULES
from fastfm_ext.cli import program
from markdown_examples import commands, examples, fenced_lines, run_examples
from page_data import data_of, missing_data
from public_modules import LIBRARIES, public_module, reference_entries
from repository import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OTHER_PAGES = [
    ROOT / name
    for name in ("CONTRIBUTING.md", "benchmarks/README.md", "benchmarks/development.md", "fastfm_ext/README.md")
]
# Their code is that of the English pages: test_translations.py
TRANSLATIONS = [ROOT / "README.zh-CN.md", *sorted((ROOT / "docs" / "zh").glob("*.md"))]


def page_id(page):
    return page.relative_to(ROOT).as_posix()


# These are run by tests of their own, which look at the results, too.
LOOKED_AT = {ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("retrieval", "serving", "spark"))}


@pytest.mark.parametrize("page", [page for page in PAGES if page not in LOOKED_AT], ids=page_id)
def test_the_examples_of_a_page_run(page, tmp_path):
    for package in ("pandas", "matplotlib"):
        pytest.importorskip(package, reason=f"needs {package}")
    missing = missing_data(page)
    if missing:
        pytest.skip(f"no {', '.join(missing)} on this machine")
    run_examples(page, tmp_path)


@pytest.mark.parametrize("command", [c for page in PAGES for c in commands(page)], ids=shlex.join)
def test_the_command_line_knows_the_words_of_a_command(command):
    if "--help" in command:
        with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit, match="0"):
            program._parser().parse_args(command[1:])
    else:
        program._parser().parse_args(command[1:])


@pytest.mark.parametrize("page", [*PAGES, *OTHER_PAGES, *TRANSLATIONS], ids=page_id)
def test_links_to_files_lead_somewhere(page):
    text = re.sub(r"^```.+?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#]+)", text)
    missing = [t for t in targets if not t.startswith("https:") and not (page.parent / t).exists()]
    assert missing == []


# What the column of the site holds beside both sidebars on a window of 1400 pixels.
WIDEST_CODE = 96


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").rglob("*.md")), *OTHER_PAGES], ids=page_id)
def test_the_lines_of_code_fit_the_column_of_the_site(page):
    assert [line for word, line in fenced_lines(page) if len(line) > WIDEST_CODE and word != "text"] == []


def test_the_logo_is_as_its_script_draws_it():
    pytest.importorskip("matplotlib", reason="needs matplotlib")
    draw_logo = importlib.import_module("draw_logo")
    assert (ROOT / "docs" / "static" / "logo.svg").read_text(encoding="utf-8") == draw_logo.logo()
    width, height = draw_logo.card().get_size_inches() * draw_logo.DPI
    card = (ROOT / "docs" / "static" / "social-card.png").read_bytes()
    # The sizes stand in the first chunk of a PNG.
    assert struct.unpack(">II", card[16:24]) == (width, height) == (1200, 630)


@pytest.mark.parametrize("name", ["fastfm_ext", *(f"fastfm_ext.{name}" for name in PUBLIC_MODULES)])
def test_the_reference_has_one_page_for_every_public_name(name):
    module = public_module(name)
    entries = reference_entries((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    listed = [(place, shown) for place, shown in entries if place == name or place not in LIBRARIES]
    pages = Counter(id(getattr(importlib.import_module(place), shown)) for place, shown in listed)
    assert {public: pages[id(getattr(module, public))] for public in module.__all__} == dict.fromkeys(module.__all__, 1)


def test_blocks_are_found_with_their_headings_and_run_in_order(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One\n```python\n# no heading\nx = 1\n```\ntext\n```python\nprint(x)\n```\n```sh\nls\n```\n"
        "## Two\n```python\nx += 1\nprint(x)\n```\nRun `fastfm-ext fit a b` and `fastfm-ext`.\n"
    )
    assert [title for title, _ in examples(page)] == ["One", "One", "Two"]
    assert commands(page) == [["fastfm-ext", "fit", "a", "b"]]
    results = run_examples(page, tmp_path)
    assert [(title, result.names["x"], result.printed) for title, result in results.items()] == [
        ("One", 1, "1\n"),
        ("Two", 2, "2\n"),
    ]


def test_cells_of_executed_pages_are_examples(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "---\nfile_format: mystnb\n---\n# One\n```{code-cell}\nx = 1\n```\n"
        "```{code-cell} ipython3\n:tags: [a, b]\n\nx += 1\n```\n"
        "```{code-cell}\n---\nmystnb:\n  image: {alt: none}\n---\n# add\nx += 1\n```\n```python\nprint(x)\n```\n"
    )
    assert run_examples(page, tmp_path)["One"].printed == "3\n"


def test_a_page_names_its_data(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("---\nfile_format: mystnb\ndata: tables/bikes.csv movielens-1m\n---\n# One\n")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "none"))
    assert data_of(page) == missing_data(page) == ["tables/bikes.csv", "movielens-1m"]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "bikes.csv").touch()
    monkeypatch.setenv("FASTFM_EXT_DATA", str(tmp_path))
    assert missing_data(page) == ["movielens-1m"]
    page.write_text("# One\ndata: none\n")
    assert data_of(page) == missing_data(page) == []


def test_an_example_that_fails_is_an_error_that_names_its_page_and_heading(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as error:
        run_examples(page, tmp_path)
    assert str(error.traceback[-1].path) == "page.md, One"


def solver_table() -> list[str]:
    """The table of solvers as the registry has it."""
    everyone = frozenset.intersection(*(solver.reads for solver in SOLVERS))
    head = ["solver", "losses", "reads, beside what all read", "`partial_fit`, `fit_stream`"]
    rows = [
        [
            f"`{solver.name}`",
            ", ".join(f"`{loss.name}`" for loss in LOSSES if loss.name in solver.losses),
            ", ".join(f"`{name}`" for name in sorted(solver.reads - everyone)) or "nothing",
            "yes" if solver.trains_on_batches else "no",
        ]
        for solver in SOLVERS
    ]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def test_the_guide_has_the_table_of_solvers():
    table = "\n".join(solver_table())
    assert table in (ROOT / "docs" / "guide.md").read_text(encoding="utf-8"), f"put this into the guide:\n{table}"
