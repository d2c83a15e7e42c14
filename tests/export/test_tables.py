"""Exported files: they load in NumPy and pandas without pickle, and hold what the model has learned."""

import numpy as np
import pytest
from scipy import sparse

import export_cases
from export_cases import loaded
from fastfm_ext import (
    FMClassifier,
    FMEncoder,
    FMRanker,
    FMRegressor,
    ItemIndex,
    export_features,
    export_vectors,
)

fitted = export_cases.fitted


def frame(path):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    return pytest.importorskip("pandas", reason="needs pandas").read_parquet(path)


def test_features_as_arrays(fitted, tmp_path):
    model, encoder = fitted
    export_features(tmp_path / "f.npz", model, encoder)
    arrays = loaded(tmp_path / "f.npz")
    assert set(arrays) == {"w0", "w", "V", "name", "field"}
    assert arrays["w0"] == model.w0_
    np.testing.assert_array_equal(arrays["w"], model.w_)
    np.testing.assert_array_equal(arrays["V"], model.V_)
    assert arrays["name"].tolist() == encoder.get_feature_names_out().tolist()
    assert arrays["field"].tolist() == ["user"] * 3 + ["film"] * 3


def test_features_as_a_table(fitted, tmp_path):
    model, encoder = fitted
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    export_features(tmp_path / "f.parquet", model, encoder)
    table = frame(tmp_path / "f.parquet")
    assert table.columns.tolist() == ["feature", "name", "field", "w", "factors"]
    assert table["feature"].tolist() == list(range(6))
    assert table["name"].tolist() == encoder.get_feature_names_out().tolist()
    assert table["field"].tolist() == ["user"] * 3 + ["film"] * 3
    np.testing.assert_array_equal(table["w"], model.w_)
    np.testing.assert_array_equal(np.stack(table["factors"]), model.V_)
    assert table.attrs["w0"] == pytest.approx(float(model.w0_))


@pytest.mark.parametrize("ending", ["npz", "parquet"])
@pytest.mark.parametrize("classes", [[0, 1, 2], ["no", "perhaps", "yes"]])
def test_every_class_has_its_features(tmp_path, ending, classes):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    rng = np.random.default_rng(0)
    y = np.array(classes, dtype=object if isinstance(classes[0], str) else None)[rng.integers(0, 3, 60)]
    model = FMClassifier(n_factors=2, max_iter=3, random_state=0).fit(rng.integers(0, 2, (60, 4)), y)
    path = tmp_path / f"f.{ending}"
    export_features(path, model)
    if ending == "npz":
        arrays = loaded(path)
        assert arrays["classes"].tolist() == classes
        np.testing.assert_array_equal(arrays["w0"], model.w0_)
        np.testing.assert_array_equal(arrays["w"], model.w_)
        np.testing.assert_array_equal(arrays["V"], model.V_)
        return
    table = frame(path)
    assert table["class"].tolist() == np.repeat(classes, 4).tolist()
    assert table["feature"].tolist() == [0, 1, 2, 3] * 3
    np.testing.assert_array_equal(np.stack(table["factors"]).reshape(3, 4, 2), model.V_)
    np.testing.assert_allclose(table.attrs["w0"], model.w0_)


def test_a_linear_model_and_a_ranker_are_exported(tmp_path):
    X = np.eye(4)
    export_features(tmp_path / "linear.npz", FMRegressor(n_factors=0).fit(X, [1.0, 2.0, 3.0, 4.0]))
    assert loaded(tmp_path / "linear.npz")["V"].shape == (4, 0)
    ranker = FMRanker(n_factors=2, max_iter=1, random_state=0)
    ranker.fit(np.eye(2, 4), np.eye(4)[2:], sparse.csr_array(np.array([[1, 0], [0, 1]])))
    export_features(tmp_path / "ranker.npz", ranker)
    np.testing.assert_array_equal(loaded(tmp_path / "ranker.npz")["V"], ranker.V_)
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    export_features(tmp_path / "linear.parquet", FMRegressor(n_factors=0).fit(X, [1.0, 2.0, 3.0, 4.0]))
    assert frame(tmp_path / "linear.parquet").columns.tolist() == ["feature", "w"]


