"""Collisions of hashed columns: what is counted is what the encoded matrix shows, and estimates are near."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastfm_ext import FMEncoder, load_model, save_model
from fastfm_ext.encoding import HashCollisions, crossed, hashed
from fastfm_ext.encoding.columns import collisions
from fastfm_ext.encoding.columns.collisions import HashedValues


def of(values, n_features=2**18, **options):
    return FMEncoder([hashed("x", n_features, **options)]).fit({"x": values}).collisions_["x"]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=200), st.integers(1, 100))
def test_counts_are_those_of_the_encoded_matrix(values, n_features):
    distinct = sorted(set(values))
    encoder = FMEncoder([hashed("x", n_features)]).fit({"x": values})
    on_feature = encoder.transform({"x": distinct}).toarray().sum(axis=0)
    found = encoder.collisions_["x"]
    assert found.is_exact
    assert (found.n_values, found.n_features) == (len(distinct), n_features)
    assert found.n_used == np.count_nonzero(on_feature)
    assert found.share == pytest.approx(on_feature[on_feature > 1].sum() / len(distinct))


def test_values_of_all_calls_are_counted_once():
    encoder = FMEncoder(["y", hashed("x", 512)])
    for first in (0, 50, 100):
        encoder.partial_fit({"x": range(first, first + 100), "y": range(100)})
    assert encoder.collisions_ == {"x": of(range(200), 512)}


@pytest.mark.parametrize("cells", [["a|b", "b|c", "d"], [["a", "b"], ["b", "c"], ["d"]]])
def test_values_of_cells_with_several_are_counted(cells):
    assert of(cells, sep="|").n_values == len({"a", "b", "c", "d"})


def test_categories_that_no_row_has_are_not_counted():
    pd = pytest.importorskip("pandas")
    assert of(pd.Series(pd.Categorical(["a", "b", "a"], categories=["a", "b", "c", "d"]))).n_values == 2


def test_missing_values_are_no_values():
    assert of(["a", None, "b"]).n_values == 2
    assert of([None, None], missing="feature") == HashCollisions(0, 2**18, 0, 0.0, True)


def test_many_values_are_estimated(monkeypatch):
    values = np.arange(30_000)
    exact = of(values)
    monkeypatch.setattr(collisions, "MOST_HASHES", 1 << 12)
    encoder = FMEncoder([hashed("x")])
    for part in np.array_split(np.concatenate((values, values[::3])), 7):
        encoder.partial_fit({"x": part})
    found = encoder.collisions_["x"]
    assert exact.is_exact
    assert not found.is_exact
    assert found.n_values == pytest.approx(len(values), rel=0.05)
    assert found.n_used == pytest.approx(exact.n_used, rel=0.05)
    assert found.share == pytest.approx(exact.share, rel=0.1)
    assert str(found).startswith("about ")


def test_bits_keep_the_share_low():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = of(np.arange(20_000), 2**10)
        bits = found.bits_for(0.1)
        assert of(np.arange(20_000), 2**bits).share < 0.1 < of(np.arange(20_000), 2 ** (bits - 1)).share
    assert of(["a"]).bits_for(0.1) == of([None, None], missing="feature").bits_for() == 0
    for share in (0, 1, float("nan")):
        with pytest.raises(ValueError, match="share"):
            found.bits_for(share)


@pytest.mark.parametrize("method", ["fit", "partial_fit", "fit_transform"])
def test_fitting_warns_where_many_values_share_features(method):
    encoder = FMEncoder([hashed("ad", 2**10)])
    with pytest.warns(UserWarning, match=r"hashed\('ad'\): .* of 2,000 values .* n_features=2\*\*15 would"):
        getattr(encoder, method)({"ad": range(2000)})


def test_few_values_warn_nobody():
    assert of(range(900), 8).share == 1.0
    assert 0.1 < of(range(2000), 2**14).share < 0.2


def test_files_keep_the_counts(tmp_path):
    encoder = FMEncoder([hashed("x", 64), "y"]).fit({"x": range(40), "y": range(40)})
    save_model(tmp_path / "encoder.fastfm", encoder=encoder)
    restored = load_model(tmp_path / "encoder.fastfm").encoder
    assert restored.collisions_ == encoder.collisions_
    restored.partial_fit({"x": [40], "y": [0]})
    assert restored.collisions_["x"].n_values == 41


def test_encoders_of_earlier_files_have_no_counts():
    meta, arrays = FMEncoder([hashed("x")]).fit({"x": ["a"]})._to_state()
    arrays = {name: array for name, array in arrays.items() if not name.endswith("hashes")}
    restored = FMEncoder._from_state(meta, arrays)
    assert restored.collisions_ == {}
    assert restored.partial_fit({"x": ["b"]}).collisions_ == {}


@pytest.mark.parametrize(
    "hashes",
    [np.array([1, 1], np.uint32), np.array([[1]], np.uint32), np.array([1], np.int64), np.zeros(1 << 17, np.uint32)],
)
def test_damaged_counts_are_refused(hashes):
    with pytest.raises(ValueError, match="hashes of the type"):
        HashedValues.restored(hashes)


def test_other_columns_have_no_collisions():
    encoder = FMEncoder(["x", crossed("x", "y")]).fit({"x": [1, 2], "y": [1, 1]})
    assert encoder.collisions_ == {}
