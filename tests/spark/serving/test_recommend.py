"""Best items of all users on Spark: those of one machine."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from fastfm_ext import FMEncoder, FMRegressor, ItemIndex, recommend
from recommender_cases import make, world
from spark_tables import pa

pytest.importorskip("pyspark", reason="needs PySpark")

from pyspark.sql.functions import lit

from fastfm_ext.spark import recommend_for_all, vectors_for_all
from fastfm_ext.spark.encoding.apply import encode
from field_aware_cases import REGRESSORS

EVENTS, USERS, FILMS = world()


@pytest.fixture(scope="module")
def trained():
    encoder = FMEncoder(user=["user"], item=["film"])
    X = encoder.fit_transform(EVENTS)
    model = FMRegressor(n_factors=4, max_iter=5, random_state=0).fit(X, EVENTS["plays"])
    vectors = model.item_vector(encoder.transform(FILMS, side="item"))
    return encoder, model, ItemIndex(n_jobs=-1).fit(vectors, ids=FILMS["film"])


def frame_of(spark, table, *names):
    return spark.createDataFrame(pa.table({name: table[name] for name in names}))


def by_user(frame):
    """The ranked items and scores of each user."""
    found = {}
    for row in frame.collect():
        found.setdefault(row["user"], []).append((row["rank"], row["film"], row["score"]))
    return found


def of_one_machine(trained, n, exclude):
    encoder, model, index = trained
    best = {}
    for batch in recommend(model, index, encoder.transform(USERS, side="user"), n, exclude=exclude):
        for row, ids, scores in zip(batch.users, batch.ids.tolist(), batch.scores.tolist(), strict=True):
            pairs = zip(ids, scores, strict=True)
            best[USERS["user"][row]] = [
                (rank, item, score) for rank, (item, score) in enumerate(pairs, 1) if score > -np.inf
            ]
    return best


def test_users_get_the_items_and_scores_of_one_machine(spark, trained):
    encoder, model, index = trained
    users = frame_of(spark, USERS, "user").repartition(3)
    ranked = recommend_for_all(model, index, users, 5, encoder=encoder, itemCol="film")
    assert ranked.dtypes == [("user", "string"), ("rank", "int"), ("film", "bigint"), ("score", "float")]
    assert by_user(ranked) == of_one_machine(trained, 5, None)


def test_pairs_to_exclude_are_left_out_and_unknown_ones_have_no_effect(spark, trained):
    encoder, model, index = trained
    seen = [set() for _ in USERS["user"]]
    for user, film in zip(EVENTS["user"], EVENTS["film"].tolist(), strict=True):
        seen[int(user[1:])].add(film)
    pairs = frame_of(spark, EVENTS, "user", "film").union(
        spark.createDataFrame([("u1", 5), ("stranger", 100), (None, 100), ("u2", None)], "user string, film bigint")
    )
    users = encode(frame_of(spark, USERS, "user").withColumn("film", lit(None).cast("bigint")), encoder)
    ranked = recommend_for_all(model, index, users.drop("film"), 20, pairs, itemCol="film")
    assert by_user(ranked) == of_one_machine(trained, 20, seen)


def test_a_recommender_serves_its_users_and_strangers(spark):
    recommender = make().fit(EVENTS, user="user", item="film", users=USERS, items=FILMS)
    users = spark.createDataFrame([("u3",), ("u4",), ("stranger",)], "user string")
    found = by_user(recommend_for_all(recommender, None, users, 4, itemCol="film"))
    expected = recommender.recommend(["u3", "u4", "stranger"], 4, unknown="popular")
    films = {user: [item for _, item, _ in rows] for user, rows in found.items()}
    assert [film for user in ("u3", "u4", "stranger") for film in films[user]] == list(expected["film"])


def test_vectors_are_those_of_one_machine_and_are_read_back_from_parquet(spark, trained, tmp_path):
    encoder, model, _ = trained
    vectors = vectors_for_all(model, frame_of(spark, FILMS, "film"), "item", encoder=encoder, idCol="film")
    vectors.write.parquet(str(tmp_path / "films"))
    table = pq.read_table(str(tmp_path / "films")).sort_by("id")
    assert table.schema.names == ["id", "vector"]
    expected = model.item_vector(encoder.transform(FILMS, side="item"))
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), dtype=np.float32), expected)
    users = vectors_for_all(model, frame_of(spark, USERS, "user"), "user", encoder=encoder).collect()
    own, bias = model.user_vectors_and_bias(encoder.transform({"user": [row["id"] for row in users]}, side="user"))
    np.testing.assert_array_equal(np.array([row["vector"] for row in users], dtype=np.float32), own)
    np.testing.assert_array_equal(np.array([row["bias"] for row in users], dtype=np.float32), bias)


@pytest.mark.parametrize("estimator", REGRESSORS)
def test_field_aware_models_are_served_as_on_one_machine(spark, trained, estimator):
    encoder = trained[0]
    model = estimator(n_factors=4, max_iter=5, random_state=0).fit(encoder.transform(EVENTS), EVENTS["plays"])
    films = vectors_for_all(model, frame_of(spark, FILMS, "film"), "item", encoder=encoder, idCol="film").collect()
    expected = model.item_vector(encoder.transform({"film": [row["id"] for row in films]}, side="item"))
    np.testing.assert_array_equal(np.array([row["vector"] for row in films], dtype=np.float32), expected)
    index = ItemIndex().fit(model.item_vector(encoder.transform(FILMS, side="item")), ids=FILMS["film"])
    ranked = recommend_for_all(model, index, frame_of(spark, USERS, "user"), 5, encoder=encoder, itemCol="film")
    assert by_user(ranked) == of_one_machine((encoder, model, index), 5, None)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"model": 3}, TypeError, "model must be a fitted FMRegressor"),
        ({"index": None}, TypeError, "index must be an ItemIndex"),
        ({"n": 0}, ValueError, "n must be"),
        ({"userCol": "who"}, ValueError, "no column 'who'"),
        ({"itemCol": "score"}, ValueError, "must have four names"),
        ({"encoder": "x"}, TypeError, "encoder must be an FMEncoder"),
        ({"encoder": None}, ValueError, "column 'features' is not in the DataFrame"),
        ({"encoder": FMEncoder(user=["user"]).fit(USERS)}, ValueError, "pass the model's own encoder"),
        (
            {"exclude": [(1, 2)]},
            TypeError,
            "exclude is of the type bigint, and that of users of .*string",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_named(spark, trained, change, kind, message):
    encoder, model, index = trained
    arguments = {"model": model, "index": index, "n": 3, "encoder": encoder, "itemCol": "film"} | change
    if "exclude" in change:
        arguments["exclude"] = spark.createDataFrame(change["exclude"], "user bigint, film bigint")
    with pytest.raises(kind, match=message):
        recommend_for_all(users=frame_of(spark, USERS, "user"), **arguments)
