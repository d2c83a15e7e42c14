import lzma

import numpy as np
import pytest
from scipy import sparse

import slow_metrics
from fastfm_ext import FMClassifier, evaluate, evaluation

EVERY_METRIC = [*slow_metrics.METRICS, "auc", "coverage"]


class Vectors:
    """A model whose features are its vectors."""

    def user_vector(self, X):
        return X

    item_vector = user_vector


def made_up(seed=0, n_users=40, n_items=25, n_dims=3):
    """Users, items, held-out and seen interactions; few different values, so that scores are tied; some users idle."""
    rng = np.random.default_rng(seed)
    users, items = (rng.integers(-1, 2, (n, n_dims)).astype(np.float32) for n in (n_users, n_items))
    held_out, seen = (rng.random((n_users, n_items)) < share for share in (0.1, 0.3))
    held_out[:3] = False
    return users, items, sparse.csr_array(held_out), sparse.csr_array(seen)


def slowly(users, items, held_out, seen, candidates, k):
    """What `evaluate` returns, user by user; `candidates` as one set a user."""
    scores = users @ items.T
    values = {f"{name}@{k}": [] for name in slow_metrics.METRICS} | {"auc": []}
    recommended, everything = set(), set(range(len(items)))
    for row in range(len(users)):
        unseen = everything - set(seen[[row]].indices)
        wanted = set(held_out[[row]].indices) & unseen
        if not wanted:
            continue
        choice = (candidates[row] | wanted) & unseen
        ranking = sorted(choice, key=lambda item: (-scores[row, item], item))
        recommended |= set(ranking[:k])
        for name, metric in slow_metrics.METRICS.items():
            values[f"{name}@{k}"].append(metric(ranking, wanted, k))
        values["auc"].append(slow_metrics.auc(scores[row], wanted, everything - choice))
    means = {name: np.mean([v for v in each if v is not None]) for name, each in values.items()}
    return means | {f"coverage@{k}": len(recommended) / len(items), "n_users": len(values["auc"])}


class TestAgainstASlowEvaluation:
    @pytest.mark.parametrize("batch_values", [1, 60, 2**22])
    @pytest.mark.parametrize("k", [1, 4, 30])
    def test_all_unseen_items(self, k, batch_values, monkeypatch):
        monkeypatch.setattr(evaluation, "_BATCH_VALUES", batch_values)
        users, items, held_out, seen = made_up()
        found = evaluate(Vectors(), users, items, held_out, seen=seen, k=k, metrics=EVERY_METRIC)
        assert found == pytest.approx(slowly(users, items, held_out, seen, [set(range(len(items)))] * len(users), k))

    @pytest.mark.parametrize("batch_values", [1, 60, 2**22])
    @pytest.mark.parametrize("k", [1, 4, 30])
    @pytest.mark.parametrize("as_matrix", [False, True], ids=["positions", "matrix"])
    def test_candidates(self, k, batch_values, as_matrix, monkeypatch):
        monkeypatch.setattr(evaluation, "_BATCH_VALUES", batch_values)
        users, items, held_out, seen = made_up()
        positions = np.random.default_rng(1).integers(-1, len(items), (len(users), 9))
        sets = [set(row) - {-1} for row in positions.tolist()]
        expected = slowly(users, items, held_out, seen, sets, k)
        candidates = sparse.csr_array([[item in row for item in range(len(items))] for row in sets])
        candidates = candidates if as_matrix else positions
        arguments = {"seen": seen, "candidates": candidates, "k": k}
        assert evaluate(Vectors(), users, items, held_out, **arguments, metrics=EVERY_METRIC) == pytest.approx(expected)

    def test_nothing_seen(self):
        users, items, held_out, seen = made_up()
        seen = sparse.csr_array(seen.shape)
        found = evaluate(Vectors(), users, items, held_out)
        expected = slowly(users, items, held_out, seen, [set(range(len(items)))] * len(users), 20)
        assert found == pytest.approx({name: expected[name] for name in ("recall@20", "ndcg@20", "n_users")})


