"""The estimators take the place of those of `pyspark.ml`: its own examples run on them, with the classes exchanged.

Figures differ, since training does; shapes, types and names do not. Predictions have to be as close to the labels.
"""

import doctest

import numpy as np
import pytest

pytest.importorskip("pyspark", reason="no PySpark: install the extra spark")

import pyspark.ml.classification
import pyspark.ml.regression
from pyspark.ml import param
from pyspark.ml.linalg import DenseMatrix, DenseVector, Vectors

from fastfm_ext.spark import FMClassificationModel, FMClassifier, FMRegressionModel, FMRegressor
from spark_doctests import is_matched, outputs, structure

PAIRS = {
    pyspark.ml.classification.FMClassifier: FMClassifier,
    pyspark.ml.classification.FMClassificationModel: FMClassificationModel,
    pyspark.ml.regression.FMRegressor: FMRegressor,
    pyspark.ml.regression.FMRegressionModel: FMRegressionModel,
}


@pytest.mark.parametrize("theirs", list(PAIRS)[::2], ids=lambda cls: cls.__name__)
def test_examples_of_spark_run_with_the_classes_exchanged(spark, tmp_path, theirs):
    names = {cls.__name__: PAIRS[cls] for cls in PAIRS}
    given = vars(pyspark.ml.classification) | {"spark": spark, "temp_path": str(tmp_path)}
    # Their examples import the class that is exchanged.
    doc = theirs.__doc__.replace(f"from {theirs.__module__} import", "from fastfm_ext.spark import")
    assert doc != theirs.__doc__
    found = outputs(doctest.DocTestParser().get_doctest(doc, given | names, theirs.__name__, None, None))
    assert len(found) > 15
    for example, got in found:
        assert is_matched(example.want, got), f"{example.source}{got}not as {example.want}"


def test_structure_tells_other_names_and_shapes_apart():
    assert structure("DenseVector([0.9978])") == structure("DenseVector([-1E-5])")
    assert structure("DenseVector([0.9978])") != structure("DenseVector([0.9978, 1.0])")
    assert not is_matched("FMRegressor...", "FMClassifier_12")
    assert is_matched("|[-2.0]  |-1.9|\n", "|[-2.0]|-1.99234 |\n")


@pytest.mark.parametrize(("theirs", "ours"), PAIRS.items(), ids=lambda cls: cls.__name__)
def test_public_names_of_spark_are_there(theirs, ours):
    java = {"clear", "save", "load", "read", "write"}
    wanted = {name for name in dir(theirs) if not name.startswith("_")} | java
    assert wanted - set(dir(ours)) == set()


@pytest.mark.parametrize(("theirs", "ours"), list(PAIRS.items())[::2], ids=lambda cls: cls.__name__)
def test_params_of_spark_have_their_types_and_defaults(spark, theirs, ours):
    other, own = theirs(), ours()
    for wanted in other.params:
        found = own.getParam(wanted.name)
        assert found.typeConverter is wanted.typeConverter, wanted.name
    differing = {
        p.name
        for p in other.params
        if other.hasDefault(p) and not (own.hasDefault(p.name) and own.getOrDefault(p.name) == other.getOrDefault(p))
    }
    # Those that say how to train: see the documentation of the classes.
    assert differing == {"initStd", "regParam", "seed", "solver", "stepSize", "tol"}


def toy(spark):
    rows = [(1.0, Vectors.dense(1.0)), (0.0, Vectors.sparse(1, [], []))]
    return spark.createDataFrame(rows, ["label", "features"])


def test_labels_are_learned_as_well_as_by_spark(spark):
    frame = spark.createDataFrame([(x, Vectors.dense(x)) for x in (2.0, 1.0, 0.0)], ["label", "features"])
    # A pass over three rows takes three steps, so these have to be long.
    model = FMRegressor(factorSize=2, stepSize=0.5).setSeed(16).fit(frame)
    for x in (-2.0, 0.5, 1.0, 4.0):
        assert model.predict(Vectors.dense(x)) == pytest.approx(x, abs=0.2)
    clicks = FMClassifier(factorSize=2).setSeed(11).fit(toy(spark))
    assert [clicks.predict(Vectors.dense(x)) for x in (-1.0, 0.0, 1.0, 2.0)] == [0.0, 0.0, 1.0, 1.0]


def test_types_of_the_parameters_are_those_of_spark(spark):
    model = FMClassifier(factorSize=2).fit(toy(spark))
    assert isinstance(model.intercept, float)
    assert isinstance(model.linear, DenseVector)
    assert isinstance(model.factors, DenseMatrix)
    assert (model.factors.numRows, model.factors.numCols) == (1, 2)
    local = model.to_local()
    np.testing.assert_allclose(model.factors.toArray(), local.V_, rtol=1e-7)
    assert model.numFeatures == 1
    assert model.numClasses == 2


def test_a_summary_says_what_that_of_spark_says(spark):
    frame = toy(spark)
    model = FMClassifier(maxIter=5).fit(frame)
    assert model.hasSummary
    summary, same = model.summary(), model.evaluate(frame)
    theirs = pyspark.ml.classification.FMClassifier(maxIter=5).fit(frame).summary()
    names = {name for name in dir(type(theirs)) if not name.startswith("_")}
    assert names - set(dir(summary)) == set()
    assert summary.scoreCol == theirs.scoreCol
    assert summary.labels == list(theirs.labels)
    assert summary.totalIterations == len(summary.objectiveHistory) > 0
    for curve in ("roc", "pr", "fMeasureByThreshold", "precisionByThreshold", "recallByThreshold"):
        assert getattr(summary, curve).columns == getattr(theirs, curve).columns
    assert same.areaUnderROC == summary.areaUnderROC == 1.0
    model.save("unused") if False else None


def test_params_are_set_and_read_as_in_spark():
    fm = FMRegressor(factorSize=3, fitLinear=False)
    assert fm.isSet(fm.factorSize)
    assert not fm.isSet(fm.maxIter)
    assert fm.setFactorSize(4).getFactorSize() == 4
    assert fm.setParams(stepSize=0.1, solver="sgd").getStepSize() == 0.1
    assert fm.copy({fm.maxIter: 7}).getMaxIter() == 7
    assert fm.getMaxIter() == 100
    assert isinstance(fm.explainParams(), str)
    with pytest.raises(TypeError, match="no Param 'depth'"):
        FMRegressor(depth=3)
    with pytest.raises(TypeError, match="Invalid param value"):
        fm.setFactorSize("many")
    assert all(isinstance(p, param.Param) for p in fm.params)
