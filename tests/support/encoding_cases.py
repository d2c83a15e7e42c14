"""A small table, and what the tests of the encoder share."""

import numpy as np
import pytest

from fastfm_ext.encoding import FMEncoder, binned, categorical, crossed, hashed, multi, numeric

pd = pytest.importorskip("pandas", reason="needs pandas")
pl = pytest.importorskip("polars", reason="needs polars")

RATINGS = {
    "user_id": [3, 1, 3, 2, 1],
    "age": [20, 40, 20, 30, 40],
    "occupation": ["writer", None, "writer", "artist", None],
    "item_id": ["b", "a", "a", "c", "c"],
    "genres": ["Action|Comedy", "Drama", "Drama", "", None],
    "hour": [8.0, None, 9.0, 23.0, 8.0],
}
SPECS = {
    "user": ["user_id", numeric("age"), "occupation"],
    "item": ["item_id", multi("genres")],
    "context": [numeric("hour")],
}
FRAMES = {"mapping": dict, "pandas": pd.DataFrame, "polars": pl.DataFrame}


def dense(X):
    return X.toarray().tolist()


def encode_one(spec, column):
    return FMEncoder(user=[spec]).fit_transform({"x": column})


def assert_same_matrix(left, right):
    assert left.shape == right.shape
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(left, part), getattr(right, part))


ALL_SPECS = {
    "user": ["user_id", categorical("occupation", missing="feature", unknown="feature"), numeric("age")],
    "item": [categorical("item_id", min_count=2), multi("genres"), hashed("genres2", 16), crossed("item_id", "genres")],
    "context": [binned("hour", 3), crossed("user_id", "occupation", "hour")],
}


DATA = RATINGS | {"genres2": RATINGS["genres"]}


LATER = {
    "user_id": [9, 1, 0, 9],
    "age": [1, 2, 3, 4],
    "occupation": ["baker", "writer", "artist", None],
    "item_id": ["b", "d", "a", "d"],
    "genres": ["Western|Comedy", "Action", "", "Drama"],
    "genres2": ["a", "b", "c", "d"],
    "hour": [1.0, 2.0, 8.0, None],
}


def names_of(encoder):
    return encoder.get_feature_names_out().tolist()


def fitted(spec, column):
    return FMEncoder(user=[spec]).fit({"x": column})


@pytest.fixture(params=FRAMES)
def make_frame(request):
    return FRAMES[request.param]
