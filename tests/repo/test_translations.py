"""Chinese pages keep step with the English ones: the same headings, level by level, and the same code."""

import re

import pytest

from markdown_examples import fences, without_fences
from repository import ROOT

TRANSLATIONS = {"README.md": "README.zh-CN.md", "docs/retrieval.md": "docs/zh/retrieval.md"}
SAY = "Put the change of {english} into {chinese}, too (code as it is, comments as you like), or take it out of both"


def levels(text: str) -> list[int]:
    """The levels of the headings."""
    return [len(marks) for marks in re.findall(r"^(#+) ", without_fences(text), re.M)]


@pytest.fixture(params=TRANSLATIONS.items(), ids="{0[0]}".format)
def pages(request):
    english, chinese = request.param
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in request.param]
    return *texts, SAY.format(english=english, chinese=chinese)


def test_headings_are_those_of_the_english_page(pages):
    english, chinese, say = pages
    assert levels(chinese) == levels(english), f"{say}: headings differ"


def test_code_is_that_of_the_english_page_but_for_comments(pages):
    english, chinese, say = pages
    for ours, theirs in zip(fences(english), fences(chinese), strict=False):
        assert theirs == ours, f"{say}: this code differs"
    assert len(fences(chinese)) == len(fences(english)), f"{say}: one page has more code than the other"


def test_pages_link_to_each_other(pages):
    english, chinese, _ = pages
    assert re.search(r"\[简体中文\]\(\S+\)", english)
    assert re.search(r"\[English\]\(\S+\)", chinese)


def test_comments_and_the_name_of_a_cell_make_no_difference():
    cell = '---\nfile_format: mystnb\n---\n# One\n```{code-cell}\n:tags: [x]\n# 注释\nx = "#1"  # 一\n```\n'
    assert fences(cell) == fences('```python\nx = "#1"\n```\n') == [("python", 'x = "#1"')]
    assert fences("```sh\nls # all\n```\n") == [("sh", "ls # all")]
    assert levels(cell + "## Two\n") == [1, 2]
