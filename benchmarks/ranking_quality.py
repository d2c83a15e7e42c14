"""How well `FMRanker` ranks, by the protocols that others published results for.

    python benchmarks/ranking_quality.py gowalla      Recall@20 and NDCG@20 over all items that a user has not seen, on
                                                      the split of NGCF and LightGCN
    python benchmarks/ranking_quality.py gowalla-default    the same with 64 factors and nothing else chosen: the
                                                      temperature and the epochs are found on held-out interactions
    python benchmarks/ranking_quality.py frappe       HR@10 and NDCG@10 of the last choice of each context among all
    python benchmarks/ranking_quality.py lastfm       items but those that this very context has in training, on the
                                                      splits of CFM (Xin et al. 2019), by default settings
    python benchmarks/ranking_quality.py ml-1m        HR@10 and NDCG@10, the last film of each user among 99 others, on
                                                      the split of NCF (He et al. 2017)
    python benchmarks/ranking_quality.py cold-start   Recall@20 on a fifth of MovieLens 100K's films, which training has
                                                      not seen, by genres and year
    python benchmarks/ranking_quality.py fold-in      users of Gowalla left out of training, by 20 events of theirs,
                                                      against training with these events

Each job trains once for each of `--seeds` and prints mean and standard deviation. With `--search`, a job tries settings
instead, on a part of its training file: a tenth of each user's interactions is held out. The settings that the jobs use
were chosen by that. `--jobs` is the number of threads.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names: `gowalla/`, `ml-1m/` and
`ml-100k/`, each file plain or compressed as .xz.
"""

from __future__ import annotations

import argparse
import lzma
import os
import re
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from fastfm_ext import FMEncoder, FMRanker, evaluate, multi
from quality import find

GOWALLA: dict[str, Any] = {"n_factors": 64, "temperature": 0.1}
INNER_PRODUCTS: dict[str, Any] = {
    "n_factors": 64,
    "similarity": "dot",
    "n_negatives": 512,
    "l2_w": 0.15,
    "l2_V": 0.15,
    "learning_rate": 0.2,
    "max_iter": 22,
}
GOWALLA_SEARCH = [{}, {"temperature": 0.08}, {"temperature": 0.12}, {"n_negatives": 2048}, {"similarity": "dot"}]
ML_1M: dict[str, Any] = {
    "n_factors": 128,
    "similarity": "dot",
    "n_negatives": 256,
    "l2_w": 0.07,
    "l2_V": 0.07,
    "max_iter": 16,
}
ML_1M_SEARCH: list[dict[str, Any]] = [
    {"n_factors": 64, "loss": "bpr", "n_negatives": 4, "l2_w": 0.01, "l2_V": 0.01, "max_iter": 30},
    *(
        {"n_factors": k, "l2_w": l2, "l2_V": l2, "n_negatives": n, "max_iter": 60}
        for k, n, l2 in ((64, 64, 0.1), (64, 256, 0.1), (128, 256, 0.1), (128, 256, 0.07), (192, 256, 0.1))
    ),
]
COLD_START: dict[str, Any] = {"n_factors": 16, "similarity": "dot", "max_iter": 30}
COLD_START_SEARCH: list[dict[str, Any]] = [{}, {"l2_V": 0.03}, {"l2_V": 0.3}]


# --- data ------------------------------------------------------------------------------------------------------------


def ids_only(n_users: int, n_items: int) -> tuple[sp.csr_array, sp.csr_array]:
    """Return the features of users and items that are known by their ids alone."""
    both = sp.eye_array(n_users + n_items, dtype=np.float32, format="csr")
    return both[:n_users], both[n_users:]


def read_text(path: Path) -> Iterable[str]:
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as file:
        yield from file


