"""Arguments that FMRanker refuses, and the model after an error."""

import numpy as np
import pytest

import ranking_cases
from fastfm_ext import DivergenceError
from fastfm_ext._engine import ranking
from ranking_cases import assert_same_model, make
from registries import RANKING_LOSSES

fitted = ranking_cases.fitted

events = ranking_cases.events  # pytest finds fixtures among the names of the test's module


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"loss": "hinge"}, r"loss of FMRanker must be one of .*'bpr'.*; got 'hinge'"),
        ({"loss": ["bpr"]}, "loss of FMRanker must be one of"),
        ({"n_factors": -1}, "n_factors of FMRanker must be an integer of at least 0; got -1"),
        ({"n_negatives": 0}, "n_negatives of FMRanker must be an integer of at least 1 and at most 1000000, or None"),
        ({"n_negatives": 2**31}, "n_negatives of FMRanker must be an integer of at least 1 and at most 1000000"),
        ({"popularity": 1000.0}, "popularity of FMRanker must be a finite number of at least 0 and below 10"),
        ({"popularity": -0.5}, "popularity of FMRanker must be a finite number of at least 0"),
        ({"popularity": np.nan}, "popularity of FMRanker must be"),
        ({"learning_rate": 0}, "learning_rate of FMRanker must be a finite number above 0"),
        ({"validation_metric": "map@10"}, r'validation_metric of FMRanker must be "recall@k" or "ndcg@k"'),
        ({"validation_metric": "ndcg@0"}, "validation_metric of FMRanker must be"),
        ({"validation_metric": 20}, "validation_metric of FMRanker must be"),
        ({"early_stopping": "yes"}, 'early_stopping of FMRanker must be True, False or "auto"'),
        ({"n_jobs": 0}, "n_jobs of FMRanker must be an integer other than 0"),
    ],
    ids=str,
)
def test_a_hyperparameter_that_will_not_do(events, params, message):
    for train in (make(**params).fit, make(**params).partial_fit):
        with pytest.raises(ValueError, match=message):
            train(*events)


def with_value(chosen, value):
    chosen = chosen.copy()
    chosen.data[5] = value
    return chosen


BAD_INPUT = {
    "transposed interactions": (lambda u, t, c: (u, t, c.T), r"interactions must have a row for each row of X_user"),
    "negative": (lambda u, t, c: (u, t, with_value(c, -1)), r"interactions must not be negative.*user \d+ has -1"),
    "nan": (lambda u, t, c: (u, t, with_value(c, np.nan)), "interactions has a value that is NaN or infinite"),
    "infinite": (lambda u, t, c: (u, t, with_value(c, np.inf)), "interactions has a value that is NaN or infinite"),
    "too large": (lambda u, t, c: (u, t, with_value(c.astype(float), 1e300)), "interactions has a value"),
    "dense nan": (lambda u, t, c: (u, t, with_value(c, np.nan).toarray()), "interactions contains NaN"),
    "nothing chosen": (lambda u, t, c: (u, t, 0 * c), "interactions has no value above 0"),
    "everything chosen": (lambda u, t, c: (u, t, np.ones(c.shape)), "interactions has a choice of every item"),
    "complex": (lambda u, t, c: (u, t, c.astype(complex)), "interactions must hold numbers"),
    "text": (lambda u, t, c: (u, t, np.full(c.shape, "a")), "interactions"),
    "one-dimensional": (lambda u, t, c: (u, t, [1, 0, 1]), "interactions.*[Ee]xpected 2D array"),
    "other features": (lambda u, t, c: (u, t[:, :-1], c), r"X_item has 92 features, but FMRanker is expecting 93"),
    "no users": (lambda u, t, c: (u[:0], t, c[:0]), r"X_user has 0 sample\(s\)"),
    "no items": (lambda u, t, c: (u, t[:0], c[:, :0]), r"X_item has 0 sample\(s\)"),
    "nan in X_user": (lambda u, t, c: (u * np.nan, t, c), "X_user contains NaN"),
    "infinite X_item": (lambda u, t, c: (u, t * np.inf, c), "X_item contains infinity"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
@pytest.mark.parametrize("fitted", [False, True])
def test_input_that_cannot_be_trained_on_is_named_and_leaves_the_model_alone(events, case, fitted):
    change, message = BAD_INPUT[case]
    model = make(loss="bpr", max_iter=2)
    twin = make(loss="bpr", max_iter=2)
    if fitted:
        model.fit(*events)
        twin.fit(*events)
    with np.errstate(invalid="ignore"):
        bad = change(*events)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=message):
            train(*bad)
    assert vars(model).keys() == vars(twin).keys()
    if fitted:
        assert_same_model(model, twin)


def repeat(times, train, *arguments):
    for _ in range(times):
        train(*arguments)


@pytest.mark.parametrize("loss", RANKING_LOSSES)
def test_divergence_names_epoch_and_learning_rate_and_leaves_the_model_as_it_was(events, loss):
    # Cosines are bounded, so that one epoch of huge steps may well end.
    model = make(loss=loss, similarity="dot").fit(*events)
    w, V = model.w_.copy(), model.V_.copy()
    model.set_params(learning_rate=1e30, max_iter=30)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(DivergenceError, match=r"diverged in epoch \d+ with learning_rate=1e\+30") as caught:
            repeat(30, train, *events)
        assert caught.value.learning_rate == 1e30
    np.testing.assert_array_equal(model.w_, w)
    np.testing.assert_array_equal(model.V_, V)


def test_a_run_that_diverges_keeps_its_best_epoch(events, monkeypatch):
    model, twin = (make(loss="bpr", max_iter=1, early_stopping=True, refit=False) for _ in range(2))
    twin.fit(*events)
    train_epoch, calls = ranking.train_epoch, []

    def explode_in_the_second_epoch(choices, visits, negatives, params, *rest):
        calls.append(1)
        if len(calls) > 1:
            params.tables["V"][:, 0] = 1e25
        return train_epoch(choices, visits, negatives, params, *rest)

    monkeypatch.setattr(ranking, "train_epoch", explode_in_the_second_epoch)
    with pytest.raises(DivergenceError, match=r"diverged in epoch 2 .* has the parameters of epoch 1"):
        model.set_params(max_iter=5).fit(*events)
    assert_same_model(model, twin)


def test_ctrl_c_leaves_the_model_as_it_was(events, monkeypatch):
    model = make(loss="bpr").fit(*events)
    V = model.V_.copy()
    train_epoch = ranking.train_epoch

    def interrupted(*arguments):
        train_epoch(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(ranking, "train_epoch", interrupted)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(KeyboardInterrupt):
            train(*events)
    np.testing.assert_array_equal(model.V_, V)


def test_other_factors_cannot_go_on(events):
    model = make(loss="bpr").fit(*events).set_params(n_factors=7)
    with pytest.raises(ValueError, match="n_factors is now 7, and the model was trained with 5"):
        model.partial_fit(*events)


def test_nobody_to_hold_out_from(events):
    X_user, X_item, _ = events
    chosen = np.eye(60, 30)
    chosen[30:, 0] = 1
    with pytest.raises(ValueError, match=r"no user has enough of them\. Set early_stopping=False"):
        make(early_stopping=True).fit(X_user, X_item, chosen)


def test_a_metric_of_more_places_than_items_is_that_of_all_items(events):
    found = [
        make(max_iter=2, early_stopping=True, validation_metric=f"ndcg@{k}").fit(*events).history_["val_score"]
        for k in (30, 999_999_999)
    ]
    assert found[0] == found[1]
