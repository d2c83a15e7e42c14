"""Ranking metrics as the textbook has them: one user, one place at a time. Slow, and meant to be read."""

import math


def recall(ranking, relevant, k):
    return sum(item in relevant for item in ranking[:k]) / len(relevant)


def truncated_recall(ranking, relevant, k):
    return sum(item in relevant for item in ranking[:k]) / min(k, len(relevant))


def precision(ranking, relevant, k):
    return sum(item in relevant for item in ranking[:k]) / k


def ndcg(ranking, relevant, k):
    gain = sum(1 / math.log2(place + 1) for place, item in enumerate(ranking[:k], start=1) if item in relevant)
    return gain / sum(1 / math.log2(place + 1) for place in range(1, min(k, len(relevant)) + 1))


def average_precision(ranking, relevant, k):
    hits = [place for place, item in enumerate(ranking[:k], start=1) if item in relevant]
    return sum(precision(ranking, relevant, place) for place in hits) / min(k, len(relevant))


def reciprocal_rank(ranking, relevant, k):
    return next((1 / place for place, item in enumerate(ranking[:k], start=1) if item in relevant), 0.0)


def hit(ranking, relevant, k):
    return float(any(item in relevant for item in ranking[:k]))


def auc(scores, relevant, excluded):
    """`scores` by item. None without a pair to compare."""
    pairs = [
        (scores[wanted], scores[other])
        for wanted in relevant - excluded
        for other in set(range(len(scores))) - relevant - excluded
    ]
    if not pairs:
        return None
    return sum((wanted > other) + (wanted == other) / 2 for wanted, other in pairs) / len(pairs)


METRICS = {
    "recall": recall,
    "truncated_recall": truncated_recall,
    "precision": precision,
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "hit_rate": hit,
}