class TestResult:
    def test_one_entry_for_each_metric_and_k(self):
        users, items, held_out, seen = made_up()
        names = ["recall", "auc", "coverage"]
        found = evaluate(Vectors(), users, items, held_out, seen=seen, k=(2, 5), metrics=names)
        assert list(found) == ["recall@2", "recall@5", "auc", "coverage@2", "coverage@5", "n_users"]
        assert found["recall@2"] <= found["recall@5"]
        assert all(type(value) is float for name, value in found.items() if name != "n_users")

    def test_a_k_beyond_the_items_costs_no_memory(self):
        users, items, held_out, seen = made_up()
        found = evaluate(Vectors(), users, items, held_out, seen=seen, k=(25, 10**15), metrics=["ndcg", "precision"])
        assert found[f"ndcg@{10**15}"] == found["ndcg@25"]
        assert found[f"precision@{10**15}"] == pytest.approx(found["precision@25"] * 25 / 10**15)

    def test_auc_alone_needs_no_ranking(self, monkeypatch):
        users, items, held_out, seen = made_up()
        expected = evaluate(Vectors(), users, items, held_out, seen=seen, metrics=["auc", "mrr"])["auc"]
        monkeypatch.delattr(evaluation, "ItemIndex")
        assert evaluate(Vectors(), users, items, held_out, seen=seen, metrics=["auc"])["auc"] == expected

    def test_the_arguments_are_left_alone(self):
        users, items, held_out, seen = made_up()
        arrays = [users, items, *(a for m in (held_out, seen) for a in (m.data, m.indices, m.indptr))]
        before = [array.copy() for array in arrays]
        for array in arrays:
            array.flags.writeable = False
        evaluate(Vectors(), users, items, held_out, seen=seen, metrics=EVERY_METRIC)
        evaluate(Vectors(), users, items, held_out, seen=seen, candidates=seen, metrics=["recall"])
        for array, old in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, old)

    @pytest.mark.parametrize("form", ["csc", "coo", "lil"])
    def test_every_sparse_format_will_do(self, form):
        users, items, held_out, seen = made_up()
        expected = evaluate(Vectors(), users, items, held_out, seen=seen, candidates=held_out)
        arguments = {"seen": seen.asformat(form), "candidates": held_out.asformat(form)}
        assert evaluate(Vectors(), users, items, held_out.asformat(form), **arguments) == expected


class TestErrors:
    @pytest.mark.parametrize(
        ("changed", "error", "match"),
        [
            ({"model": object()}, TypeError, "model must be a fitted model .* got an object"),
            ({"model": Vectors}, TypeError, "model must be a fitted model .* got the class Vectors"),
            ({"X_item": np.ones((25, 2))}, ValueError, r"must give rows of one length, got \(40, 3\), \(25, 2\)"),
            ({"X_user": np.full((40, 3), np.nan)}, ValueError, "user_vector gives values that are NaN or beyond 1e.12"),
            ({"X_item": np.full((25, 3), 1e13)}, ValueError, "item_vector gives values that are NaN or beyond 1e.12"),
            ({"held_out": np.ones((40, 25))}, TypeError, "held_out must be a SciPy sparse matrix"),
            ({"held_out": sparse.csr_array((25, 40))}, ValueError, r"held_out must have shape .* = \(40, 25\)"),
            ({"held_out": sparse.csr_array((40, 25))}, ValueError, "held_out has no interaction with an item that is"),
            ({"seen": sparse.csr_array((40, 24))}, ValueError, r"seen must have shape .* got \(40, 24\)"),
            ({"candidates": sparse.csr_array((40, 24))}, ValueError, "candidates must have shape"),
            (
                {"candidates": np.zeros(40, dtype=int)},
                ValueError,
                r"candidates must be .* got dtype int64 and shape \(40",
            ),
            ({"candidates": np.zeros((40, 2))}, ValueError, "candidates must be .* integers .* got dtype float64"),
            ({"candidates": [[0], [0, 1]]}, ValueError, "candidates must have rows of one length, filled up with -1"),
            ({"candidates": np.full((40, 2), 25)}, ValueError, r"candidates\[0, 0\] is 25, but there are 25 items"),
            ({"candidates": np.full((40, 2), -2)}, ValueError, r"candidates\[0, 0\] is -2"),
            ({"metrics": "recall"}, TypeError, r"metrics must be a sequence of names, got a str: write \['recall'\]"),
            ({"metrics": 3}, TypeError, "metrics must be a sequence of names, got an int"),
            ({"metrics": ["recall@20"]}, ValueError, r"metrics must be some of \['recall', .* got \['recall@20'\]"),
            ({"metrics": []}, ValueError, "metrics must be some of .* got none"),
            ({"k": 0}, ValueError, "k must be an integer of at least 1, or several, got 0"),
            ({"k": [5, 2.5]}, ValueError, "k must be an integer"),
            ({"k": []}, ValueError, "k must be an integer"),
        ],
    )
    def test_errors_name_the_argument(self, changed, error, match):
        users, items, held_out, _ = made_up()
        arguments = {"model": Vectors(), "X_user": users, "X_item": items, "held_out": held_out}
        with pytest.raises(error, match=match):
            evaluate(**arguments | changed)

    def test_nothing_to_compare_with_is_an_error_of_auc(self):
        users, items, held_out, _ = made_up()
        with pytest.raises(ValueError, match="No user has both a held-out and another item to rank"):
            evaluate(Vectors(), users, items, held_out, candidates=held_out, metrics=["auc"])