def read_gowalla(folder: Path) -> tuple[sp.csr_array, sp.csr_array]:
    """Return what users chose in the training and in the test file."""
    files = [
        [np.array(line.split(), dtype=np.int64) for line in read_text(find(folder, f"{part}.txt"))]
        for part in ("train", "test")
    ]
    both = [row for rows in files for row in rows if len(row) > 1]
    n_users, n_items = 1 + max(row[0] for row in both), 1 + max(row[1:].max() for row in both)
    train, test = (_as_matrix(rows, n_users, n_items) for rows in files)
    return train, test


def _as_matrix(rows: list[np.ndarray], n_users: int, n_items: int) -> sp.csr_array:
    users = np.concatenate([np.full(len(row) - 1, row[0]) for row in rows if len(row)])
    items = np.concatenate([row[1:] for row in rows if len(row)])
    matrix = sp.coo_array((np.ones(len(users), dtype=np.float32), (users, items)), (n_users, n_items)).tocsr()
    matrix.data[:] = 1.0
    return matrix


# --- measures --------------------------------------------------------------------------------------------------------


def recall_and_ndcg(
    model: FMRanker, X_user: Any, X_item: Any, seen: sp.csr_array, relevant: sp.csr_array, k: int = 20
) -> tuple[float, float]:
    """Return both means over the users with relevant items, over all items that a user has not seen."""
    found = evaluate(model, X_user, X_item, relevant, seen=seen, k=k, metrics=("recall", "ndcg"))
    return found[f"recall@{k}"], found[f"ndcg@{k}"]


def report(name: str, labels: tuple[str, ...], results: list[tuple[float, ...]], note: str = "") -> None:
    means, spreads = np.mean(results, axis=0), np.std(results, axis=0, ddof=1 if len(results) > 1 else 0)
    values = ", ".join(f"{label} {m:.4f} ± {s:.4f}" for label, m, s in zip(labels, means, spreads, strict=True))
    print(f"{name}: {values} over {len(results)} seeds{note}", flush=True)


def search(settings: dict[str, Any], changes: list[dict[str, Any]], jobs: int, *data: Any) -> None:
    """Print the best validation score of each setting, and the epoch that it was reached in."""
    for change in changes:
        model = FMRanker(**(settings | change), early_stopping=True, n_jobs=jobs, random_state=0)
        started = time.perf_counter()
        model.fit(*data)
        best = max(model.history_["val_score"])
        seconds = time.perf_counter() - started
        found = f"{model.validation_metric} {best:.4f} in epoch {model.best_epoch_}"
        print(f"{change}: {found}, {seconds:.0f} s", flush=True)


# --- jobs ------------------------------------------------------------------------------------------------------------


def gowalla(data: Path, seeds: list[int], jobs: int, searching: bool) -> None:
    _gowalla(data, seeds, jobs, searching, GOWALLA | {"early_stopping": False})


def gowalla_default(data: Path, seeds: list[int], jobs: int, searching: bool) -> None:
    _gowalla(data, seeds, jobs, searching, {"n_factors": 64})


def _gowalla(data: Path, seeds: list[int], jobs: int, searching: bool, settings: dict[str, Any]) -> None:
    train, test = read_gowalla(data / "gowalla")
    X_user, X_item = ids_only(*train.shape)
    if searching:
        search(GOWALLA, GOWALLA_SEARCH, jobs, X_user, X_item, train)
        return
    results = []
    for seed in seeds:
        started = time.perf_counter()
        model = FMRanker(**settings, n_jobs=jobs, random_state=seed).fit(X_user, X_item, train)
        seconds = time.perf_counter() - started
        results.append(recall_and_ndcg(model, X_user, X_item, train, test))
        print(f"seed {seed}: Recall@20 {results[-1][0]:.4f}, NDCG@20 {results[-1][1]:.4f}, {seconds:.0f} s", flush=True)
    report("gowalla", ("Recall@20", "NDCG@20"), results)


