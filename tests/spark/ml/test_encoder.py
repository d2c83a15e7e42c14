"""`FMEncoder` of `fastfm_ext.spark`: rows as on one machine, in Pipelines that are saved and loaded."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from fastfm_ext import FMClassifier as LocalClassifier
from fastfm_ext import FMEncoder as LocalEncoder
from fastfm_ext.encoding import numeric
from spark_tables import TYPED, TYPED_SPECS

pytest.importorskip("pyspark", reason="needs PySpark")

from pyspark.ml import Pipeline, PipelineModel

from fastfm_ext.spark import FMClassificationModel, FMClassifier, FMEncoder, FMEncoderModel
from fastfm_ext.spark.encoding.fit import fit_encoder


@pytest.fixture(scope="module")
def frame(spark):
    return spark.createDataFrame(TYPED).repartition(3)


def csr_of(rows, column, n_features):
    vectors = [row[column] for row in rows]
    assert {vector.size for vector in vectors} == {n_features}
    indptr = np.cumsum([0, *(len(vector.indices) for vector in vectors)])
    data = np.concatenate([vector.values for vector in vectors])
    return sparse.csr_array((data, np.concatenate([v.indices for v in vectors]), indptr), (len(rows), n_features))


def test_rows_are_encoded_as_on_one_machine_beside_all_other_columns(frame):
    model = FMEncoder(**TYPED_SPECS, outputCol="x").fit(frame)
    rows = model.transform(frame).orderBy("long").collect()
    assert rows[0].asDict().keys() == {*TYPED.column_names, "x"}
    assert [row["text"] for row in rows] == TYPED["text"].to_pylist()
    X = csr_of(rows, "x", model.numFeatures)
    expected = LocalEncoder(**TYPED_SPECS).fit(TYPED).transform(TYPED)
    np.testing.assert_array_equal(X.indices, expected.indices)
    np.testing.assert_array_equal(X.indptr, expected.indptr)
    np.testing.assert_allclose(X.data, expected.data, rtol=1e-6)
    assert model.transform(frame).schema["x"].metadata == {"ml_attr": {"num_attrs": model.numFeatures}}


def test_only_columns_that_are_named_are_kept(frame):
    model = FMEncoder(["text"], outputCol="x", keptCols=["long", "day"]).fit(frame)
    assert model.transform(frame).columns == ["long", "day", "x"]
    assert model.transform(frame).orderBy("long").head()["day"] == TYPED["day"][0].as_py()


def test_a_pipeline_with_an_encoder_is_saved_and_loaded_before_and_after_its_fit(frame, tmp_path):
    pipeline = Pipeline(stages=[FMEncoder(user=["text", numeric("decimal")], item=["rare"])])
    pipeline.save(str(tmp_path / "pipeline"))
    loaded = Pipeline.load(str(tmp_path / "pipeline"))
    fitted = loaded.fit(frame)
    fitted.save(str(tmp_path / "fitted"))
    again = PipelineModel.load(str(tmp_path / "fitted"))
    assert again.stages[0].uid == pipeline.getStages()[0].uid
    expected = LocalEncoder(user=["text", numeric("decimal")], item=["rare"]).fit(TYPED)
    assert again.stages[0].to_local().columns_ == expected.columns_
    assert again.stages[0].to_local().get_feature_names_out().tolist() == expected.get_feature_names_out().tolist()
    assert again.transform(frame).head()["features"] == fitted.transform(frame).head()["features"]


def test_an_encoder_of_one_machine_encodes_a_frame(frame):
    local = LocalEncoder(["text"]).fit(TYPED)
    model = FMEncoderModel.from_local(local, "x")
    assert model.to_local() is local
    assert model.transform(frame.limit(0)).count() == 0
    assert model.transform(frame).head()["x"].size == local.n_features_out_


def test_another_class_is_not_loaded_in_its_place(frame, tmp_path):
    FMEncoder(["text"]).save(str(tmp_path / "encoder"))
    with pytest.raises(ValueError, match=r"holds a .*FMEncoder, and not a .*FMEncoderModel"):
        FMEncoderModel.load(str(tmp_path / "encoder"))
    with pytest.raises(ValueError, match=r"holds a .*FMEncoder, and not a .*FMClassifier"):
        FMClassifier.load(str(tmp_path / "encoder"))


def test_an_estimator_that_is_not_fitted_is_no_model():
    with pytest.raises(NotFittedError):
        FMClassificationModel.from_local(LocalClassifier())


@pytest.mark.parametrize(
    ("column", "names", "kind", "message"),
    [
        ("text", ["text", "rare"], ValueError, "has a column 'text'"),
        ("x", ["text"], ValueError, "no column 'rare'"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(frame, column, names, kind, message):
    model = FMEncoderModel(LocalEncoder(["rare"]).fit(TYPED), column)
    with pytest.raises(kind, match=message):
        model.transform(frame.select(*names))


@pytest.mark.parametrize("lists", [{"columns": ["x"]}, {}])
def test_a_frame_of_another_library_is_refused(lists):
    with pytest.raises(TypeError, match=r"a pyspark\.sql\.DataFrame is needed, got"):
        fit_encoder(TYPED.to_pandas(), LocalEncoder(**lists))


def test_what_is_no_encoder_is_refused():
    with pytest.raises(TypeError, match="columns must be a list"):
        FMEncoder("text")
    with pytest.raises(TypeError, match=r"must be a fastfm_ext\.FMEncoder, got str"):
        FMEncoderModel("text")
