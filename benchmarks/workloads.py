"""Made-up training rows in the shapes of well-known data sets, for the benchmarks.

Real data of these kinds may not be redistributed, and the cost of a row depends on little of it: the number of
nonzeros, the number of features, and how often the popular ones come back. Each is a function of the number of rows:

========== ========== =========== ======== =====================================================================
name       nonzeros   features    loss     like
========== ========== =========== ======== =====================================================================
``rat2``   2          9,746       squared  MovieLens 1M: a user of 6,040 and a film of 3,706
``rat5``   5          165,791     squared  MovieLens 20M: a user of 138,493, a film of 27,278, its 3 of 20 genres
``frappe`` 10         5,382       logistic Frappe: user, app and 8 fields of context
``avazu``  22         1,000,000   logistic Avazu: ad, site and device, a few large fields and many small ones
``ctr1``   39         1,000,000   logistic Criteo, hashed to a million features
``ctr10``  39         10,000,000  logistic Criteo, hashed to ten million features
========== ========== =========== ======== =====================================================================

A field's ids follow Zipf's law: the n-th most popular is drawn with probability proportional to ``n ** -exponent``.
Popular ids lie anywhere in the field, as they do after hashing. Every stored value is 1. The targets come from a
planted factorization machine and noise, so that training has something to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from fastfm_ext._common.arrays import Float32
from fastfm_ext._engine.csr import Csr
from numpy_fm import predict, to_scipy

# The most rated film of MovieLens has under 1 % of the ratings; the top value of a field of clicks often over 10 %.
RATING_EXPONENT = 0.5
CLICK_EXPONENT = 1.05

N_GENRES = 20
GENRES_PER_FILM = 3
FRAPPE_FIELDS = (957, 4082, 7, 7, 2, 3, 2, 9, 80, 233)
PLANTED_FACTORS = 4
PLANTED_SPREAD = 0.7  # of the sum of a row's linear terms, and about that of its pair terms

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Workload:
    """Rows, their targets and the loss that fits them.

    Attributes
    ----------
    name : str
    X : Csr
        (n_rows, n_features), every value 1, the same number of nonzeros in each row.
    y : ndarray of shape (n_rows,), float32
        Ratings from 1 to 5 for the squared loss, clicks 0 or 1 for the logistic loss.
    loss : {"squared", "logistic"}
    """

    name: str
    X: Csr
    y: Float32
    loss: str

    def head(self, n_rows: int) -> Workload:
        """Return the first ``n_rows`` rows, or all if there are fewer."""
        indptr = self.X.indptr[: n_rows + 1]
        X = replace(self.X, indptr=indptr, indices=self.X.indices[: indptr[-1]])
        return replace(self, X=X, y=self.y[:n_rows])


def rat2(n_rows: int, seed: int = 0) -> Workload:
    """Return ratings of films by users: MovieLens 1M's 6,040 x 3,706."""
    world, draws = _generators(seed)
    ids = _one_hot((6040, 3706), n_rows, RATING_EXPONENT, world, draws)
    return _with_targets("rat2", ids, 9746, "squared", world, draws)


def rat5(n_rows: int, seed: int = 0) -> Workload:
    """Return ratings with the film's genres: MovieLens 20M's 138,493 x 27,278, and 3 of 20 genres for each film."""
    n_users, n_films = 138_493, 27_278
    world, draws = _generators(seed)
    ids = _one_hot((n_users, n_films), n_rows, RATING_EXPONENT, world, draws)
    genres = _genres(n_films, world)
    genre_ids = n_users + n_films + genres[ids[:, 1] - n_users]
    return _with_targets("rat5", np.hstack([ids, genre_ids]), n_users + n_films + N_GENRES, "squared", world, draws)


def frappe(n_rows: int, seed: int = 0) -> Workload:
    """Return app usage in context: Frappe's 10 fields and 5,382 features."""
    return _clicks("frappe", FRAPPE_FIELDS, n_rows, seed)


def avazu(n_rows: int, seed: int = 0) -> Workload:
    """Return clicks on ads with 22 fields and 1,000,000 features."""
    return _clicks("avazu", field_sizes(22, 1_000_000), n_rows, seed)


def ctr1(n_rows: int, seed: int = 0) -> Workload:
    """Return clicks on ads with 39 fields and 1,000,000 features."""
    return _clicks("ctr1", field_sizes(39, 1_000_000), n_rows, seed)