def context(name: str, data: Path, seeds: list[int], jobs: int, searching: bool) -> None:
    """Rank items for contexts, which are rows of the matrix of users, by default settings."""
    X_user, X_item, train, test = read_context(data / "cfm", name)
    if searching:
        search({"n_factors": 64}, [{}, {"similarity": "dot"}], jobs, X_user, X_item, train)
        return
    results = []
    for seed in seeds:
        started = time.process_time()
        model = FMRanker(64, n_jobs=jobs, random_state=seed).fit(X_user, X_item, train)
        seconds = time.process_time() - started
        found = evaluate(model, X_user, X_item, test, seen=train, k=10, metrics=("hit_rate", "ndcg"))
        results.append((found["hit_rate@10"], found["ndcg@10"]))
        at = f"temperature {model.temperature_}, {seconds:.0f} s of CPU"
        print(f"seed {seed}: HR@10 {results[-1][0]:.4f}, NDCG@10 {results[-1][1]:.4f}, {at}", flush=True)
    report(name, ("HR@10", "NDCG@10"), results)


def read_context(folder: Path, name: str) -> tuple[sp.csr_array, ...]:
    """Return the features of contexts and of items, and what was chosen in the training and in the test file."""
    files = []
    for part in ("train", "test"):
        cells = [line.split(",")[:2] for line in read_text(find(folder, f"{name}.{part}.csv")) if line[0].isdigit()]
        files.append([tuple(tuple(map(int, cell.split("-"))) for cell in row) for row in cells])
    both = files[0] + files[1]
    contexts, items = (list(dict.fromkeys(row[side] for row in both)) for side in (0, 1))
    numbers = [{row: number for number, row in enumerate(rows)} for rows in (contexts, items)]
    n_features = 1 + max(max(max(row) for row in rows) for rows in (contexts, items))
    features = [
        _ones(np.repeat(np.arange(len(rows)), [len(row) for row in rows]), np.concatenate(rows), len(rows), n_features)
        for rows in (contexts, items)
    ]
    chosen = [
        _ones([numbers[0][u] for u, _ in rows], [numbers[1][t] for _, t in rows], len(contexts), len(items))
        for rows in files
    ]
    return *features, *chosen


def _ones(rows: Any, columns: Any, n_rows: int, n_columns: int) -> sp.csr_array:
    matrix = sp.coo_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), (n_rows, n_columns)).tocsr()
    matrix.data[:] = 1.0
    return matrix


def ml_1m(data: Path, seeds: list[int], jobs: int, searching: bool) -> None:
    table = np.loadtxt(read_text(find(data / "ml-1m", "ncf.ml-1m.train.rebuilt.tsv")), dtype=np.int64)[:, :2]
    lines = list(read_text(find(data / "ml-1m", "ncf.ml-1m.test.negative")))
    candidates = np.array([[int(number) for number in re.findall(r"\d+", line)] for line in lines])
    users, candidates = candidates[:, 0], candidates[:, 1:]  # the first candidate is the film that was watched
    n_users, n_items = 1 + max(table[:, 0].max(), users.max()), 1 + max(table[:, 1].max(), candidates.max())
    train = sp.csr_array((np.ones(len(table), dtype=np.float32), table.T), (n_users, n_items))
    X_user, X_item = ids_only(n_users, n_items)
    if searching:
        search_ml_1m(train, jobs)
        return
    results = []
    for seed in seeds:
        started = time.perf_counter()
        model = FMRanker(**ML_1M, early_stopping=False, n_jobs=jobs, random_state=seed).fit(X_user, X_item, train)
        seconds = time.perf_counter() - started
        results.append(hit_rate_and_ndcg(model, X_user[users], X_item, candidates))
        print(f"seed {seed}: HR@10 {results[-1][0]:.4f}, NDCG@10 {results[-1][1]:.4f}, {seconds:.0f} s", flush=True)
    report("ml-1m", ("HR@10", "NDCG@10"), results)


