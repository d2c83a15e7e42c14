"""Check the site as it was built: `make docs` runs it.

Every picture has a text for those who cannot see it, headings come in their order, nothing is fetched from elsewhere,
links lead somewhere, each public name has a page, and the search finds what readers look for.
"""

import importlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

from sphinx.search.en import SearchEnglish

import fastfm_ext
from fastfm_ext._names import PUBLIC_MODULES

# What readers type, and a page that tells them.
SEARCHES = {"cold start": "retrieval", "missing values": "tables", "pipeline": "tables", "shapley": "explanations"}
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "src"), ("iframe", "src")}


class Page(HTMLParser):
    """What a page loads, shows, and links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.headings: list[int] = []
        self.pictures: list[str] = []
        self.properties: set[str] = set()
        self.warns = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note what the tag says."""
        found = {name: value or "" for name, value in attributes}
        self.ids.add(found.get("id", ""))
        self.properties.add(found.get("property", ""))
        self.warns |= {"output", "stderr"} <= set(found.get("class", "").split())
        self.loaded += [found[name] for name in found if (tag, name) in LOADED and found.get("rel") != "canonical"]
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found.get("alt", "").strip())
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))


def problems_of(name: str, page: Page) -> list[str]:
    """Return what is wrong with a page by itself."""
    steps = zip([0, *page.headings], page.headings, strict=False)
    wrong = [
        f"a heading of level {after} follows one of level {before}" for before, after in steps if after > before + 1
    ]
    wrong += [] if page.headings.count(1) == 1 else [f"{page.headings.count(1)} headings of level 1"]
    wrong += ["a picture without a text" for text in page.pictures if not text or text.endswith((".png", ".svg"))]
    wrong += [f"fetches {url}" for url in page.loaded if re.match("(https?:)?//", url)]
    wrong += ["a cell that warns"] if page.warns else []
    wrong += [] if "og:image" in page.properties else ["no og:image"]
    return [f"{name}: {problem}" for problem in wrong]


def broken_links(folder: Path, pages: dict[str, Page]) -> list[str]:
    """Return links inside the site that lead nowhere."""
    broken = []
    for name, page in pages.items():
        for link in page.links:
            if re.match(r"\w+:|//", link):
                continue
            file, _, anchor = unquote(link).partition("#")
            target = (folder / name).parent / file if file else folder / name
            key = target.resolve().relative_to(folder.resolve()).as_posix()
            if not target.exists() or (anchor and key in pages and anchor not in pages[key].ids):
                broken.append(f"{name}: the link {link} leads nowhere")
    return broken


def names_without_a_page(folder: Path) -> list[str]:
    """Return public names that no page of the reference documents."""
    pages = {path.stem.rpartition(".")[2] for path in (folder / "api").glob("*.html")}
    modules = [fastfm_ext, *(importlib.import_module(f"fastfm_ext.{name}") for name in PUBLIC_MODULES)]
    return [f"api: no page for {name}" for module in modules for name in module.__all__ if name not in pages]


def failed_searches(index: str) -> list[str]:
    """Return searches that do not find the page that answers them."""
    found = json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)", index, re.S)[1])
    stem = SearchEnglish({}).stem
    failed = []
    for words, page in SEARCHES.items():
        hits = [_pages_with(found, stem(word)) for word in words.split()]
        if found["docnames"].index(page) not in set.intersection(*hits):
            failed.append(f"search: {words!r} does not find {page}")
    return failed


def _pages_with(index: dict, term: str) -> set[int]:
    pages: set[int] = set()
    for terms in (index["terms"], index["titleterms"]):
        hits = terms.get(term, [])
        pages |= {hits} if isinstance(hits, int) else set(hits)
    return pages


def main(folder: Path) -> int:
    """Print what is wrong; return 1 if anything is."""
    pages = {path.relative_to(folder).as_posix(): Page(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    made_by_sphinx = {"search.html", "genindex.html", "py-modindex.html"}
    problems = [p for name, page in pages.items() if name not in made_by_sphinx for p in problems_of(name, page)]
    problems += broken_links(folder, pages)
    problems += names_without_a_page(folder)
    problems += failed_searches((folder / "searchindex.js").read_text("utf-8"))
    print("\n".join(sorted(problems)) or f"{len(pages)} pages are as they should be")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
