"""A streamed fit that ends in the middle goes on from its checkpoint and gives the model of an unbroken one."""

import contextlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import stream_worker
from fastfm_ext import FMClassifier, FMRegressor, ModelFileError, load_model, save_model
from fastfm_ext._common.files import PendingFile
from fastfm_ext._learning.stream.checkpoint import StreamPosition
from fastfm_ext.model_io.container import ModelFileReader
from registries import SOLVERS
from stream_cases import (
    BUFFER_ROWS,
    N_ROWS,
    Crash,
    assert_same_states,
    batches,
    crash_after,
    make,
    rows,
    target_of,
)
from training_cases import ESTIMATORS

BUFFERS_OF_AN_EPOCH = -(-N_ROWS // BUFFER_ROWS)


@pytest.fixture(scope="module")
def data():
    return rows()


def fit(data, folder, estimator=FMClassifier, n_epochs=3, crash=None, cached=False, size=90, validated=True, **params):
    """One fit; with `crash`, it ends after so many buffers."""
    X, y = data[0], target_of(estimator, data[1])
    model = make(estimator, **params)
    listener = None if crash is None else crash_after(crash)
    try:
        return model.fit_stream(
            batches(X, y, size),
            n_epochs,
            validation=(X[:300], y[:300]) if validated else None,
            buffer_rows=BUFFER_ROWS,
            cache=folder / "cache" if cached else None,
            checkpoint=folder / "fit.fastfm",
            checkpoint_every=0.0,
            progress=listener,
        )
    except Crash:
        assert not hasattr(model, "_scorers")
        return None


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("crash", [1, 2, BUFFERS_OF_AN_EPOCH, BUFFERS_OF_AN_EPOCH + 1, 3 * BUFFERS_OF_AN_EPOCH])
def test_a_fit_goes_on_where_it_ended(data, tmp_path, crash, cached):
    assert fit(data, tmp_path, crash=crash, cached=cached) is None
    resumed = fit(data, tmp_path, cached=cached)
    unbroken = fit(data, tmp_path / "other" if (tmp_path / "other").mkdir() is None else None, cached=cached)
    assert_same_states(resumed, unbroken)
    assert resumed.best_epoch_ == unbroken.best_epoch_
    for name in ("train_loss", "val_loss"):
        assert resumed.history_[name] == unbroken.history_[name]


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_s_state_is_saved(data, tmp_path, estimator, solver):
    for crash in (3, 7, 5):
        assert fit(data, tmp_path, estimator, crash=crash, solver=solver, validated=False) is None
    (tmp_path / "other").mkdir()
    resumed = fit(data, tmp_path, estimator, solver=solver, validated=False)
    assert_same_states(resumed, fit(data, tmp_path / "other", estimator, solver=solver, validated=False))


def test_scaled_columns_survive_a_checkpoint(data, tmp_path):
    scaled = (data[0] * np.geomspace(1e-3, 1e6, data[0].shape[1])).tocsr(), data[1]
    (tmp_path / "other").mkdir()
    assert fit(scaled, tmp_path, FMRegressor, crash=11) is None
    assert_same_states(fit(scaled, tmp_path, FMRegressor), fit(scaled, tmp_path / "other", FMRegressor))


def test_without_a_seed_the_checkpoint_holds_what_chance_decided(data, tmp_path):
    fit(data, tmp_path, crash=1, random_state=None)
    checkpoint = (tmp_path / "fit.fastfm").read_bytes()
    first = fit(data, tmp_path, random_state=None)
    (tmp_path / "fit.fastfm").write_bytes(checkpoint)
    assert_same_states(fit(data, tmp_path, random_state=None), first)


def test_a_complete_fit_is_given_at_once_and_more_epochs_go_on_from_it(data, tmp_path):
    first = fit(data, tmp_path, n_epochs=2)
    begun = []

    def stream():
        begun.append(True)
        return batches(data[0], data[1] > 0, 90)()

    again = make().fit_stream(
        stream,
        2,
        validation=(data[0][:300], data[1][:300] > 0),
        buffer_rows=BUFFER_ROWS,
        checkpoint=tmp_path / "fit.fastfm",
    )
    assert begun == []
    assert_same_states(again, first)
    (tmp_path / "other").mkdir()
    assert_same_states(fit(data, tmp_path, n_epochs=4), fit(data, tmp_path / "other", n_epochs=4))


def test_a_lost_cache_is_filled_again(data, tmp_path):
    fit(data, tmp_path, crash=2 * BUFFERS_OF_AN_EPOCH - 3, cached=True)
    (cache,) = (tmp_path / "cache").iterdir()
    cache.unlink()
    (tmp_path / "other").mkdir()
    assert_same_states(fit(data, tmp_path, cached=True), fit(data, tmp_path / "other", cached=True))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_checkpoint_is_a_model_file(data, tmp_path):
    fit(data, tmp_path, crash=BUFFERS_OF_AN_EPOCH + 2)
    model = load_model(tmp_path / "fit.fastfm").model
    assert model.n_iter_ == 1
    assert model.score(data[0], data[1] > 0) > 0.5
    model.partial_fit(data[0], data[1] > 0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"n_factors": 5}, "n_factors was 4 and is 5"), ({"l2_w": 1.0}, "l2_w"), ({"cached": True}, "cache was False")],
)
def test_a_checkpoint_of_other_settings_is_refused(data, tmp_path, changed, named):
    fit(data, tmp_path, crash=3)
    before = (tmp_path / "fit.fastfm").read_bytes()
    with pytest.raises(ValueError, match=f"fit.fastfm was written with other settings: {named}"):
        fit(data, tmp_path, **changed)
    with pytest.raises(ValueError, match="of a FMClassifier, this is a FMRegressor"):
        fit(data, tmp_path, FMRegressor)
    assert (tmp_path / "fit.fastfm").read_bytes() == before