def hit_rate_and_ndcg(
    model: FMRanker, X_user: Any, X_item: Any, candidates: np.ndarray, k: int = 10
) -> tuple[float, float]:
    """Return both means over the users, of the first candidate among all that stand in the user's row."""
    scores = np.einsum("uf,ucf->uc", model.user_vector(X_user), model.item_vector(X_item)[candidates])
    ranks = (scores[:, 1:] >= scores[:, :1]).sum(axis=1)
    hits = ranks < k
    return float(hits.mean()), float((hits / np.log2(ranks + 2)).mean())


def search_ml_1m(train: sp.csr_array, jobs: int) -> None:
    """Try settings by the same protocol, with a film of each user's training ones held out at random."""
    rng = np.random.default_rng(0)
    part, candidates = train.copy(), np.empty((train.shape[0], 100), dtype=np.int64)
    for user in range(train.shape[0]):
        begin, end = train.indptr[user : user + 2]
        held_out = rng.integers(begin, end)
        part.data[held_out] = 0.0
        others = np.setdiff1d(np.arange(train.shape[1]), train.indices[begin:end])
        candidates[user] = [train.indices[held_out], *rng.choice(others, 99, replace=False)]
    part.eliminate_zeros()
    X_user, X_item = ids_only(*train.shape)
    for change in ML_1M_SEARCH:
        settings = ML_1M | change
        model, found = FMRanker(**settings, n_jobs=jobs, random_state=0), []
        for _ in range(settings["max_iter"]):
            model.partial_fit(X_user, X_item, part)
            found.append(hit_rate_and_ndcg(model, X_user, X_item, candidates))
        epoch = int(np.argmax([ndcg for _, ndcg in found]))
        print(f"{change}: HR@10 {found[epoch][0]:.4f}, NDCG@10 {found[epoch][1]:.4f} in epoch {epoch + 1}", flush=True)


