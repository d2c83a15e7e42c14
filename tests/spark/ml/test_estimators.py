"""Estimators and models on Spark: what they learn, predict, keep and refuse."""

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

from pyspark.errors import PythonException
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import BinaryClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit

import fastfm_ext
import field_aware_cases
from fastfm_ext.spark import FMClassificationModel, FMClassifier, FMRegressionModel, FMRegressor

N_USERS, N_ITEMS = 20, 15
SIZE = N_USERS + N_ITEMS
FIELDS = [0] * N_USERS + [1] * N_ITEMS


@pytest.fixture(scope="module")
def ratings(spark):
    """Rows of a user and an item, as a frame and as arrays."""
    rng = np.random.default_rng(0)
    users, items = rng.integers(N_USERS, size=1500), rng.integers(N_ITEMS, size=1500)
    y = rng.normal(size=N_USERS)[users] * rng.normal(size=N_ITEMS)[items] + 3.0
    X = np.zeros((len(y), SIZE))
    X[np.arange(len(y)), users] = X[np.arange(len(y)), N_USERS + items] = 1.0
    rows = [
        (
            Vectors.sparse(SIZE, [user, N_USERS + item], [1.0, 1.0]),
            label,
            float(label > 3),
            bool(row % 5 == 0),
            f"u{user}",
            item,
        )
        for row, (user, item, label) in enumerate(zip(users.tolist(), items.tolist(), y.tolist(), strict=True))
    ]
    names = ["features", "label", "clicked", "is_validation", "user", "item"]
    frame = spark.createDataFrame(rows, names).repartition(2).cache()
    yield frame, X, y
    frame.unpersist()


def predictions(model, frame, *columns):
    return np.array([[*row] for row in model.transform(frame).select("prediction", *columns).collect()], dtype=float).T


def test_a_few_rows_train_the_model_of_one_machine(spark, ratings):
    frame, _, y = ratings
    table = frame.toArrow()
    rows = frame.select("features").collect()
    order = np.stack([row.features.toArray() for row in rows])
    alone = fastfm_ext.FMRegressor(n_factors=4, max_iter=20, random_state=3).fit(order, table["label"].to_numpy())
    model = FMRegressor(factorSize=4, maxIter=20, seed=3).fit(frame)
    np.testing.assert_allclose(model.to_local().V_, alone.V_, rtol=1e-4, atol=1e-5)
    found, labels = predictions(model, frame, "label")
    assert np.mean((found - labels) ** 2) < 0.3 * np.var(y)


def test_workers_apart_learn_it_too_and_stop_by_the_rows_to_validate_on(spark, ratings):
    frame, _, y = ratings
    estimator = FMRegressor(
        factorSize=4, maxIter=6, numWorkers=2, partitionCol="user", validationIndicatorCol="is_validation"
    )
    model = estimator.fit(frame)
    assert len(model.history["val_loss"]) == len(model.history["train_loss"]) <= 6
    found, labels = predictions(model, frame, "label")
    assert np.mean((found - labels) ** 2) < 0.8 * np.var(y)
    low, high = model.to_local().target_range_
    assert (low, high) == (y.min(), y.max())


def test_rows_of_weight_0_are_left_out(spark):
    rows = [(Vectors.dense(1.0), 1.0, 1.0), (Vectors.dense(1.0), 5.0, 0.0)] * 30
    frame = spark.createDataFrame(rows, ["features", "label", "weight"])
    model = FMRegressor(weightCol="weight").fit(frame)
    assert model.predict(Vectors.dense(1.0)) == pytest.approx(1.0)


def test_a_pipeline_of_texts_is_saved_and_loaded(spark, ratings, tmp_path):
    frame, _, _ = ratings
    stages = [
        StringIndexer(inputCol="user", outputCol="user_code"),
        OneHotEncoder(inputCols=["user_code", "item"], outputCols=["user_vector", "item_vector"], dropLast=False),
        VectorAssembler(inputCols=["user_vector", "item_vector"], outputCol="assembled"),
        FMClassifier(factorSize=4, maxIter=10, featuresCol="assembled", labelCol="clicked"),
    ]
    model = Pipeline(stages=stages).fit(frame)
    scored = model.transform(frame)
    added = ["rawPrediction", "probability", "prediction"]
    assert scored.columns[: len(frame.columns)] == frame.columns
    assert scored.columns[-3:] == added
    assert scored.schema["assembled"].metadata["ml_attr"]["num_attrs"] == SIZE
    area = BinaryClassificationEvaluator(labelCol="clicked").evaluate(scored)
    assert area > 0.8
    model.save(str(tmp_path / "pipeline"))
    again = PipelineModel.load(str(tmp_path / "pipeline"))
    assert isinstance(again.stages[-1], FMClassificationModel)
    assert again.stages[-1].getFeaturesCol() == "assembled"
    rows = frame.limit(20)
    assert again.transform(rows).collect() == model.transform(rows).collect()
    Pipeline(stages=stages).save(str(tmp_path / "stages"))
    assert Pipeline.load(str(tmp_path / "stages")).getStages()[-1].getFactorSize() == 4


