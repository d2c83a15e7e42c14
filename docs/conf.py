"""How Sphinx makes the site: `make docs`. It needs no network, and every warning is an error."""

from importlib.metadata import version as installed_version

project = "fastfm-ext"
author = "The fastfm-ext developers"
copyright = author
version = release = installed_version("fastfm-ext")

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "fastfm-ext"

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 4

# Types stand in the docstrings, in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# What is a file of its own in the repository is a page here.
FILES_THAT_ARE_PAGES = {
    "../benchmarks/README.md": "benchmarks.md",
    "../fastfm_ext/README.md": "native-engine.md",
    "../CONTRIBUTING.md": "contributing.md",
}


def link_to_pages(app, docname, source):
    """Let links to these files lead to their pages; what they include keeps its links, relative to where it is."""
    for file, page in FILES_THAT_ARE_PAGES.items():
        source[0] = source[0].replace(f"]({file}", f"]({page}")


def setup(app):
    """Register what this site does beyond Sphinx."""
    app.connect("source-read", link_to_pages)
