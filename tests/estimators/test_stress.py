"""Threads, processes, interruptions, too little memory: the same numbers, or a clear error and a process that lives."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import joblib
import numpy as np
import pytest

import golden_cases
from fastfm_ext import FMEncoder, FMRanker, FMRegressor, ItemIndex, _engine, hashed, load_model, save_model
from fastfm_ext._engine import csr
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.options import Options
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext.text_formats import read_libsvm
from registries import SOLVERS

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3000, 12)) * (RNG.random((3000, 12)) < 0.4)
Y = X[:, 0] - X[:, 1] * X[:, 2] + 0.1 * RNG.normal(size=3000)


def regressor(seed):
    return FMRegressor(n_factors=6, max_iter=6, random_state=seed)


def fit(seed):
    return regressor(seed).fit(X, Y)


def parameters_of(model):
    return [np.asarray(model.w0_), model.w_, model.V_]


def assert_same(models, others):
    for model, other in zip(models, others, strict=True):
        for mine, theirs in zip(parameters_of(model), parameters_of(other), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def run_script(text, *arguments):
    return subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


# --- threads and processes -----------------------------------------------------------------------------------------


def test_fits_at_once_in_threads_give_the_models_of_fits_one_after_the_other():
    alone = [fit(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert_same(list(pool.map(fit, range(4))), alone)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_fits_of_joblib_give_the_same_models(backend):
    fitted = joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(regressor(seed).fit)(X, Y) for seed in range(3))
    assert_same(fitted, [fit(seed) for seed in range(3)])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # threads of other packages, at a fork
def test_a_forked_process_predicts_and_trains_the_same_after_the_parent_has_used_threads():
    model = FMRegressor(n_factors=6, max_iter=3, n_jobs=2, random_state=0)
    many = np.tile(X, (5, 1))
    model.fit(many, np.tile(Y, 5))
    expected = model.predict(many)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        np.testing.assert_array_equal(pool.submit(model.predict, many).result(), expected)
        assert_same([pool.submit(fit, 0).result()], [fit(0)])


def test_a_model_is_read_by_many_threads_at_once():
    model = fit(0)
    expected = model.predict(X), model.user_vector(X)
    with ThreadPoolExecutor(4) as pool:
        for predicted, vectors in pool.map(lambda _: (model.predict(X), model.user_vector(X)), range(16)):
            np.testing.assert_array_equal(predicted, expected[0])
            np.testing.assert_array_equal(vectors, expected[1])


def job(kind):
    """What a user does in one thread, as numbers and texts that do not depend on what other threads do."""
    if kind == "regression":
        return [*parameters_of(fit(0)), fit(1).predict(X)]
    if kind == "ranking":
        ranker = FMRanker(4, max_iter=3, early_stopping=False, random_state=0)
        ranker.fit(np.eye(60)[:40], np.eye(60)[40:], np.add.outer(np.arange(40), np.arange(20)) % 3 == 0)
        ids, scores = ItemIndex().fit(ranker.item_vector(np.eye(60)[40:])).search(ranker.user_vector(np.eye(60)[:40]))
        return [ids, scores]
    if kind == "encoding":
        encoder = FMEncoder(user=["user"], item=["film", hashed("text", n_features=64)])
        return [encoder.fit_transform(TABLE).toarray(), encoder.transform(TABLE, side="item").toarray()]
    lines = b"".join(b"%d 1:%d 7:0.25\n" % (row % 2, row + 1) for row in range(500))
    rows, targets = read_libsvm(lines)
    return [rows.toarray(), targets]


# Letters beyond ASCII: Python makes the UTF-8 of such texts when it is first asked for.
TABLE = {
    name: np.array([f"{name} ü{row * step % 97}" for row in range(2000)], dtype=object)
    for name, step in (("user", 7), ("film", 11), ("text", 13))
}


def test_all_kinds_of_work_at_once_give_what_they_give_one_after_the_other():
    kinds = ["regression", "ranking", "encoding", "text"]
    alone = {kind: job(kind) for kind in kinds}
    with ThreadPoolExecutor(8) as pool:
        for kind, together in zip(kinds * 8, pool.map(job, kinds * 8), strict=True):
            for mine, expected in zip(together, alone[kind], strict=True):
                np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize(("kind", "quantizer"), [("exact", None), ("ivf", None), ("ivf", "sq8")])
def test_a_search_sees_an_index_before_or_after_a_change_by_another_thread_but_never_between(kind, quantizer):
    if kind == "ivf":
        pytest.importorskip("faiss", reason="needs faiss-cpu")
    vectors = np.random.default_rng(0).integers(1, 9, size=(2000, 4)) / 8  # sums are exact
    index = ItemIndex(kind, quantizer=quantizer).fit(vectors)
    user, done = np.ones(4), threading.Event()

    def change():
        for step in range(1, 30):
            scaled = vectors * 2.0 ** (step % 5)
            index.update(range(2000), scaled).remove(range(step)).add(scaled[:step], range(step))

    def search():
        index.search(user)
        while not done.is_set():
            ids, scores = index.search(user, n=20)
            ratios = scores / (vectors[ids] @ user)
            assert np.unique(ratios).tolist() in [[2.0**power] for power in range(5)]

    with ThreadPoolExecutor(4) as pool:
        searches = [pool.submit(search) for _ in range(3)]
        try:
            change()
        finally:
            done.set()
        for found in searches:
            found.result()


@pytest.mark.parametrize("name", sorted(golden_cases.models()))
def test_trained_saved_loaded_copied_and_threaded_predict_the_same(name, tmp_path):
    model = golden_cases.models()[name]
    save_model(tmp_path / "model.fm", model)
    twins = [
        load_model(tmp_path / "model.fm").model,
        load_model(tmp_path / "model.fm", mmap=True).model,
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model).set_params(n_jobs=3),
    ]
    expected = golden_cases.numbers_of(model)
    for twin in twins:
        assert golden_cases.numbers_of(twin) == expected


# --- interruptions -------------------------------------------------------------------------------------------------

INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from fastfm_ext import FMClassifier, FMRanker, FMRegressor

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is born deaf to it
name, fitted = sys.argv[1], sys.argv[2] == "fitted"
rng = np.random.default_rng(0)
if name == "FMRanker":
    rows = np.eye(300)[:200], np.eye(300)[200:], (rng.random((200, 100)) < 0.2).astype(float)
    model = FMRanker(8, max_iter=3, tol=0, random_state=0)
else:
    X = rng.normal(size=(20000, 20))
    rows = X, X[:, 0] > 0
    model = {"FMRegressor": FMRegressor, "FMClassifier": FMClassifier}[name](8, max_iter=3, tol=0, random_state=0)
if fitted:
    model.fit(*rows)
    before = model.w_.copy(), model.V_.copy(), model.n_iter_
model.set_params(max_iter=10**7, n_iter_no_change=10**7, early_stopping=False)
threading.Thread(target=lambda: (time.sleep(0.7), os.kill(os.getpid(), signal.SIGINT)), daemon=True).start()
try:
    model.fit(*rows)
    sys.exit("nobody interrupted")
except KeyboardInterrupt:
    pass
if fitted:
    assert np.array_equal(model.w_, before[0]) and np.array_equal(model.V_, before[1]) and model.n_iter_ == before[2]
else:
    assert not hasattr(model, "n_iter_") and not hasattr(model, "w_")
model.set_params(max_iter=2).fit(*rows)
assert model.n_iter_ == 2 and np.isfinite(model.V_).all()
print("usable")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends the process there")
@pytest.mark.parametrize(
    ("name", "fitted"), [("FMRegressor", "fitted"), ("FMClassifier", "new"), ("FMRanker", "fitted")]
)
def test_ctrl_c_leaves_the_estimator_as_it_was_and_usable(name, fitted):
    done = run_script(INTERRUPTED, name, fitted)
    assert done.stdout == "usable\n", done.stderr


# --- memory --------------------------------------------------------------------------------------------------------

LITTLE_MEMORY = """
import resource
import numpy as np, scipy.sparse as sp
from fastfm_ext import FMRanker, FMRegressor, ItemIndex

