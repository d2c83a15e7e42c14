import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import cross_val_score

from fastfm_ext.metrics import calibration_ratio, expected_calibration_error, normalized_entropy

METRICS = [normalized_entropy, calibration_ratio, expected_calibration_error]
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)


def clicks(seed=0, n=500, rate=0.2):
    rng = np.random.default_rng(seed)
    p = rng.beta(2 * rate, 2 * (1 - rate), n)
    return (rng.random(n) < p).astype(int), p


@given(st.integers(0, 2**31), st.floats(0.1, 0.9))
def test_the_base_rate_has_a_normalized_entropy_of_1(seed, rate):
    y = np.random.default_rng(seed).random(50) < rate
    y[:2] = [True, False]
    assert normalized_entropy(y, np.full(50, y.mean())) == pytest.approx(1.0)


def test_normalized_entropy_is_the_log_loss_over_that_of_the_base_rate():
    y, p = clicks()
    of_rate = log_loss(y, np.full(len(y), y.mean()))
    assert normalized_entropy(y, p) == pytest.approx(log_loss(y, p) / of_rate)
    assert normalized_entropy(y, p) < 1.0


def test_the_calibration_ratio_is_that_of_expected_and_actual_clicks():
    y, p = clicks()
    assert calibration_ratio(y, p) == pytest.approx(p.sum() / y.sum())
    assert calibration_ratio(y, p / 2) == pytest.approx(calibration_ratio(y, p) / 2)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
def test_the_calibration_error_is_the_distance_of_the_curve_from_the_diagonal(strategy):
    y, p = clicks(n=1000)
    rate, mean = calibration_curve(y, p, n_bins=10, strategy=strategy)
    counts = np.full(10, 100) if strategy == "quantile" else np.histogram(p, np.linspace(0, 1, 11))[0]
    expected = np.average(np.abs(rate - mean), weights=counts[counts > 0])
    assert expected_calibration_error(y, p, strategy=strategy) == pytest.approx(expected)


def test_the_calibration_error_sees_errors_that_cancel_out():
    y, p = clicks(n=20_000)
    too_sure = np.where(p > y.mean(), np.minimum(1.3 * p, 1), 0.7 * p)
    too_sure *= p.sum() / too_sure.sum()
    assert calibration_ratio(y, too_sure) == pytest.approx(calibration_ratio(y, p))
    assert expected_calibration_error(y, too_sure) > 2 * expected_calibration_error(y, p)


@EVERY_METRIC
def test_a_weight_counts_a_row_as_often(metric):
    y, p = clicks(n=200)
    times = np.random.default_rng(1).integers(0, 4, len(y))
    settings = {"strategy": "uniform"} if metric is expected_calibration_error else {}
    repeated = metric(np.repeat(y, times), np.repeat(p, times), **settings)
    assert metric(y, p, sample_weight=times, **settings) == pytest.approx(repeated)


@EVERY_METRIC
def test_labels_may_be_words(metric):
    y, p = clicks()
    words = np.where(y == 1, "yes", "no")
    assert metric(words, p, pos_label="yes") == metric(y, p) == metric(2 * y - 1, p) == metric(y == 1, p)
    with pytest.raises(ValueError, match="pos_label"):
        metric(words, p)
    with pytest.raises(ValueError, match="pos_label='ja'"):
        metric(words, p, pos_label="ja")


@EVERY_METRIC
def test_metrics_are_scorers_of_scikit_learn(metric):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2))
    y = (rng.random(300) < 1 / (1 + np.exp(-X[:, 0]))).astype(int)
    scorer = make_scorer(metric, response_method="predict_proba")
    assert np.isfinite(cross_val_score(LogisticRegression(), X, y, scoring=scorer, error_score="raise")).all()


@EVERY_METRIC
@pytest.mark.parametrize(
    ("y", "p", "weight", "message"),
    [
        ([0, 1], [[0.5, 0.5], [0.5, 0.5]], None, r"\[:, 1\]"),
        ([0, 1], [0.5], None, "shape"),
        ([], [], None, "at least one row"),
        ([0, 1], [0.5, 1.5], None, "probabilities"),
        ([0, 1], [0.5, np.nan], None, "probabilities"),
        ([0, 2], [0.5, 0.5], None, "pos_label"),
        ([0, 1], [0.5, 0.5], [1, -1], "sample_weight"),
        ([0, 1], [0.5, 0.5], [0, 0], "sample_weight"),
        ([0, 1], [0.5, 0.5], [1], "sample_weight"),
    ],
)
def test_bad_input_is_refused(metric, y, p, weight, message):
    with pytest.raises(ValueError, match=message):
        metric(y, p, sample_weight=weight)


def test_rows_of_one_label_are_refused_where_nothing_can_be_divided():
    with pytest.raises(ValueError, match="one label"):
        normalized_entropy([1, 1], [0.5, 0.5])
    with pytest.raises(ValueError, match="no positive"):
        calibration_ratio([0, 0], [0.5, 0.5])


@pytest.mark.parametrize("settings", [{"n_bins": 0}, {"n_bins": 2.5}, {"strategy": "equal"}])
def test_invalid_bins_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        expected_calibration_error([0, 1], [0.1, 0.9], **settings)