def ctr10(n_rows: int, seed: int = 0) -> Workload:
    """Return clicks on ads with 39 fields and 10,000,000 features."""
    return _clicks("ctr10", field_sizes(39, 10_000_000), n_rows, seed)


WORKLOADS: dict[str, Callable[[int], Workload]] = {
    make.__name__: make for make in (rat2, rat5, frappe, avazu, ctr1, ctr10)
}


def field_sizes(n_fields: int, n_features: int, smallest: int = 4) -> tuple[int, ...]:
    """Return sizes of fields from ``smallest`` up, each larger than the last by the same factor, ``n_features`` in all.

    Most fields of an ad are small (banner position, weekday) and a few hold nearly all ids (device, page).
    """
    low, high = 1.0, float(n_features)
    for _ in range(100):
        factor = (low + high) / 2
        if smallest * np.sum(factor ** np.arange(n_fields, dtype=float)) > n_features:
            high = factor
        else:
            low = factor
    sizes = [int(smallest * low**field) for field in range(n_fields)]
    sizes[-1] += n_features - sum(sizes)
    return tuple(sizes)


def zipf_ids(size: int, n_draws: int, exponent: float, world: np.random.Generator, draws: np.random.Generator) -> Rows:
    """Draw ids in [0, size); ``world`` says which ids are popular, ``draws`` picks the rows' ids."""
    shares = np.cumsum(np.arange(1, size + 1, dtype=float) ** -exponent)
    ranks = np.searchsorted(shares, draws.random(n_draws) * shares[-1])
    ids: Rows = world.permutation(size)[ranks]
    return ids


def _generators(seed: int) -> tuple[np.random.Generator, np.random.Generator]:
    # The planted parameters are the same for every seed and number of rows; another seed draws unseen rows.
    return np.random.default_rng(20100), np.random.default_rng(seed)


def _clicks(name: str, sizes: Sequence[int], n_rows: int, seed: int) -> Workload:
    world, draws = _generators(seed)
    ids = _one_hot(sizes, n_rows, CLICK_EXPONENT, world, draws)
    return _with_targets(name, ids, sum(sizes), "logistic", world, draws)


def _one_hot(
    sizes: Sequence[int], n_rows: int, exponent: float, world: np.random.Generator, draws: np.random.Generator
) -> Rows:
    """Return one feature of each field for every row: (n_rows, n_fields), fields one after the other."""
    starts = np.cumsum([0, *sizes[:-1]])
    columns = [zipf_ids(size, n_rows, exponent, world, draws) for size in sizes]
    ids: Rows = np.stack(columns, axis=1) + starts
    return ids


def _genres(n_films: int, world: np.random.Generator) -> Rows:
    """Return distinct genres of every film, some far more common than others: (n_films, GENRES_PER_FILM)."""
    # The largest of log(share) + Gumbel noise are a draw without replacement in proportion to the shares.
    log_shares = -np.log(np.arange(1, N_GENRES + 1, dtype=float))
    keys = log_shares + world.gumbel(size=(n_films, N_GENRES))
    genres: Rows = np.sort(np.argsort(keys, axis=1)[:, -GENRES_PER_FILM:], axis=1)
    return genres


def _with_targets(
    name: str, ids: Rows, n_features: int, loss: str, world: np.random.Generator, draws: np.random.Generator
) -> Workload:
    """Score the rows by a planted factorization machine and draw their targets from the scores."""
    n_rows, nnz_per_row = ids.shape
    indptr = np.arange(0, ids.size + 1, nnz_per_row, dtype=np.int64)
    X = Csr(indptr, ids.astype(np.int32).ravel(), None, n_features)
    spread = np.float32(PLANTED_SPREAD * nnz_per_row**-0.5)
    w = spread * world.standard_normal(n_features, dtype=np.float32)
    V = spread * world.standard_normal((n_features, PLANTED_FACTORS), dtype=np.float32)
    scores = predict(to_scipy(X), 0.0, w, V)
    if loss == "squared":
        y = np.clip(np.rint(3.5 + scores + draws.normal(scale=0.7, size=n_rows)), 1, 5)
    else:
        y = draws.random(n_rows) < expit(scores - 1.0)
    return Workload(name, X, y.astype(np.float32), loss)
