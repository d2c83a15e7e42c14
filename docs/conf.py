"""How Sphinx makes the site: `make docs`. It needs no network, and every warning is an error."""

import inspect
import os
import re
import shutil
import sys
from html import escape
from importlib.metadata import distribution
from pathlib import Path
from textwrap import shorten

from docutils import nodes
from sphinx.util import logging

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
from page_data import missing_data  # noqa: E402

project = "fastfm-ext"
author = "The fastfm-ext developers"
copyright = author
version = release = distribution("fastfm-ext").version

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_design",
]
exclude_patterns = ["templates"]
templates_path = ["templates"]
html_theme = "furo"
html_title = "fastfm-ext"
html_logo = html_favicon = "static/logo.svg"  # static/ is drawn by draw_logo.py
html_static_path = ["static", "../build/mathjax"]
html_css_files = ["site.css"]
html_baseurl = os.environ.get("DOCS_URL", "")
html_show_sourcelink = False

# Formulas are typeset by one file, which a package carries: a reader needs no network either.
mathjax_path = "tex-svg.js"
MATHJAX = DOCS.parent / "build" / "mathjax" / mathjax_path
MATHJAX.parent.mkdir(parents=True, exist_ok=True)
shutil.copy(
    str(distribution("sphinx-mathjax-offline").locate_file(f"sphinx-mathjax-offline/static/mathjax/{mathjax_path}")),
    MATHJAX,
)

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence"]
myst_heading_anchors = 4

# Pages that start with `file_format: mystnb` are run, and run again when their code has changed.
INCOMPLETE = {
    page.relative_to(DOCS).with_suffix("").as_posix(): missing
    for page in DOCS.rglob("*.md")
    if (missing := missing_data(page))
}
KERNEL = "kernelspec: {name: python3, language: python}"
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS.parent / "build" / "pages")
nb_execution_excludepatterns = [f"{name}.md" for name in INCOMPLETE]
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 120
nb_merge_streams = True

# Types stand in the docstrings, in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
# docs/api.md names all public objects, and each has a page.
autosummary_generate = True
autosummary_imported_members = True
add_module_names = False

# What is a file of its own in the repository is a page here.
FILES_THAT_ARE_PAGES = {
    "../benchmarks/README.md": "benchmarks.md",
    "../benchmarks/development.md": "development.md",
    "../fastfm_ext/README.md": "native-engine.md",
    "../CONTRIBUTING.md": "contributing.md",
}


def link_to_pages(app, docname, source):
    """Let links to these files lead to their pages; what they include keeps its links, relative to where it is."""
    for file, page in FILES_THAT_ARE_PAGES.items():
        source[0] = source[0].replace(f"]({file}", f"]({page}")


def name_the_language(app, docname, source):
    """Give executed pages the language of their cells, which nobody can tell where they are not run."""
    source[0] = source[0].replace("\nfile_format: mystnb\n", f"\nfile_format: mystnb\n{KERNEL}\n", 1)


def say_what_is_missing(app, docname, source):
    """Tell the reader why a page has no results."""
    if docname in INCOMPLETE:
        data = " ".join(INCOMPLETE[docname])
        note = f"\n:::{{note}}\nMade without the data of this page ({data}), and so its results are missing.\n:::\n"
        head, title, text = source[0].partition("\n# ")
        first, end, rest = text.partition("\n")
        source[0] = head + title + first + end + note + rest
        logging.getLogger(__name__).info("%s is not run: %s is not here", docname, data)


def skip_what_is_not_ours(app, what, name, member, skip, options):
    """Leave out methods that scikit-learn and Python hand down; attributes are sections of docstrings."""
    is_ours = inspect.isroutine(member) and str(getattr(member, "__module__", "")).startswith("fastfm_ext")
    return True if what == "class" and not is_ours else None


def name_the_language_of_chinese_pages(app, pagename, templatename, context, doctree):
    """Say in HTML that pages of `zh/` are Chinese, for screen readers and the choice of fonts."""
    if pagename.startswith("zh/"):
        context["language"] = "zh-CN"


def describe_page(app, pagename, templatename, context, doctree):
    """Tell social networks and search engines what a page is: its title, its first paragraph, and the card."""
    if doctree is None:
        return
    first = next(iter(doctree.findall(nodes.paragraph)), None)
    text = shorten(first.astext(), 200, placeholder="…") if first else context["title"]
    base = f"{html_baseurl.rstrip('/')}/" if html_baseurl else ""
    tags = {
        "og:type": "website",
        "og:site_name": "fastfm-ext",
        "og:title": re.sub("<.+?>", "", context["title"]),
        "og:description": text,
        "og:image": f"{base}_static/social-card.png",
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "fastfm-ext: factorization machines for Python",
    } | ({"og:url": f"{base}{pagename}.html"} if base else {})
    lines = [f'<meta property="{name}" content="{escape(text)}">' for name, text in tags.items()]
    lines += [
        f'<meta name="description" content="{escape(text)}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    context["metatags"] = context.get("metatags", "") + "\n".join(lines)


def setup(app):
    """Register what this site does beyond Sphinx."""
    app.connect("autodoc-skip-member", skip_what_is_not_ours)
    app.connect("html-page-context", describe_page)
    app.connect("source-read", link_to_pages)
    app.connect("source-read", name_the_language)
    app.connect("source-read", say_what_is_missing)
    app.connect("html-page-context", name_the_language_of_chinese_pages)