def test_settings_are_chosen_by_cross_validation_and_by_a_split(spark, ratings):
    frame, _, _ = ratings
    estimator = FMRegressor(maxIter=5)
    grid = ParamGridBuilder().addGrid(estimator.factorSize, [2]).addGrid(estimator.fitLinear, [True, False]).build()
    folds = CrossValidator(
        estimator=estimator, estimatorParamMaps=grid, evaluator=RegressionEvaluator(), numFolds=2, seed=0
    )
    model = folds.fit(frame)
    assert isinstance(model.bestModel, FMRegressionModel)
    assert len(set(model.avgMetrics)) == 2
    split = TrainValidationSplit(
        estimator=estimator, estimatorParamMaps=grid, evaluator=RegressionEvaluator(), trainRatio=0.8, seed=0
    )
    assert len(split.fit(frame).validationMetrics) == 2


def test_a_model_of_one_machine_predicts_the_same_on_spark(spark, ratings):
    frame, X, y = ratings
    local = fastfm_ext.FMRegressor(n_factors=3, max_iter=5, solver="sgd", random_state=1).fit(X, y)
    model = FMRegressionModel.from_local(local)
    assert (model.getFactorSize(), model.getSolver(), model.getMaxIter()) == (3, "sgd", 5)
    matrix = np.stack([row.features.toArray() for row in frame.select("features").collect()])
    np.testing.assert_array_equal(predictions(model, frame)[0], local.predict(matrix).astype(float))
    labels = np.where(y > 3, "yes", "no")
    with pytest.raises(ValueError, match="classes 0 and 1"):
        FMClassificationModel.from_local(fastfm_ext.FMClassifier(max_iter=1).fit(X, labels))
    with pytest.raises(TypeError, match=r"made of a fastfm_ext\.FMClassifier or .*; got a FMRegressor"):
        FMClassificationModel.from_local(local)


@pytest.mark.parametrize("estimator", field_aware_cases.FIELD_AWARE)
def test_a_field_aware_model_of_one_machine_predicts_the_same_on_spark(spark, ratings, estimator):
    frame, X, y = ratings
    is_classifier = estimator in field_aware_cases.CLASSIFIERS
    local = estimator(n_factors=3, fields=["a"] * N_USERS + ["b"] * N_ITEMS, normalize=True, max_iter=2)
    local.fit(X, (y > 3).astype(float) if is_classifier else y)
    model = (FMClassificationModel if is_classifier else FMRegressionModel).from_local(local)
    assert estimator.__name__.lower().startswith(model.getOrDefault("modelKind"))
    assert model.getOrDefault("fields") == FIELDS
    assert model.factors.numRows == SIZE
    matrix = np.stack([row.features.toArray() for row in frame.select("features").collect()])
    np.testing.assert_array_equal(predictions(model, frame)[0], local.predict(matrix).astype(float))


@pytest.mark.parametrize("workers", [{}, {"numWorkers": 2}])
def test_a_field_aware_model_is_trained_saved_and_loaded(spark, ratings, tmp_path, workers):
    frame, _, _ = ratings
    fields = np.array(FIELDS, dtype=np.int32)
    estimator = FMClassifier(modelKind="fwfm", fields=fields, factorSize=4, maxIter=8, labelCol="clicked", **workers)
    estimator.save(str(tmp_path / "estimator"))
    model = FMClassifier.load(str(tmp_path / "estimator")).fit(frame)
    assert BinaryClassificationEvaluator(labelCol="clicked").evaluate(model.transform(frame)) > 0.8
    model.save(str(tmp_path / "model"))
    again = FMClassificationModel.load(str(tmp_path / "model"))
    rows = frame.limit(20)
    assert again.transform(rows).collect() == model.transform(rows).collect()
    assert type(again.to_local()) is fastfm_ext.FwFMClassifier
    assert again.to_local().fields_.tolist() == FIELDS


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"modelKind": "gbm"}, "modelKind must be one of fm, ffm, fmfm, fvfm, fwfm; got 'gbm'"),
        ({"fields": [0, 1]}, "fields and normalize are for field-aware models: set modelKind"),
        ({"modelKind": "ffm", "fields": [0, 1]}, "fields holds the fields of 2 features, and there are 35"),
    ],
)
def test_fields_that_do_not_fit_are_refused(ratings, params, reason):
    with pytest.raises(ValueError, match=reason):
        FMRegressor(maxIter=1, **params).fit(ratings[0])


