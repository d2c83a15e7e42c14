"""Training on Spark, on two cores of one machine.

    python -m benchmarks.spark quality                 against `fit` on one machine: two data sets, three seeds
    python -m benchmarks.spark against-pyspark         time until pyspark.ml's best quality is reached
    python -m benchmarks.spark generated               10 million rows: an epoch against one of `fit_stream`
    python -m benchmarks.spark encoding                rows a second of the encoder, against one machine
    python -m benchmarks.spark faults                  ten fits, a worker of each killed at a random moment

Run it from the root of the repository, with the extra ``spark`` installed and FASTFM_EXT_DATA set.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from . import against_pyspark, encoding, faults, generated, quality

COMMANDS = {
    "quality": quality.run,
    "against-pyspark": against_pyspark.run,
    "generated": generated.run,
    "encoding": encoding.run,
    "faults": faults.run,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data", nargs="+", default=None, help="data sets: ml-1m, ml-1m-ids, frappe")
    parser.add_argument("--partitions", nargs="+", type=int, default=None)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", nargs="+", type=int, default=list(against_pyspark.ITERATIONS))
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--values", type=int, default=10_000, help="of each field of the generated rows")
    parser.add_argument("--rounds", type=int, default=None, help="rounds of an epoch; chosen by the rows by default")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--times", type=int, default=None, help="how often to measure, or to kill")
    parser.add_argument("--executors", action="store_true", help="kill executors of local-cluster, not Python workers")
    parser.add_argument("--memory", default="4g", help="of Spark, for the generated rows")
    parser.add_argument("--figure", help="a file for the picture of quality against time")
    parser.add_argument("--json", help="a file for its numbers")
    parser.add_argument("--work", help="a folder for the rows as text; kept, and used again")
    options = parser.parse_args()
    options.folder = Path(os.environ.get("FASTFM_EXT_DATA", ""))
    if options.command not in ("encoding", "generated") and not options.folder.name:
        raise SystemExit("set FASTFM_EXT_DATA to the folder that holds the data sets")
    if options.data is None:
        options.data = (
            ["ml-1m-ids", "frappe"] if options.command == "against-pyspark" else ["ml-1m-ids", "ml-1m", "frappe"]
        )
    options.partitions = options.partitions or ([2] if options.command == "generated" else [2, 8])
    options.times = options.times or (10 if options.command == "faults" else 3)
    with tempfile.TemporaryDirectory() as folder:
        options.work = os.path.abspath(options.work or folder)
        os.makedirs(options.work, exist_ok=True)
        COMMANDS[options.command](options)


if __name__ == "__main__":
    main()
