"""How well `FMRanker` and other libraries rank, by the protocols that others published results for.

    python benchmarks/ranking_quality.py gowalla      Recall@20 and NDCG@20 over all items that a user has not seen, on
                                                      the split of NGCF and LightGCN
    python benchmarks/ranking_quality.py gowalla-part the same for a quarter of the users: pairwise losses beside others
    python benchmarks/ranking_quality.py frappe       HR@10 and NDCG@10 of the last choice of each context among all
    python benchmarks/ranking_quality.py lastfm       items but those that this very context has in training, on the
                                                      splits of CFM (Xin et al. 2019)
    python benchmarks/ranking_quality.py ml-1m        HR@10 and NDCG@10, the last film of each user among 99 others, on
                                                      the split of NCF (He et al. 2017)
    python benchmarks/ranking_quality.py cold-start   Recall@20 and NDCG@20 on a fifth of MovieLens 100K's films, which
                                                      training has not seen, by genres and period
    python benchmarks/ranking_quality.py fold-in      users of Gowalla left out of training, by 20 events of theirs,
                                                      against training with these events
    python benchmarks/ranking_quality.py newcomers    users of Gowalla left out of training, by what they chose, where
                                                      models represent users by that

Each job trains every contender (`top_n/contenders.py`) once for each of `--seeds` and prints mean, standard deviation
and CPU seconds of the training; `--only` names contenders by a part of their titles. With `--search`, a job tries
settings instead, on a part of its training file that is held out: by that the settings were chosen. Other libraries
(implicit, LightFM; and EASE, in NumPy) take part with `--peers`, each in an environment that is made under `--home` the
first time, with one thread. `--jobs` is the number of our threads. `--unmasked` ranks all items of `frappe` and
`lastfm`.

The data is read from the folder that the environment variable FASTFM_EXT_DATA names: `gowalla/`, `cfm/`, `ml-1m/` and
`ml-100k/`, each file plain or compressed as .xz.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from peers.environments import default_home
from top_n.contenders import CONTENDERS
from top_n.fits import OURS
from top_n.fold_in import compare_fold_in
from top_n.newcomers import compare_newcomers
from top_n.table import compare, search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=[*CONTENDERS, "fold-in", "newcomers"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of the titles of contenders")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--unmasked", action="store_true")
    parser.add_argument("--home", type=Path, default=default_home(), help="folder of the libraries' environments")
    asked = parser.parse_args()
    data = os.environ.get("FASTFM_EXT_DATA")
    if not data:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    folder = Path(data)
    if asked.job == "fold-in":
        compare_fold_in(folder, asked.seeds, asked.jobs)
        return
    if asked.job == "newcomers":
        compare_newcomers(folder, asked.seeds, asked.jobs)
        return
    contenders = [
        one
        for one in CONTENDERS[asked.job]
        if any(part in one.title for part in asked.only) and (asked.peers or one.library == OURS)
    ]
    if asked.search:
        search(asked.job, folder, contenders, asked.jobs, asked.home)
    else:
        compare(asked.job, folder, contenders, asked.seeds, asked.jobs, asked.home, not asked.unmasked)


if __name__ == "__main__":
    main()
