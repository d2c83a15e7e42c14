"""Mutates model files and loads them, for as long as one likes.

    PYTHONPATH=tests/support python tests/fuzz/fuzz_load_model.py --seconds 600 --findings /tmp/findings

Half of the files are changed as bytes. In the other half the members are changed and packed again with valid
checksums, so that the changes reach what lies behind the checks of the container. A finding is an error other than
`ModelFileError` from loading, an error other than a refusal (see `hostile_states`) from use, or a crash: the file at
hand is written before it is loaded, so that a crash leaves it behind. Exit code 1 if there are findings.
"""

import argparse
import io
import json
import random
import sys
import time
import warnings
import zipfile
from pathlib import Path

import hostile_states
from fastfm_ext import save_model

CLASSES = ("FMRegressor", "FMClassifier", "FMEncoder", "ItemIndex")
SLOTS = {"FMEncoder": "encoder", "ItemIndex": "index"}
# Numbers at the borders of types, and marks of the formats.
TOKENS = [
    *(b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"),
    *(b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"\x93NUMPY", b"manifest.json"),
    *(
        b"0",
        b"-1",
        b"1e999",
        b"NaN",
        b"null",
        b"[]",
        b"{}",
        b'"',
        b"<f4",
        b"<f8",
        b"|O",
        b"<i8",
        b"18446744073709551616",
    ),
    *(b'"__tuple__"', b'"__float__"', b"true", b"FMEncoder", b"../", b"9" * 400, b"[" * 2000),
]


def seeds(folder: Path, classes: tuple[str, ...] = CLASSES) -> list[bytes]:
    """A valid file for each class."""
    files = []
    for name in classes:
        path = folder / f"{name}.fm"
        save_model(path, **{SLOTS.get(name, "model"): hostile_states.fitted(name)})
        files.append(path.read_bytes())
    return files


def changed(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """Content with one change to a few."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        at, size = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8, 64))
        kind = rng.randrange(7)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + size] = rng.randbytes(size)
        elif kind == 2:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            token = rng.choice(TOKENS)
            data[at : at + len(token)] = token
        elif kind == 4:
            del data[at : at + size]
        elif kind == 5:
            data[at:at] = data[at : at + size]
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            data[at : at + size] = other[start : start + size]
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.03 else data)


def repacked(content: bytes, rng: random.Random, others: list[bytes]) -> bytes:
    """The file with some member changed, or the manifest's values, and all checksums valid."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if rng.random() < 0.5:
        manifest = json.loads(members["manifest.json"])
        for _ in range(rng.choice((1, 1, 2, 5))):
            place = rng.choice(list(hostile_states.leaves(manifest)))
            value = rng.choice((*hostile_states.VALUES, True, 1, 2, [0], {"__tuple__": [1]}, "text", "int64", "mixed"))
            manifest = hostile_states.changed(manifest, place, lambda parent, key, v=value: parent.__setitem__(key, v))
        members["manifest.json"] = json.dumps(manifest).encode()
    else:
        name = rng.choice(list(members))
        members[name] = changed(members[name], rng, others)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


def fuzz(folder: Path, seconds: float, rounds: int, seed: int, classes: tuple[str, ...] = CLASSES) -> list[str]:
    """Load mutated files until the time or the rounds are over; return what was found. Findings stay in the folder."""
    warnings.simplefilter("ignore")
    rng = random.Random(seed)
    corpus = seeds(folder, classes)
    path, found, number, end = folder / "at-hand.fm", [], 0, time.monotonic() + seconds
    while number < rounds and time.monotonic() < end:
        number += 1
        mutate = rng.choice((changed, repacked))
        content = mutate(rng.choice(corpus), rng, corpus)
        path.write_bytes(content)
        problem = hostile_states.problem(path, mmap=bool(number % 2))
        if problem:
            name = f"finding-{seed}-{number}.fm"
            (folder / name).write_bytes(content)
            found.append(f"{name}: {problem}")
    print(f"{number} files, {len(found)} findings")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--findings", type=Path, required=True, help="folder for the files that were found")
    options = parser.parse_args()
    options.findings.mkdir(parents=True, exist_ok=True)
    found = fuzz(options.findings, options.seconds, options.rounds, options.seed)
    for line in found[:20]:
        print(line)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
