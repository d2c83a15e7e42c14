"""How fast top-N search is on trained vectors, beside faiss, NumPy and implicit.

python -m benchmarks.retrieval                        all tables: about ten minutes
python -m benchmarks.retrieval --tables exact ivf     exact, limit, halves, seen, ivf, codes
python -m benchmarks.retrieval --quick                few users and small tables: does it run

The vectors are trained on MovieLens 1M and Gowalla, in the folder that FASTFM_EXT_DATA names; larger tables are drawn
from theirs (``vectors.more_like``). The table `seen` needs implicit (``python -m pip install implicit``).
"""

from __future__ import annotations

import os

# Read when NumPy loads its library. Threads of a matrix product would only help NumPy, where one thread is compared.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import numpy as np

from fastfm_ext import ItemIndex
from in_turn import time_in_turn
from tables import markdown_table, median_and_range, three_digits

from . import contenders
from .vectors import Float32, Vectors, gowalla, more_like, movielens

TABLES = ("exact", "limit", "halves", "seen", "ivf", "codes")


def compare(searches: Mapping[str, Callable[[], object]], n_users: int, rounds: int) -> list[list[str]]:
    """Time searches in turn; a row for each: name, us a user, and by what the first one is faster in the same round."""
    times = time_in_turn(searches, rounds)
    first = times[next(iter(searches))].wall
    rows = []
    for name, taken in times.items():
        ratios = [theirs / ours for theirs, ours in zip(taken.wall, first, strict=True)]
        rows.append([name, three_digits(median(taken.wall) / n_users * 1e6), median_and_range(ratios)])
    return rows


def exact_table(cases: Mapping[str, tuple[Float32, Float32]], rounds: int) -> str:
    """Exact top 10 on one thread: ours, faiss' flat index, and a product with argpartition."""
    import faiss

    faiss.omp_set_num_threads(1)
    rows = []
    for name, (users, items) in cases.items():
        searches = {
            "fastfm-ext": contenders.ours(ItemIndex(n_jobs=1).fit(items), users, 10),
            "faiss IndexFlatIP": contenders.faiss_flat(users, items, 10),
            "sgemm and argpartition": contenders.sgemm(users, items, 10),
        }
        rows += [[name, *row] for row in compare(searches, len(users), rounds)]
    return markdown_table(["items", "search", "us/user", "fastfm-ext is faster by"], rows)


def limit_table(cases: Mapping[str, tuple[Float32, Float32]], rounds: int) -> str:
    """Exact search on one thread beside the product of users and items alone, from which it selects."""
    rows = []
    for name, (users, items) in cases.items():
        index = ItemIndex(n_jobs=1).fit(items)
        searches = {"the product alone": contenders.product(users, items)}
        searches |= {f"top {n}": contenders.ours(index, users, n) for n in (10, 100)}
        rows += [[name, *row] for row in compare(searches, len(users), rounds)]
    return markdown_table(["items", "search", "us/user", "time / the product's"], rows)


def halves_table(cases: Mapping[str, tuple[Float32, Float32]], rounds: int) -> str:
    """Exact search of float32 and of float16 on one thread: time, memory, and how many of the best 100 stay."""
    rows = []
    for name, (users, items) in cases.items():
        indexes = {dtype: ItemIndex(dtype=dtype, n_jobs=1).fit(items) for dtype in ("float32", "float16")}
        searches = {dtype: contenders.ours(index, users, 100) for dtype, index in indexes.items()}
        best = searches["float32"]()
        for row, (dtype, index) in zip(compare(searches, len(users), rounds), indexes.items(), strict=True):
            kept = f"{contenders.recall(searches[dtype](), best):.4f}"
            rows.append([name, *row, three_digits(index.bytes_per_item_), kept])
    return markdown_table(["items", "kept in", "us/user", "time / float32's", "bytes an item", "recall@100"], rows)


def seen_table(vectors: Vectors, rounds: int, n_threads: int = 2) -> str:
    """Best 20 unseen items of all users, on two threads: ours and implicit's."""
    index = ItemIndex(n_jobs=n_threads).fit(vectors.items)
    searches = {
        "fastfm-ext": contenders.ours(index, vectors.users, 20, vectors.seen),
        "implicit recommend": contenders.implicit_recommend(vectors, 20, n_threads),
    }
    rows = compare(searches, len(vectors.users), rounds)
    return markdown_table(["search", "us/user", "fastfm-ext is faster by"], rows)


def ivf_table(users: Float32, items: Float32, rounds: int, *, with_hnsw: bool) -> str:
    """Best 100 items on one thread: the approximate index, our exact one, and faiss' lists at the same recall; HNSW."""
    import faiss

    faiss.omp_set_num_threads(1)
    half = len(users) // 2
    tuning, users = users[:half], users[half:]
    index = ItemIndex("ivf", n_jobs=1).fit(items).tune(tuning)
    searches = {
        f"ivf, {index.n_probes_} of {index.n_lists_} lists": contenders.ours(index, users, 100),
        "exact": contenders.ours(ItemIndex(n_jobs=1).fit(items), users, 100),
    }
    best = searches["exact"]()
    reached = contenders.recall(next(iter(searches.values()))(), best)
    searches["faiss IndexIVFFlat"] = contenders.faiss_ivf(users, items, 100, index.n_lists_, reached, best)
    if with_hnsw:
        graph = contenders.faiss_hnsw(users, items, 100, (100, 200, 400, 800))
        searches |= {f"faiss HNSW, ef {ef}": search for ef, search in graph.items()}
    rows = compare(searches, len(users), rounds)
    for row, search in zip(rows, searches.values(), strict=True):
        row.append(f"{contenders.recall(search(), best):.3f}")
    return markdown_table(["search", "us/user", "ivf is faster by", "recall@100"], rows)