X = sp.csr_array((np.ones(3, dtype="f4"), ([0, 1, 2], [0, 1, 40_000_000])), shape=(3, 40_000_001))
small = FMRegressor(4, max_iter=2, random_state=0).fit(np.eye(5), np.arange(5.0))
expected = small.predict(np.eye(5))
with open("/proc/self/statm") as statm:
    in_use = int(statm.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + (600 << 20),) * 2)

for model, method in ((FMRegressor(16), "fit"), (FMRegressor(16), "partial_fit")):
    try:
        getattr(model, method)(X, [1.0, 2.0, 3.0])
    except MemoryError:
        assert not hasattr(model, "V_")
    else:
        raise AssertionError("5 GB where there is not one")
try:
    FMRanker(16, n_negatives=1, early_stopping=False).fit(X[:1], X[1:], np.eye(1, 2))
except MemoryError:
    pass
else:
    raise AssertionError("5 GB where there is not one")

# Threads want a stack each, and there is room for a few only: the others' work is done all the same.
many = np.tile(np.eye(5), (60_000, 1))[:200_000]
crowd = FMRegressor(4, max_iter=1, n_jobs=400, shuffle=False, random_state=0).fit(many, np.tile(np.arange(5.0), 40_000))
assert np.isfinite(crowd.predict(many)).all()
assert np.array_equal(small.predict(np.eye(5)), expected)
print("alive")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers need all of the address space")
@pytest.mark.skipif("tsan" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers need all of the address space")
def test_too_little_memory_is_a_memory_error_and_the_process_lives():
    done = run_script(LITTLE_MEMORY)
    assert done.stdout == "alive\n", done.stderr


@pytest.mark.parametrize("solver", SOLVERS)
def test_nonzeros_beyond_2_31_are_found_where_they_are(isa, solver, tmp_path):
    """A file with a hole stands for 8 GB of indices: only the rows at its end are read."""
    begin, features = 2**31 + 5, np.array([[0, 3, 4], [1, 2, 4]], dtype=np.int32)
    path = tmp_path / "indices"
    with path.open("wb") as file:
        file.truncate(4 * begin)
        file.seek(4 * begin)
        file.write(features.tobytes())
    indices = np.memmap(path, dtype=np.int32, mode="r")
    far = Csr(begin + np.array([0, 3, 6]), indices, None, n_features=5)
    near = Csr(np.array([0, 3, 6]), features.ravel(), None, n_features=5)
    options = Options("squared", solver, 0.1, 0.1, 0.0, 0.0, init_stdev=0.3)
    params = Parameters.initialise(5, 3, options, 0.5, np.random.default_rng(0))
    np.testing.assert_array_equal(_engine.predict(far, params), _engine.predict(near, params))
    twin, y, order = params.copy(), np.array([1.0, -1.0], dtype=np.float32), np.array([1, 0])
    losses = [_engine.train_epoch(X, y, None, order, p, options) for X, p in ((far, params), (near, twin))]
    assert losses[0] == losses[1]
    np.testing.assert_array_equal(params.V, twin.V)
    taken = csr.take_rows(far, order)
    np.testing.assert_array_equal(taken.indices, features[::-1].ravel())
