"""Files for the commands to work on, and a way to run them."""

import re

import numpy as np
import pytest
from scipy import sparse

from fastfm_ext import cli
from fastfm_ext.text_formats import write_libffm, write_libsvm

N_USERS, N_FILMS = 20, 15


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command in a folder of its own; return its exit code and what it has printed."""
    monkeypatch.chdir(tmp_path)

    def run_command(*arguments):
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_command


def clicks(n_rows, seed):
    """One-hot rows of two fields, whose label follows from an interaction."""
    rng = np.random.default_rng(seed)
    left, right = rng.integers(0, 6, n_rows), rng.integers(0, 6, n_rows)
    indices = np.column_stack([left, 6 + right]).ravel()
    X = sparse.csr_array(
        (np.ones(2 * n_rows, np.float32), indices, np.arange(0, 2 * n_rows + 1, 2)), shape=(n_rows, 12)
    )
    return X, np.where((left + right) % 2, 1, -1)


@pytest.fixture
def text_files(tmp_path):
    """The same clicks as libsvm and libffm text."""
    for name, n_rows, seed in (("train", 600, 0), ("valid", 200, 1), ("test", 200, 2)):
        X, y = clicks(n_rows, seed)
        write_libsvm(tmp_path / f"{name}.svm.gz", X, y)
        write_libffm(tmp_path / f"{name}.ffm", X, y, fields=X.indices // 6)
    return tmp_path


@pytest.fixture
def tables(tmp_path):
    """Ratings, users and films of a little world as CSV."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    user, film = np.divmod(rng.permutation(N_USERS * N_FILMS)[: N_USERS * N_FILMS // 2], N_FILMS)
    ratings = pd.DataFrame({"user": user + 1, "film": film + 100, "age": 20.5 + user})
    ratings["genres"] = np.where(film % 2, "Action|Drama", "Comedy")
    ratings["stars"] = 3.0 + np.where(film < 5, 1.0, -1.0) + np.where(user % 2, 0.5, -0.5)
    ratings["weight"] = 1.0
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    ratings.to_csv(tmp_path / "ratings.tsv", index=False, sep="\t")
    ratings[["user", "age"]].drop_duplicates().to_csv(tmp_path / "users.csv", index=False)
    ratings[["film", "genres"]].drop_duplicates().to_csv(tmp_path / "films.csv", index=False)
    return ratings


COLUMNS = ("--target", "stars", "--user", "user", "age:numeric", "--item", "film", "genres:multi:sep=|")


def auc(text):
    return float(re.search(r"AUC (\S+)", text)[1])