def codes_table(users: Float32, items: Float32, rounds: int) -> str:
    """Best 100 items on one thread: the approximate index with vectors, with codes beside them, and codes alone."""
    half = len(users) // 2
    tuning, users = users[:half], users[half:]
    kept = {"vectors": (None, True)}
    for quantizer in ("sq8", "pq"):
        kept |= {f"{quantizer} and vectors": (quantizer, True), f"{quantizer} alone": (quantizer, False)}
    indexes = {}
    for name, (quantizer, keep_vectors) in kept.items():
        indexes[name] = ItemIndex("ivf", quantizer=quantizer, keep_vectors=keep_vectors, n_jobs=1).fit(items)
        with warnings.catch_warnings():
            # Of a recall that "pq alone" does not reach; the table has it.
            warnings.simplefilter("ignore", UserWarning)
            indexes[name].tune(tuning)
    searches = {name: contenders.ours(index, users, 100) for name, index in indexes.items()}
    best = contenders.ours(ItemIndex(n_jobs=1).fit(items), users, 100)()
    rows = compare(searches, len(users), rounds)
    for row, (name, index) in zip(rows, indexes.items(), strict=True):
        lists = f"{index.n_probes_} of {index.n_lists_}"
        row += [lists, three_digits(index.bytes_per_item_), f"{contenders.recall(searches[name](), best):.3f}"]
    return markdown_table(["kept", "us/user", "time / first", "lists", "bytes an item", "recall@100"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retrieval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="few users, small tables, one round")
    parser.add_argument("--hnsw", action="store_true", help="with the table ivf: HNSW too, some minutes to build")
    asked = parser.parse_args(arguments)
    rounds, scale = (1, 20) if asked.quick else (asked.rounds, 1)
    films = movielens() if {"exact", "limit", "halves", "ivf", "codes"} & set(asked.tables) else None
    places = gowalla() if {"exact", "limit", "halves", "seen"} & set(asked.tables) else None
    if "exact" in asked.tables and films and places:
        cases = {
            "3,706 x 17, MovieLens 1M": (films.users[: 4000 // scale], films.items),
            "40,981 x 65, Gowalla": (places.users[: 1500 // scale], places.items),
            "200,000 x 65, like Gowalla's": (places.users[: 400 // scale], more_like(places.items, 200_000 // scale)),
        }
        print("Exact top 10, one thread\n", exact_table(cases, rounds), sep="\n", end="\n\n", flush=True)
    if "limit" in asked.tables and films and places:
        cases = {
            "3,706 x 17, MovieLens 1M": (films.users[: 3000 // scale], films.items),
            "3,706 x 65, like Gowalla's": (places.users[: 2000 // scale], more_like(places.items, 3706)),
            "26,744 x 17, like MovieLens 1M's": (films.users[: 1000 // scale], more_like(films.items, 26_744)),
            "26,744 x 65, like Gowalla's": (places.users[: 500 // scale], more_like(places.items, 26_744)),
        }
        print(
            "Exact search and the product, one thread\n", limit_table(cases, rounds), sep="\n", end="\n\n", flush=True
        )
    if "halves" in asked.tables and films and places:
        many = more_like(films.items, 1_000_000 // scale)
        cases = {
            "3,706 x 17, MovieLens 1M": (films.users[: 3000 // scale], films.items),
            "40,981 x 65, Gowalla": (places.users[: 1000 // scale], places.items),
            "a million x 17, like MovieLens 1M's": (films.users[: 200 // scale], many),
            "the same, one user": (films.users[:1], many),
        }
        print(
            "Float32 and float16, top 100, one thread\n", halves_table(cases, rounds), sep="\n", end="\n\n", flush=True
        )
    if "seen" in asked.tables and places:
        print("Top 20 unseen, all users of Gowalla, two threads\n", seen_table(places, rounds), sep="\n", end="\n\n")
    if {"ivf", "codes"} & set(asked.tables) and films:
        items = more_like(films.items, 1_000_000 // scale)
        users = films.users[np.random.default_rng(0).permutation(len(films.users))[: 2000 // scale]]
        print(f"Top 100 of {len(items):,} x 17, like MovieLens 1M's, one thread\n")
        if "ivf" in asked.tables:
            print(ivf_table(users, items, rounds, with_hnsw=asked.hnsw), end="\n\n", flush=True)
        if "codes" in asked.tables:
            print(codes_table(users, items, rounds), flush=True)


if __name__ == "__main__":
    main()