def test_a_model_ranks_better_than_chance_and_as_it_predicts():
    rng = np.random.default_rng(0)
    ids = sparse.eye_array(60, format="csr")
    X_user, X_item = ids[:40], ids[40:]
    taste = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 20)) > 0
    pairs = rng.permutation(np.argwhere(np.ones_like(taste)))
    train, test = pairs[:600], pairs[600:]
    model = FMClassifier(n_factors=4, random_state=0).fit(X_user[train[:, 0]] + X_item[train[:, 1]], taste[*train.T])
    seen = sparse.csr_array((np.ones(600), train.T), shape=taste.shape)
    liked = test[taste[*test.T]]
    held_out = sparse.csr_array((np.ones(len(liked)), liked.T), shape=taste.shape)
    found = evaluate(model, X_user, X_item, held_out, seen=seen, k=3, metrics=["auc", "ndcg"])
    assert found["auc"] > 0.8
    predicted = model.decision_function(X_user[np.repeat(range(40), 20)] + X_item[np.tile(range(20), 40)]).reshape(
        40, 20
    )
    unseen = [set(range(20)) - set(seen[[row]].indices) for row in range(40)]
    wanted = [set(held_out[[row]].indices) for row in range(40)]
    slow = [
        slow_metrics.ndcg(sorted(choice, key=lambda item: -scores[item]), liked, 3)
        for scores, choice, liked in zip(predicted, unseen, wanted, strict=True)
        if liked
    ]
    assert found["ndcg@3"] == pytest.approx(np.mean(slow))


class Popularity:
    """Ranks by the number of interactions in training."""

    def __init__(self, train):
        self.counts = np.asarray(train.sum(axis=0)).reshape(-1, 1)

    def user_vector(self, X):
        return np.ones((X.shape[0], 1))

    def item_vector(self, X):
        return self.counts


def interactions(pairs, shape):
    return sparse.csr_array((np.ones(len(pairs)), np.asarray(pairs).T), shape=shape)


class TestPublishedResults:
    """Popularity has no parameters, so published results of it hold for whoever measures as their authors did."""

    def test_gowalla_over_all_unseen_items(self, data_dir):
        def read(name):
            with lzma.open(data_dir / "gowalla" / f"{name}.txt.xz", "rt") as file:
                lines = [[int(number) for number in line.split()] for line in file]
            return interactions([(line[0], item) for line in lines for item in line[1:]], (29858, 40981))

        train, test = read("train"), read("test")
        no_features = [np.ones((n, 1)) for n in test.shape]
        found = evaluate(Popularity(train), *no_features, test, seen=train, metrics=("hit_rate", "recall", "ndcg"))
        # The BARS benchmark, ItemPop_gowalla_x0.
        published = {
            "hit_rate@20": 0.2038314689530444,
            "recall@20": 0.04163097892995584,
            "ndcg@20": 0.03168992927421666,
        }
        assert found == pytest.approx(published | {"n_users": 29858}, rel=1e-9)

    def test_movielens_with_99_negatives(self, data_dir):
        with lzma.open(data_dir / "ml-1m" / "ncf.ml-1m.train.rebuilt.tsv.xz", "rt") as file:
            train = interactions(np.loadtxt(file, dtype=np.int64, usecols=(0, 1)), (6040, 3706))
        with lzma.open(data_dir / "ml-1m" / "ncf.ml-1m.test.negative.xz", "rt") as file:
            lines = [line.replace("(", "").replace(")", "").replace(",", "\t").split() for line in file]
        table = np.array(lines, dtype=np.int64)
        test, negatives = interactions(table[:, :2], train.shape), table[:, 2:]
        no_features = [np.ones((n, 1)) for n in test.shape]
        found = evaluate(
            Popularity(train), *no_features, test, candidates=negatives, k=(5, 10), metrics=("hit_rate", "ndcg")
        )
        # Ferrari Dacrema et al., "Are we really making much progress?" (RecSys 2019), full results. Many films have the
        # same count, and which of them comes first moves the result by a few users.
        published = {"hit_rate@5": 0.3043, "ndcg@5": 0.2062, "hit_rate@10": 0.4531, "ndcg@10": 0.2542}
        assert found == pytest.approx(published | {"n_users": 6040}, abs=1e-3)
