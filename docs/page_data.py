"""Pages that need a data set: which one, and whether it is on this machine. The site and the tests ask."""

import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastfm_ext.datasets import fetch_movielens

# Any other name is a path below the folder that FASTFM_EXT_DATA names. Nothing is downloaded.
LOADERS: dict[str, Callable[[], object]] = {
    f"movielens-{variant}": partial(fetch_movielens, variant, download_if_missing=False)
    for variant in ("100k", "1m", "latest-small")
}


def front_matter(page: Path) -> str:
    """Return what stands between two lines of dashes at the top of a page; nothing if it does not start so."""
    found = re.match(r"---\n(.*?)^---\n", page.read_text(encoding="utf-8"), re.M | re.S)
    return found[1] if found else ""


def data_of(page: Path) -> list[str]:
    """Return the data sets that a page names, separated by spaces."""
    found = re.search(r"^data: *(.+)$", front_matter(page), re.M)
    return found[1].split() if found else []


def missing_data(page: Path) -> list[str]:
    """Return the data sets that a page needs and this machine lacks."""
    return [name for name in data_of(page) if not _is_here(name)]


def _is_here(name: str) -> bool:
    if name not in LOADERS:
        folder = os.environ.get("FASTFM_EXT_DATA")
        return bool(folder) and (Path(folder) / name).exists()
    try:
        LOADERS[name]()
    except OSError:
        return False
    return True