@pytest.mark.parametrize("ids", [[7, 3, 5], ["b", "ä", "c|d"]])
def test_vectors_keep_their_ids_and_their_order(tmp_path, ids):
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    export_vectors(tmp_path / "v.npz", vectors, ids, bias=[1.0, 2.0, 3.0])
    export_vectors(tmp_path / "i.npz", ItemIndex().fit(vectors, ids=ids))
    arrays = loaded(tmp_path / "v.npz")
    assert arrays["id"].tolist() == ids
    assert arrays["bias"].tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(arrays["vector"], vectors)
    of_index = loaded(tmp_path / "i.npz")
    assert of_index["id"].tolist() == ids
    np.testing.assert_array_equal(of_index["vector"], vectors)
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    export_vectors(tmp_path / "v.parquet", vectors, ids)
    table = frame(tmp_path / "v.parquet")
    assert table["id"].tolist() == ids
    np.testing.assert_array_equal(np.stack(table["vector"]), vectors)


def test_an_index_of_codes_alone_has_no_vectors_to_export(tmp_path):
    pytest.importorskip("faiss", reason="needs faiss")
    vectors = np.random.default_rng(0).normal(size=(2_000, 4)).astype(np.float32)
    index = ItemIndex("ivf", quantizer="sq8", keep_vectors=False).fit(vectors).tune(vectors[:50])
    with pytest.raises(ValueError, match="keeps codes alone"):
        export_vectors(tmp_path / "v.npz", index)


def test_what_cannot_be_exported_is_refused_and_leaves_the_old_file(fitted, tmp_path):
    model, encoder = fitted
    path = tmp_path / "v.npz"
    export_vectors(path, np.eye(2))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"must end in \.npz or \.parquet"):
        export_vectors(tmp_path / "v.csv", np.eye(2))
    with pytest.raises(TypeError, match=r"all int or all str to be exported, got \('a', 1\)"):
        export_vectors(path, np.eye(2), [("a", 1), ("b", 2)])
    with pytest.raises(ValueError, match="zero character"):
        export_vectors(path, np.eye(2), ["a\0", "b"])
    with pytest.raises(ValueError, match=r"id has the shape \(3,\); there are 2 vectors"):
        export_vectors(path, np.eye(2), [1, 2, 3])
    with pytest.raises(ValueError, match="ids must be left out"):
        export_vectors(path, ItemIndex().fit(np.eye(2)), [1, 2])
    with pytest.raises(ValueError, match="encoder has 2 features and the model 6"):
        export_features(path, model, FMEncoder(user=["user"]).fit({"user": [1, 2]}))
    with pytest.raises(TypeError, match="model must be an FMRegressor"):
        export_features(path, encoder)
    assert path.read_bytes() == before


@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_vectors_in_half_the_bytes(tmp_path, ending):
    vectors = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow")
    export_vectors(tmp_path / f"v.{ending}", vectors, dtype="float16")
    if ending == "parquet":
        kept = np.stack(frame(tmp_path / "v.parquet")["vector"])
    else:
        kept = loaded(tmp_path / "v.npz")["vector"]
    assert kept.dtype == np.float16
    np.testing.assert_array_equal(kept, vectors.astype(np.float16))


def test_vectors_too_large_for_float16_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"vectors\[1\] has a number that is too large for float16"):
        export_vectors(tmp_path / "v.npz", [[1.0], [7e4]], dtype="float16")
    with pytest.raises(ValueError, match="dtype must be one of"):
        export_vectors(tmp_path / "v.npz", [[1.0], [7e4]], dtype="float64")
    assert not list(tmp_path.iterdir())