def cold_start(data: Path, seeds: list[int], jobs: int, searching: bool) -> None:
    folder = data / "ml-100k"
    films = read_films_with_year(folder)
    ratings = pd.read_csv(find(folder, "u.data"), sep="\t", header=None, usecols=[0, 1], names=["user", "film"])
    users = pd.DataFrame({"user": np.sort(ratings["user"].unique())})
    u, t = (
        pd.Index(ids).get_indexer(ratings[name]) for ids, name in ((users["user"], "user"), (films["film"], "film"))
    )
    chosen = sp.csr_array((np.ones(len(u), dtype=np.float32), (u, t)), (len(users), len(films)))
    results: dict[str, list[tuple[float, ...]]] = {"genres and year": [], "popularity": [], "random": []}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        hidden = np.zeros(len(films), dtype=bool)
        hidden[rng.choice(len(films), len(films) // 5, replace=False)] = True
        encoder = FMEncoder(user=["user"], item=[multi("genres", sep="|"), "period"])
        encoder.fit(pd.concat([users, films[~hidden]], ignore_index=True))
        X_user = encoder.transform(users, side="user")
        X_item = encoder.transform(films, side="item")
        train = chosen[:, np.flatnonzero(~hidden)]
        if searching:
            search(COLD_START, COLD_START_SEARCH, jobs, X_user, X_item[~hidden], train)
            return
        model = FMRanker(**COLD_START, early_stopping=False, n_jobs=jobs, random_state=seed)
        model.fit(X_user, X_item[~hidden], train)
        relevant = chosen[:, np.flatnonzero(hidden)]
        scores = model.user_vector(X_user) @ model.item_vector(X_item[hidden]).T
        n_hidden = relevant.shape[1]
        # What popularity can know of a film that nobody has seen: how often films of its genres and period are.
        overlap = (
            X_item[hidden]
            @ (X_item[~hidden].T @ train.sum(axis=0))
            / np.maximum(X_item[hidden] @ (X_item[~hidden].T @ np.ones(train.shape[1])), 1)
        )
        rankings = {
            "genres and year": scores,
            "popularity": overlap[None, :] + np.zeros((len(users), 1)),
            "random": rng.random((len(users), n_hidden)),
        }
        for name, values in rankings.items():
            results[name].append((recall_of(values, relevant),))
    for name, values in results.items():
        report(f"cold-start, {name}", ("Recall@20",), values, f", {n_hidden} hidden films")


def read_films_with_year(folder: Path) -> pd.DataFrame:
    genres = pd.read_csv(find(folder, "u.genre"), sep="|", header=None)[0].to_numpy()
    table = pd.read_csv(find(folder, "u.item"), sep="|", header=None, encoding="latin-1")
    flags = table.iloc[:, 5:].to_numpy(dtype=bool)
    years = table[2].str.extract(r"(\d{4})")[0].astype(float)
    period = np.where(years < 1990, years // 10 * 10, years)
    return pd.DataFrame(
        {"film": table[0], "genres": ["|".join(genres[row]) for row in flags], "period": period.astype(str)}
    )


def recall_of(scores: np.ndarray, relevant: sp.csr_array, k: int = 20) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(relevant.toarray(), best, axis=1).sum(axis=1)
    n_relevant = np.diff(relevant.indptr)
    return float((hits / np.maximum(n_relevant, 1))[n_relevant > 0].mean())


def fold_in(data: Path, seeds: list[int], jobs: int, searching: bool) -> None:
    """Leave 300 users out, fold them in by 20 events, and compare with a model that was trained with these events.

    Both rank by inner products.
    """
    if searching:
        raise SystemExit("fold-in has no settings of its own")
    train, test = read_gowalla(data / "gowalla")
    X_user, X_item = ids_only(*train.shape)
    results = []
    for seed in seeds:
        rng = np.random.default_rng(seed)
        left_out = rng.choice(np.flatnonzero(np.diff(train.indptr) >= 20), 300, replace=False)
        history = sp.lil_array(train.shape, dtype=np.float32)
        for user in left_out:
            history[user, rng.choice(train[[user]].indices, 20, replace=False)] = 1.0
        history = history.tocsr()
        others = train.copy()
        for user in left_out:
            others.data[others.indptr[user] : others.indptr[user + 1]] = 0.0
        others.eliminate_zeros()
        relevant = sp.lil_array(train.shape, dtype=np.float32)
        relevant[left_out] = test[left_out]
        relevant = relevant.tocsr()
        models = {}
        for name, chosen in (("without", others), ("with", others + history)):
            models[name] = FMRanker(**INNER_PRODUCTS, early_stopping=False, n_jobs=jobs, random_state=seed)
            models[name].fit(X_user, X_item, chosen)
        retrained = recall_and_ndcg(models["with"], X_user, X_item, history, relevant)[0]
        item_vectors = models["without"].item_vector(X_item)
        vectors, seconds = [], []
        for user in left_out:
            items = history[[user]].indices
            started = time.perf_counter()
            vectors.append(models["without"].fold_in(items, item_vectors))
            seconds.append(time.perf_counter() - started)
        scores = np.stack(vectors) @ item_vectors.T
        scores[history[left_out].toarray() > 0] = -np.inf
        folded = recall_of(scores, test[left_out])
        results.append((folded, retrained, folded / retrained, 1e3 * float(np.median(seconds))))
        print(
            f"seed {seed}: Recall@20 folded in {folded:.4f}, retrained {retrained:.4f}; {results[-1][3]:.2f} ms a user"
        )
    report("fold-in", ("Recall@20 folded in", "retrained", "ratio", "ms a user"), results)


JOBS: dict[str, Callable[[Path, list[int], int, bool], None]] = {
    "gowalla": gowalla,
    "gowalla-default": gowalla_default,
    "frappe": partial(context, "frappe"),
    "lastfm": partial(context, "lastfm"),
    "ml-1m": ml_1m,
    "cold-start": cold_start,
    "fold-in": fold_in,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--search", action="store_true")
    arguments = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    JOBS[arguments.job](Path(data), arguments.seeds, arguments.jobs, arguments.search)


if __name__ == "__main__":
    main()
