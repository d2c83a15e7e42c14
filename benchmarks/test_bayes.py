"""Held-out predictions of chains are those of their parameters; averages and intervals are counted right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from bayes import plots
from bayes.averages import Averages, rmse
from bayes.chains import ChainOptions, HeldOutChain
from bayes.curves import Curve, our_points, sweeps_to_show
from bayes.myfm_peer import Job
from bayes.rows import Rows
from bayes.uncertainty import Predicted
from fastfm_ext import BlockMatrix

N_TRAIN, N_HELD_OUT, N_USERS, N_FILMS = 300, 40, 12, 9


def made_up(*, has_relations: bool, has_classes: bool = False) -> Rows:
    """Return rows of users and films, of which users have a second feature if there are relations."""
    rng = np.random.default_rng(0)
    n = N_TRAIN + N_HELD_OUT
    users, films = rng.integers(N_USERS, size=n), rng.integers(N_FILMS, size=n)
    of_users = np.eye(N_USERS)
    if has_relations:
        of_users = np.hstack([of_users, rng.normal(size=(N_USERS, 1))])
    X = BlockMatrix([(users, of_users), (films, np.eye(N_FILMS))])
    y = 3 + rng.normal(size=N_USERS)[users] * rng.normal(size=N_FILMS)[films] + 0.1 * rng.normal(size=n)
    return Rows(X, (y > 3).astype(float) if has_classes else y, N_TRAIN, has_classes, has_relations)


def scores_of(X: sp.csr_array, draw) -> np.ndarray:
    S = X @ draw.V
    return draw.w0 + X @ draw.w + 0.5 * (S**2 - X.power(2) @ draw.V**2).sum(axis=1)


@pytest.mark.parametrize("has_relations", [False, True])
def test_scores_are_those_of_the_factorization_machine(has_relations: bool) -> None:
    rows = made_up(has_relations=has_relations)
    chain = HeldOutChain(rows, ChainOptions(n_factors=3))
    for _ in range(4):
        chain.sweep()
    wanted = chain.center + chain.unit * scores_of(rows.X.tocsr()[N_TRAIN:], chain.chain.parameters())
    np.testing.assert_allclose(chain.scores(), wanted, rtol=1e-4)


@pytest.mark.parametrize("has_relations", [False, True])
def test_changes_are_those_of_one_feature_after_the_other_at_its_conditional_mean(has_relations: bool) -> None:
    rows = made_up(has_relations=has_relations)
    chain = HeldOutChain(rows, ChainOptions(n_factors=3))
    for _ in range(4):
        chain.sweep()
    X, draw, means = rows.X.tocsr()[N_TRAIN:], chain.chain.parameters(), chain.chain.conditional_means()
    scores, wanted = scores_of(X, draw), np.zeros(N_HELD_OUT)
    for feature in range(X.shape[1]):
        w, V = draw.w.copy(), draw.V.copy()
        w[feature], V[feature] = means.w[feature], means.V[feature]
        wanted += scores_of(X, type(draw)(draw.w0, w, V)) - scores
    np.testing.assert_allclose(chain.changes(), chain.unit * wanted, rtol=1e-3, atol=1e-4)


def test_centered_chain_predicts_and_its_changes_average_out() -> None:
    chain = HeldOutChain(made_up(has_relations=True), ChainOptions(n_factors=2, form="centered"))
    averages = Averages()
    for sweep in range(600):
        chain.sweep()
        if sweep >= 100:
            averages.add(chain.scores(), chain.noise_variance, chain.changes())
    spread = np.sqrt(averages.variance())
    assert np.all(np.abs(averages.changes / averages.n) < 0.5 * spread)
    assert averages.best_part() > 0.1


def test_best_part_leaves_the_least_variance() -> None:
    rng = np.random.default_rng(0)
    averages, samples = Averages(), []
    for _ in range(50):
        noise = rng.normal(size=8)
        samples.append((2 + noise + 0.1 * rng.normal(size=8), -1.6 * noise))
        averages.add(samples[-1][0], 1.0, samples[-1][1])
    parts = np.linspace(-2, 2, 4001)
    variances = [sum(np.var([a + part * b for a, b in samples], axis=0)) for part in parts]
    assert averages.best_part() == pytest.approx(parts[np.argmin(variances)], abs=1e-3)
    np.testing.assert_allclose(averages.variance(), np.var([a for a, _ in samples], axis=0))


def test_rmse_clips_to_the_stars() -> None:
    assert rmse(np.array([5.0, 1.0]), np.array([9.0, 2.0])) == pytest.approx(np.sqrt(0.5))


def test_intervals_of_the_true_distribution_cover_rounded_ratings_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(1, 5, size=40_000)
    y = np.clip(np.rint(rng.normal(mean, 0.8)), 1, 5)
    predicted = Predicted(y, mean, np.full(len(y), 0.8**2 - 0.5), 0.5)
    for level in (0.5, 0.9):
        assert predicted.covered_rounded(level) == pytest.approx(level, abs=0.01)
    assert predicted.covered_clipped(1 - 1e-12) == 1.0


def test_points_of_a_curve_have_measures_and_rising_seconds(tmp_path: Path) -> None:
    for has_classes, names in ((False, {"rmse"}), (True, {"log_loss", "auc"})):
        rows = made_up(has_relations=False, has_classes=has_classes)
        points = list(our_points(rows, ChainOptions(n_factors=2), n_sweeps=30, burn_in=5))
        assert {int(point["sweeps"]) for point in points} == sweeps_to_show(5, 30)
        assert all(set(point) == {"sweeps", "seconds"} | names for point in points)
        assert (np.diff([point["seconds"] for point in points]) >= 0).all()
    curve = Curve(
        "fastfm-ext", "ml-1m", "ids", "validation", {"n_factors": 2}, [{"sweeps": 9, "seconds": 1, "rmse": 1}]
    )
    curve.save(tmp_path)
    assert Curve.read_all(tmp_path) == [curve]
    plots.main(["ml-1m", "--curves", str(tmp_path), "--picture", str(tmp_path / "curve.png")])
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_folds_are_averaged_and_their_seconds_summed() -> None:
    folds = [Curve("myFM", "ml-100k", "ids", "test", {}, [{"sweeps": 9, "seconds": s, "rmse": s}]) for s in (1.0, 3.0)]
    assert Curve.mean(folds).points == [{"sweeps": 9, "seconds": 4.0, "rmse": 2.0}]


@pytest.mark.parametrize("has_relations", [False, True])
def test_job_of_myfm_has_the_same_matrix(tmp_path: Path, has_relations: bool) -> None:
    rows = made_up(has_relations=has_relations)
    Job(rows, 4, 10).save(tmp_path / "job.npz")
    job = np.load(tmp_path / "job.npz")

    def matrix(name: str) -> sp.csr_array:
        parts = tuple(job[f"{name}_{part}"] for part in ("data", "indices", "indptr"))
        return sp.csr_array(parts, shape=tuple(job[f"{name}_shape"]))

    if has_relations:
        X = sp.hstack([matrix(f"relation{number}")[job[f"ids{number}"]] for number in range(job["n_relations"])])
    else:
        X = matrix("X")
    assert abs(X - rows.X.tocsr()).max() < 1e-6
    assert job["group_shapes"].sum() == rows.X.shape[1]
    assert job["n_train"] == N_TRAIN
