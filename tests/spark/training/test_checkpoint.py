"""Checkpoints of a training on Spark."""

import shutil

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

from sklearn.base import clone

import fastfm_ext
from fastfm_ext.spark.training import TrainingSettings, train
from model_bits import bits


@pytest.fixture(scope="module", params=["FMRegressor", "FmFMRegressor"])
def estimator(request):
    fields = {} if request.param == "FMRegressor" else {"fields": np.arange(90) // 60}
    return getattr(fastfm_ext, request.param)(n_factors=4, random_state=3, **fields)


def settings(folder, n_epochs):
    return TrainingSettings(n_epochs, n_rounds=2, checkpoint=None if folder is None else folder.as_uri())


def test_a_training_goes_on_from_its_checkpoint_with_the_same_bits(ratings, estimator, tmp_path):
    unbroken = train(estimator, ratings.packed, settings(None, 4))
    folder = tmp_path / "run"
    train(estimator, ratings.packed, settings(folder, 3))
    # Whoever died while writing the checkpoint of the third epoch leaves half of it, and the whole of the second.
    third = folder / "odd"
    (third / "_SUCCESS").unlink()
    sorted(third.glob("part-*"))[-1].unlink()
    resumed = train(estimator, ratings.packed, settings(folder, 4))
    np.testing.assert_array_equal(bits(resumed), bits(unbroken))
    assert resumed.history_["val_loss"] == unbroken.history_["val_loss"]
    with pytest.raises(ValueError, match="n_factors was 4 and is 5"):
        train(clone(estimator).set_params(n_factors=5), ratings.packed, settings(folder, 4))
    for place in ("odd", "even"):
        for file in (folder / place).glob("part-*"):
            file.unlink()
    with pytest.raises(ValueError, match="damaged"):
        train(estimator, ratings.packed, settings(folder, 4))
    shutil.rmtree(folder)