def test_thresholds_shift_the_prediction(spark, ratings):
    frame, _, _ = ratings
    model = FMClassifier(maxIter=5, labelCol="clicked").fit(frame)
    plain, _ = predictions(model, frame, "label")
    assert 0 < plain.mean() < 1
    assert predictions(model.copy({model.thresholds: [0.0, 1.0]}), frame)[0].max() == 0
    assert model.setThresholds([1.0, 0.0]).predict(frame.head().features) == 1.0
    with pytest.raises(ValueError, match="thresholds must hold two numbers"):
        model.copy({model.thresholds: [1.0]}).transform(frame)


BAD_ROWS = {
    "NaN": ((Vectors.dense(float("nan"), 1.0), 1.0), "nan stands at index 0"),
    "size": ((Vectors.dense(1.0), 1.0), "the vector has size 1, and 2 is needed"),
    "null": ((None, 1.0), "the vector of features is null"),
    "label": ((Vectors.sparse(2, [0], [1.0]), 2.0), "the label in column 'label' is 2.0, and has to be 0 or 1"),
    "no label": ((Vectors.sparse(2, [0], [1.0]), None), "the label in column 'label' is null"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_named(spark, kind):
    bad, reason = BAD_ROWS[kind]
    rows = [(Vectors.dense(1.0, 2.0), 1.0), (Vectors.dense(1.0, 2.0), 0.0), bad]
    frame = spark.createDataFrame(rows, _schema()).coalesce(1)
    with pytest.raises(PythonException, match=rf"Row 2 \(from 0\) of partition 0: {reason}"):
        FMClassifier(maxIter=1).fit(frame)


def _schema():
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql.types import DoubleType, StructField, StructType

    return StructType([StructField("features", VectorUDT()), StructField("label", DoubleType())])


def test_columns_are_checked_before_anything_runs(spark, ratings):
    frame, _, _ = ratings
    with pytest.raises(ValueError, match="column 'nothing' is not in the DataFrame"):
        FMRegressor(featuresCol="nothing").fit(frame)
    with pytest.raises(ValueError, match="holds string, and vectors are needed"):
        FMRegressor(featuresCol="user").fit(frame)
    with pytest.raises(ValueError, match="holds string, and numbers are needed"):
        FMRegressor(labelCol="user").fit(frame)
    with pytest.raises(ValueError, match="booleans are needed"):
        FMRegressor(validationIndicatorCol="label").fit(frame)
    with pytest.raises(ValueError, match="numWorkers must be at least 1"):
        FMRegressor(numWorkers=0).fit(frame)
    model = FMRegressionModel.from_local(
        fastfm_ext.FMRegressor.from_parameters(0.0, np.zeros(SIZE), np.zeros((SIZE, 2)))
    )
    with pytest.raises(ValueError, match="column 'label' is in the DataFrame already"):
        model.setPredictionCol("label").transform(frame)


def test_a_solver_that_needs_all_rows_trains_at_the_driver_alone(spark):
    frame = spark.createDataFrame([(Vectors.dense(x), 2 * x) for x in (1.0, 2.0, 3.0, 4.0)], ["features", "label"])
    model = FMRegressor(solver="als", regParam=0.0, factorSize=0).fit(frame)
    assert model.predict(Vectors.dense(5.0)) == pytest.approx(10.0, rel=0.01)
    with pytest.raises(ValueError, match="solver='als' needs all rows in one place"):
        FMRegressor(solver="als", numWorkers=2).fit(frame)


def test_settings_of_spark_that_mean_nothing_here_are_named(spark):
    frame = spark.createDataFrame([(Vectors.dense(1.0), 1.0), (Vectors.dense(2.0), 2.0)], ["features", "label"])
    with pytest.warns(UserWarning, match="stepSize=0.001 is not read with solver='adamW'"):
        FMRegressor(stepSize=0.001, solver="adamW", maxIter=1).fit(frame)
    with pytest.warns(UserWarning, match="miniBatchFraction is not read"):
        FMRegressor(miniBatchFraction=0.5, maxIter=1).fit(frame)
