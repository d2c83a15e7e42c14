"""Answers of the demo: each follows from the question and the recommender alone, and changes neither."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastfm_ext._common.arrays import Float64, Int64
from fastfm_ext.demo.catalog import Catalog
from fastfm_ext.plotting.vectors import VectorMapDisplay
from fastfm_ext.recommender.guests import guest_of
from fastfm_ext.recommender.recommender import FMRecommender

MOST_REASONS = 5
MOST_ON_MAP = 5000
MOST_GROUPS = 6
MAP_WIDTH = 1000


class Answers:
    """What a recommender answers to the page of the demo.

    Parameters
    ----------
    recommender : FMRecommender
        A fitted one, which nobody changes meanwhile.
    noun : str
        What its items are, in the plural.

    Raises
    ------
    ValueError
        If it has no factors, and so nothing to show.
    """

    def __init__(self, recommender: FMRecommender, noun: str = "items") -> None:
        self._recommender, self._model, self.noun = recommender, recommender.model, noun
        self._known = recommender._fitted()
        encoder = recommender.encoder
        self.catalog = Catalog(self._known, None if encoder is None else encoder.get_feature_names_out())
        if self._model.n_factors < 1:
            raise ValueError("a ranking with n_factors=0 ranks the same for everybody; the demo has nothing to show")
        # What takes longer than a click is done before the first one.
        self._map = self._drawn()
        self.recommend(self.catalog.places[: min(1, len(self.catalog) - 1)], 1, 1.0)

    def about(self) -> dict[str, Any]:
        """Say what is served."""
        exact = self._known.in_histories is not None
        return {
            "model": self.catalog.tag,
            "noun": self.noun,
            "items": len(self.catalog),
            "users": len(self._known.users),
            "reasons": "sum" if exact else "difference",
        }

    def search(self, words: str, n: int) -> dict[str, Any]:
        """Find items by words of their titles; without any, those that most users chose."""
        return {"items": [self.catalog.shown(place) for place in self.catalog.search(words, n)]}

    def items(self, places: Int64) -> dict[str, Any]:
        """Say what is known of items."""
        return {"items": [self.catalog.shown(place) for place in places.tolist()]}

    def recommend(self, likes: Int64, n: int, popularity: float) -> dict[str, Any]:
        """Recommend to somebody who likes some items, with the reasons.

        Parameters
        ----------
        likes : ndarray of shape (n_likes,), int64
            Positions of items, each once.
        n : int
            Recommendations, at most.
        popularity : float
            By which what an item scores whoever asks is multiplied: 1 as the model has learned it.

        Raises
        ------
        ValueError
            If the model cannot learn from so many likes.
        """
        guest = guest_of(self._known, self._model, likes)
        vector = guest.vector.copy()
        vector[0] *= popularity
        index = self._recommender.index
        liked = self._known.items.ids[likes].tolist()
        ids, scores = index.search(vector, min(n, len(index)), exclude=[item for item in liked if item in index])
        found = scores > -np.inf
        places = self._known.items.find(ids[found].tolist(), "items")
        vectors = self._model.item_vector(self._known.items.X[places]).astype(np.float64)
        # (n_found, n_likes)
        parts = vectors[:, 1:] @ guest.shares.T
        return {
            "likes": [self.catalog.shown(place) for place in likes.tolist()],
            "items": [
                self.catalog.shown(place)
                | {
                    "score": _rounded(score),
                    "alone": _rounded(float(popularity * own[0])),
                    "because": self._reasons(likes, values),
                    "choices": _rounded(float(own[1:] @ vector[1:])),
                }
                for place, score, own, values in zip(
                    places.tolist(), scores[found].tolist(), vectors, parts, strict=True
                )
            ],
        }

    def _reasons(self, likes: Int64, values: Float64) -> list[dict[str, Any]]:
        """Return the likes that add most to a score, the largest part first."""
        largest = np.argsort(-values, kind="stable")[:MOST_REASONS].tolist()
        return [
            {"item": int(likes[at]), "title": self.catalog.title(int(likes[at])), "value": _rounded(float(values[at]))}
            for at in largest
        ]

    def similar(self, place: int, n: int) -> dict[str, Any]:
        """Find the items that are most like one.

        Raises
        ------
        ValueError
            If the item is not in the index.
        """
        index, item = self._recommender.index, self._known.items.ids[[place]]
        if item.tolist()[0] not in index:
            raise ValueError(f"{self.catalog.title(place)!r} is not in the index any more.")
        ids, cosines = index.similar_items(item, min(n, len(index)))
        found = cosines[0] > -np.inf
        places = self._known.items.find(ids[0][found].tolist(), "items").tolist()
        pairs = zip(places, cosines[0][found].tolist(), strict=True)
        return {
            "of": self.catalog.shown(place),
            "items": [self.catalog.shown(other) | {"cosine": _rounded(cosine)} for other, cosine in pairs],
        }

    def map(self) -> dict[str, Any]:
        """Return the items that most users chose on a plane: places from 0 to 1000, and groups to color them by."""
        return self._map

    def _drawn(self) -> dict[str, Any]:
        places = self.catalog.places[:MOST_ON_MAP]
        display = VectorMapDisplay(self._model.item_vector(self._known.items.X[places])[:, 1:])
        points = display.points - display.points.min(axis=0)
        points *= MAP_WIDTH / max(float(points.max()), 1e-30)
        groups = self.catalog.most_common[:MOST_GROUPS]
        rank = {name: at for at, name in enumerate(groups)}
        found = [
            [rank[value] for value in self.catalog.descriptions(place) if value in rank] for place in places.tolist()
        ]
        return {
            "groups": groups,
            "variance": [_rounded(float(share)) for share in display.explained_variance_ratio],
            "items": places.tolist(),
            "titles": [self.catalog.title(place) for place in places.tolist()],
            "x": points[:, 0].round(1).tolist(),
            "y": points[:, 1].round(1).tolist(),
            # Of an item's groups the rarest, which says most.
            "group": [max(ranks, default=-1) for ranks in found],
        }


def _rounded(value: float) -> float:
    return round(value, 4)
