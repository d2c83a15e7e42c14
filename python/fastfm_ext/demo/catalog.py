"""Catalog of a recommender's items: what they are called, what describes them, and how they are found by words."""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int64
from fastfm_ext.recommender.known import Known

MOST_DESCRIPTIONS = 4
# Popular items come first, so that what is left out of a search for a common letter is rare.
MOST_CANDIDATES = 500


class Catalog:
    """Items that a recommender knows something of, by their positions in it.

    Parameters
    ----------
    known : Known
        Of a fitted recommender.
    feature_names : ndarray of shape (n_features,), or None
        Names as an `FMEncoder` gives them, "genres=Drama"; None for matrices.

    Attributes
    ----------
    places : ndarray of shape (n_items,), int64
        Their positions, what most users chose first.
    tag : str
        Tells items in this order from others: what a page knows by positions holds for one tag.
    """

    def __init__(self, known: Known, feature_names: AnyArray | None) -> None:
        self._known = known
        self._names = None if feature_names is None else feature_names.tolist()
        places = np.flatnonzero(known.items.is_known(known.trained))
        self.places: Int64 = places[np.argsort(-known.n_users_of[places], kind="stable")]
        self._is_there = np.zeros(len(known.items), dtype=bool)
        self._is_there[places] = True
        ids = repr(known.items.ids.tolist()).encode("utf-8", "backslashreplace")
        self.tag = hashlib.blake2b(ids, digest_size=6).hexdigest()
        self._texts = [f" {folded(self.title(place))}" for place in self.places.tolist()]
        # In one text, the processor looks for a word in all titles at once.
        self._text = "\n".join(self._texts)
        self._starts = np.cumsum([0, *(len(text) + 1 for text in self._texts)]).tolist()

    def __len__(self) -> int:
        return len(self.places)

    def has(self, place: int) -> bool:
        """Return whether there is an item of this number."""
        return 0 <= place < len(self._is_there) and bool(self._is_there[place])

    def title(self, place: int) -> str:
        """Return what an item is called: its title, or else its id."""
        titles = self._known.items.titles
        title = None if titles is None else titles[place]
        return str(self._known.items.ids[place]) if title is None or not str(title).strip() else str(title)

    def descriptions(self, place: int) -> list[str]:
        """Return the values of the item's features beside its id, such as its genres, the first few."""
        if self._names is None:
            return []
        X, of_id = self._known.items.X, f"{self._known.columns.item}="
        names = (str(self._names[feature]) for feature in X.indices[X.indptr[place] : X.indptr[place + 1]].tolist())
        values = (name.partition("=")[2] for name in names if not name.startswith(of_id))
        return [value for value in values if value][:MOST_DESCRIPTIONS]

    def shown(self, place: int) -> dict[str, Any]:
        """Return what a page shows of an item."""
        return {
            "item": place,
            "title": self.title(place),
            "description": " · ".join(self.descriptions(place)),
            "users": int(self._known.n_users_of[place]),
        }

    def search(self, words: str, n: int) -> list[int]:
        """Return the positions of items whose titles have all words, at most `n`.

        Capitals and accents make no difference. Titles that begin with the first word come first, then those in which
        a word begins with it, and among equals those that most users chose.
        """
        wanted = folded(words).split()
        if not wanted:
            return self.places[:n].tolist()  # type: ignore[no-any-return]
        found = []
        for at in self._rows_with(max(wanted, key=len)):
            text = self._texts[at]
            if all(word in text for word in wanted):
                rank = 0 if text.startswith(f" {wanted[0]}") else 1 if f" {wanted[0]}" in text else 2
                found.append((rank, at))
            if len(found) >= MOST_CANDIDATES:
                break
        return [int(self.places[at]) for _, at in sorted(found)[:n]]

    def _rows_with(self, word: str) -> Iterator[int]:
        """Yield the rows of `places` whose title has a word, in order."""
        start = 0
        while (start := self._text.find(word, start)) >= 0:
            row = bisect_right(self._starts, start) - 1
            yield row
            start = self._starts[row + 1]

    @cached_property
    def most_common(self) -> list[str]:
        """The descriptions of most items among those that come first, the commonest first."""
        counts: dict[str, int] = {}
        for place in self.places[:MOST_CANDIDATES].tolist():
            for value in self.descriptions(place):
                counts[value] = counts.get(value, 0) + 1
        return sorted(counts, key=lambda value: -counts[value])


def folded(text: str) -> str:
    """Return a text without accents, capitals, marks and double spaces, for searches."""
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return " ".join("".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c)).split())
