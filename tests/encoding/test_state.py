import json
import pickle
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from encoding_cases import RATINGS, SPECS, assert_same_matrix
from fastfm_ext.encoding import FMEncoder, multi
from fastfm_ext.model_io import load_model, save_model

STORED = {
    "int": np.array([3, -(2**62), 3]),
    "uint": np.array([1, 2**64 - 1, 5], dtype=np.uint64),
    "float": [0.1, float("inf"), 1e300],
    "bool": [True, False, True],
    "text": ["ä", "b\0", ""],
    "date": [date(1950, 1, 1), date(2400, 1, 1), None],
    "nano": np.array([1, 2, 3], dtype="M8[ns]"),
    "mixed": [1, "1", 2.5],
    "mixed_more": [True, datetime(2024, 1, 1, 1, 2, 3, 4), "i:1"],
    "huge": [2**70, 1, None],
    "nothing": [None, None, None],
}


class TestState:
    def restored(self, encoder):
        meta, arrays = encoder._to_state()
        assert all(array.dtype != object for array in arrays.values())
        return FMEncoder._from_state(json.loads(json.dumps(meta)), arrays)

    @pytest.mark.parametrize("name", STORED)
    def test_values_come_back_exactly(self, name):
        data = {name: STORED[name], "other": [1, 2, 3]}
        encoder = FMEncoder(user=[name, "other"]).fit(data)
        restored = self.restored(encoder)
        assert_same_matrix(restored.transform(data), encoder.transform(data))
        values, again = (e._layout.fitted[0].levels.vocabulary.values for e in (encoder, restored))
        assert values.dtype == again.dtype
        assert list(map(type, values)) == list(map(type, again))
        assert values.tolist() == again.tolist()

    @pytest.mark.parametrize("copy", [restored, lambda _, encoder: pickle.loads(pickle.dumps(encoder))])
    def test_a_restored_encoder_is_the_same(self, copy):
        encoder = FMEncoder(**SPECS).fit(RATINGS)
        encoder.transform(RATINGS)
        again = copy(self, encoder)
        assert again.get_params() == encoder.get_params()
        assert again.slices_ == encoder.slices_
        assert again.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()
        for side in ("user", "item", None):
            assert_same_matrix(again.transform(RATINGS, side=side), encoder.transform(RATINGS, side=side))

    def test_a_model_file_holds_an_encoder(self, tmp_path):
        data = {name: column for name, column in STORED.items() if name != "nothing"}
        encoder = FMEncoder(user=list(data), item=[multi("genres")])
        encoder.fit({**data, "genres": ["a|b", "b", None]})
        save_model(tmp_path / "model", encoder=encoder)
        again = load_model(tmp_path / "model").encoder
        assert again.get_feature_names_out().tolist() == encoder.get_feature_names_out().tolist()

    @pytest.mark.parametrize("value", [(1, 2), timedelta(1), b"a", Decimal("1.0000000000000000001")])
    def test_categories_of_other_types_are_refused_by_name(self, value):
        column = np.fromiter([value], dtype=object, count=1)
        with pytest.raises(TypeError, match=f"column 'x': a category of type {type(value).__name__}"):
            FMEncoder(user=["x"]).fit({"x": column})._to_state()

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            (lambda meta: meta.update(version=99), "version 99"),
            (lambda meta: meta["columns"][0]["spec"].update(kind="sorted"), "unknown column spec 'sorted'"),
            (lambda meta: meta["columns"][0]["fitted"].update(form="object"), "unknown form"),
        ],
    )
    def test_a_state_of_another_version_is_refused(self, change, error):
        meta, arrays = FMEncoder(user=["user_id"]).fit(RATINGS)._to_state()
        change(meta)
        with pytest.raises(ValueError, match=error):
            FMEncoder._from_state(meta, arrays)
