"""Metrics of rankings by user, for relevance that is yes or no, and of the probabilities of clicks.

Of clicks
---------
`normalized_entropy`, `calibration_ratio` and `expected_calibration_error` take labels and probabilities as the metrics
of scikit-learn do, of which `log_loss`, `roc_auc_score` and `brier_score_loss` stand beside them.

What all metrics of rankings share
----------------------------------
`ranked` has shape (n_users, n), the best item first, as `ItemIndex.search` returns it. `relevant` says which items
each user wants, in one of two forms:

- a SciPy sparse matrix of shape (n_users, n_items), nonzero where an item is relevant; `ranked` then holds positions
  of its columns;
- a list with one collection of ids a user; `ranked` then holds such ids.

-1 (among integers) and None stand for no item: such a place is a miss. The functions do not know which items a user
has seen: leave them out of the ranking, with ``search(..., exclude=seen)``, and out of `relevant`.

A metric is computed for each user and averaged over the users who have relevant items; the others are left out.
`values_by_user` returns what is averaged.

Published figures hide differences in these definitions. Recall@20 and NDCG@20 on the splits of NGCF and LightGCN (He et
al. 2020, and the BARS benchmark) are `recall_at_k` and `ndcg_at_k`. HR@10 and NDCG@10 of NCF (He et al. 2017) are
`hit_rate_at_k` and `ndcg_at_k` of rankings of 100 candidates. Recall of Mult-VAE (Liang et al. 2018) and of those who
follow it is `recall_at_k` with ``truncated=True``.
"""

from fastfm_ext.metrics.probabilities import calibration_ratio, expected_calibration_error, normalized_entropy
from fastfm_ext.metrics.rankings import (
    auc,
    coverage,
    hit_rate_at_k,
    map_at_k,
    mrr,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    values_by_user,
)

__all__ = [
    "auc",
    "calibration_ratio",
    "coverage",
    "expected_calibration_error",
    "hit_rate_at_k",
    "map_at_k",
    "mrr",
    "ndcg_at_k",
    "normalized_entropy",
    "precision_at_k",
    "recall_at_k",
    "values_by_user",
]
