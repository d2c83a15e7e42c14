"""Errors of held-out rows as the jobs compute them, against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from fastfm_ext.cli.jobs.scores import area_under_roc, log_loss, scores


@pytest.mark.parametrize("n_classes", [2, 3])
def test_log_loss_is_scikit_learn_s_also_where_a_probability_is_0(n_classes):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(n_classes), 50)
    p[7] = np.eye(n_classes)[0]
    codes = rng.integers(0, n_classes, 50)
    codes[7] = 1
    assert log_loss(codes, p) == pytest.approx(metrics.log_loss(codes, p, labels=range(n_classes)), rel=1e-12)


@pytest.mark.parametrize("n_values", [2, 7, 10_000], ids=["many ties", "ties", "no ties"])
def test_area_under_roc_is_scikit_learn_s(n_values):
    rng = np.random.default_rng(1)
    codes, predicted = rng.integers(0, 2, 200), rng.integers(0, n_values, 200) / n_values
    assert area_under_roc(codes, predicted) == pytest.approx(metrics.roc_auc_score(codes, predicted), rel=1e-12)


class Given:
    """A model whose predictions are the rows that it is given."""

    def predict(self, X):
        return X[:, 0]

    def predict_proba(self, X):
        return X


def test_batches_are_scored_together():
    y, p = np.array([1.0, 3.0, 2.0], dtype=np.float32), np.array([[1.5], [2.5], [4.0]], dtype=np.float32)
    line = scores(Given(), [(p[:1], y[:1]), (p[1:], y[1:])])
    assert line == f"RMSE {np.sqrt(4.5 / 3):.6f}  MAE {1.0:.6f}"


def test_classes_are_scored_and_unknown_ones_refused():
    model = Given()
    model.classes_ = np.array(["no", "yes"])
    p = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7]])
    line = scores(model, [(p, np.array(["no", "yes", "yes"]))])
    assert line == f"log loss {-np.log([0.8, 0.4, 0.7]).mean():.6f}  AUC 1.000000  accuracy {2 / 3:.6f}"
    assert "AUC" not in scores(model, [(p[:1], np.array(["no"]))])
    with pytest.raises(ValueError, match="there is a class 'perhaps' among the targets; the model knows 'no', 'yes'"):
        scores(model, [(p[:1], np.array(["perhaps"]))])