def test_a_checkpoint_of_another_stream_is_refused(data, tmp_path):
    fit(data, tmp_path, crash=3)
    with pytest.raises(ValueError, match="begins with other rows"):
        fit(rows(seed=9), tmp_path)
    with pytest.raises(ValueError, match="begins with other rows"):
        fit((data[0][:100], data[1][:100]), tmp_path)


def test_settings_that_change_nothing_may_change(data, tmp_path):
    fit(data, tmp_path, crash=3)
    (tmp_path / "other").mkdir()
    resumed = fit(data, tmp_path, size=400, max_iter=7, early_stopping=False, refit=False)
    assert_same_states(resumed, fit(data, tmp_path / "other"))


def test_damaged_checkpoints_and_model_files_are_refused_and_kept(data, tmp_path):
    path = tmp_path / "fit.fastfm"
    model = make().fit(data[0], data[1] > 0)
    save_model(path, model)
    with pytest.raises(ModelFileError, match="no checkpoint of fit_stream"):
        fit(data, tmp_path)
    assert_same_states(load_model(path).model, model)
    path.unlink()
    fit(data, tmp_path, crash=3)
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(40):
        damaged = bytearray(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with contextlib.suppress(ModelFileError):  # a damaged bit of padding does no harm
            fit(data, tmp_path, crash=1)


def test_half_written_checkpoints_are_removed(data, tmp_path):
    halves = [PendingFile(tmp_path / name) for name in ("fit.fastfm", "fit.fastfm", "another.fastfm")]
    assert len(list(tmp_path.iterdir())) == 3
    for half in halves[:2]:
        half.file.close()
    fit(data, tmp_path)
    halves[2].finish()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another.fastfm", "fit.fastfm"]
    for half in halves:
        half.abandon()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals")
def test_killed_at_random_moments_the_model_is_the_same(tmp_path):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    unbroken.mkdir()
    broken.mkdir()
    rng = random.Random(0)
    n_killed = sum(run_worker(broken, rng.uniform(0.0, 0.4)) for _ in range(3))
    assert n_killed > 0
    run_worker(broken, None)
    assert_same_states(load_model(tmp_path / "broken.fastfm").model, stream_worker.train(unbroken))
    assert sorted(path.name for path in broken.rglob("*") if path.is_file()) == ["fit.fastfm"]


def run_worker(folder, kill_after):
    """Run the worker; return whether it was killed."""
    with subprocess.Popen(
        [sys.executable, stream_worker.__file__, folder], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        if kill_after is not None:
            time.sleep(kill_after)
            process.kill()
        process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode != 0


def test_a_fit_goes_on_with_clipped_predictions_but_not_with_other_classes_weights(data, tmp_path):
    for folder in ("other", "classes"):
        (tmp_path / folder).mkdir()
    fit(data, tmp_path, FMRegressor, n_epochs=1)
    clipped = fit(data, tmp_path, FMRegressor, n_epochs=2, clip_predictions=True)
    assert_same_states(clipped, fit(data, tmp_path / "other", FMRegressor, n_epochs=2))
    fit(data, tmp_path / "classes", n_epochs=1)
    with pytest.raises(ValueError, match="class_weight was None and is"):
        fit(data, tmp_path / "classes", n_epochs=2, class_weight={True: 2.0})


def test_a_checkpoint_from_before_a_hyperparameter_goes_on_with_what_it_was_trained_by(data, tmp_path):
    fit(data, tmp_path, n_epochs=1)
    with ModelFileReader(tmp_path / "fit.fastfm") as reader:
        settings = reader.build("stream", StreamPosition, mmap=False).settings
    assert settings.keys().isdisjoint({"class_weight", "multi_class", "clip_predictions"})
