import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import encoding_cases
from encoding_cases import RATINGS, SPECS, assert_same_matrix, dense, encode_one, pd, pl
from fastfm_ext import BlockMatrix, load_model, save_model
from fastfm_ext.encoding import FMEncoder, multi, numeric

make_frame = encoding_cases.make_frame


class TestLayout:
    def test_the_whole_matrix(self, make_frame):
        X = FMEncoder(user=["user_id", "occupation"], item=[multi("genres")]).fit_transform(make_frame(RATINGS))
        half = np.float32(np.sqrt(0.5))
        assert dense(X) == [
            [0, 0, 1, 0, 1, half, half, 0],
            [1, 0, 0, 0, 0, 0, 0, 1],
            [0, 0, 1, 0, 1, 0, 0, 1],
            [0, 1, 0, 1, 0, 0, 0, 0],
            [1, 0, 0, 0, 0, 0, 0, 0],
        ]

    def test_the_result_is_a_canonical_float32_csr_array_without_stored_zeros(self, make_frame):
        X = FMEncoder(**SPECS).fit_transform(make_frame(RATINGS))
        assert isinstance(X, sparse.csr_array)
        assert (X.dtype, X.indices.dtype) == (np.float32, np.int32)
        assert X.has_canonical_format
        assert np.all(X.data != 0)

    def test_blocks_stand_in_the_order_user_item_context(self):
        encoder = FMEncoder(**SPECS).fit(RATINGS)
        assert encoder.field_names_ == ["user_id", "age", "occupation", "item_id", "genres", "hour"]
        assert encoder.fields_.dtype == np.int32
        assert encoder.fields_.tolist() == [0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5]
        assert encoder.slices_["genres"] == slice(9, 12)
        assert (encoder.n_features_out_, encoder.n_features_in_) == (13, 6)
        assert encoder.feature_names_in_.tolist() == encoder.field_names_

    def test_features_are_named_by_column_and_value(self):
        names = FMEncoder(**SPECS).fit(RATINGS).get_feature_names_out()
        assert names.dtype == object
        assert names[2:5].tolist() == ["user_id=3", "age", "occupation=artist"]
        assert names[-4:].tolist() == ["genres=Action", "genres=Comedy", "genres=Drama", "hour"]

    def test_a_feature_is_found_by_its_value(self):
        encoder = FMEncoder(**SPECS).fit(RATINGS)
        found = [
            encoder.feature_index(*key) for key in (("user_id", 3), ("user_id", 3.0), ("age",), ("genres", "Drama"))
        ]
        assert found == [2, 2, 3, 11]

    def test_other_columns_of_the_frame_are_ignored(self):
        X = FMEncoder(user=["user_id"]).fit_transform({**RATINGS, "junk": [[1], object(), None, {}, 2]})
        assert X.shape == (5, 3)

    def test_fit_transform_equals_fit_and_transform(self, make_frame):
        frame = make_frame(RATINGS)
        assert_same_matrix(FMEncoder(**SPECS).fit_transform(frame), FMEncoder(**SPECS).fit(frame).transform(frame))

    def test_the_input_is_left_as_it_was(self):
        frame = pd.DataFrame(RATINGS)
        before = frame.copy(deep=True)
        FMEncoder(**SPECS).fit_transform(frame)
        pd.testing.assert_frame_equal(frame, before)


class TestSides:
    def test_the_user_side_holds_user_and_context_features_only(self):
        encoder = FMEncoder(**SPECS).fit(RATINGS)
        X = encoder.transform({name: RATINGS[name] for name in ("user_id", "age", "occupation", "hour")}, side="user")
        assert X.shape == (5, 13)
        assert set(encoder.fields_[X.indices]) == {0, 1, 2, 5}

    def test_the_item_side_needs_item_columns_only(self, make_frame):
        encoder = FMEncoder(**SPECS).fit(make_frame(RATINGS))
        X = encoder.transform(make_frame({"item_id": ["c"], "genres": ["Comedy"]}), side="item")
        assert [encoder.get_feature_names_out()[i] for i in X.indices] == ["item_id=c", "genres=Comedy"]

    def test_a_side_without_columns_is_empty(self, make_frame):
        frame = make_frame(RATINGS)
        X = FMEncoder(user=["user_id"]).fit(frame).transform(frame, side="item")
        assert (X.shape, X.nnz) == ((5, 3), 0)


class TestUnknownAndMissing:
    @pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT, np.datetime64("NaT", "ns")])
    def test_a_missing_value_gives_no_entry(self, value):
        column = np.array(["a", value, "b"], dtype=object)
        assert dense(encode_one("x", column)) == [[1, 0], [0, 0], [0, 1]]
        assert dense(encode_one("x", pd.Series(column))) == [[1, 0], [0, 0], [0, 1]]

    def test_an_unknown_value_gives_no_entry(self, make_frame):
        encoder = FMEncoder(user=["x"]).fit(make_frame({"x": ["a", "b"]}))
        assert dense(encoder.transform(make_frame({"x": ["z", "b"]}))) == [[0, 0], [0, 1]]

    @pytest.mark.parametrize("cell", ["", None, float("nan"), [], (), set(), np.array([]), " | ", [None], [""]])
    def test_an_empty_multi_valued_cell_gives_no_entry(self, cell):
        column = np.fromiter(["a|b", cell], dtype=object, count=2)
        assert np.count_nonzero(encode_one(multi("x"), column).toarray(), axis=1).tolist() == [2, 0]

    def test_unknown_values_of_a_cell_do_not_change_the_weight_of_the_known(self):
        encoder = FMEncoder(item=[multi("x")]).fit({"x": ["a|b"]})
        assert_same_matrix(encoder.transform({"x": ["a|z|b"]}), encoder.transform({"x": ["a|b"]}))

    @pytest.mark.parametrize("value", [None, float("nan"), pd.NA])
    def test_a_missing_number_gives_no_entry(self, value):
        assert dense(encode_one(numeric("x"), [1, value, 3])) == [[-1], [0], [1]]

    def test_a_column_without_values_has_no_features(self, make_frame):
        encoder = FMEncoder(user=["x", "y"]).fit(make_frame({"x": [None, None], "y": [1, 2]}))
        assert encoder.slices_ == {"x": slice(0, 0), "y": slice(0, 2)}
        assert encoder.transform(make_frame({"x": ["a"], "y": [1]})).nnz == 1

    def test_a_row_of_a_category_that_only_the_dtype_declares_is_unknown(self):
        declared = pd.Categorical(["b", "a", None], categories=["c", "b", "a"])
        assert dense(encode_one("x", declared)) == [[0, 1], [1, 0], [0, 0]]


class TestScikitLearn:
    def test_clone_and_params(self):
        encoder = FMEncoder(**SPECS)
        assert clone(encoder).get_params() == encoder.get_params() == {"columns": None, **SPECS}
        assert encoder.set_params(user=["age"]).user == ["age"]

    def test_the_printed_form_is_what_one_writes(self):
        assert repr(numeric("age")) == "numeric('age')"
        assert eval(repr(multi("genres", sep=","))) == multi("genres", sep=",")  # the repr is ours
        assert "numeric('age')" in repr(FMEncoder(user=[numeric("age")]))

    def test_first_step_of_a_searched_pipeline(self):
        frame = pd.DataFrame({name: column * 4 for name, column in RATINGS.items()})
        search = GridSearchCV(make_pipeline(FMEncoder(**SPECS), Ridge()), {"ridge__alpha": [0.1, 1.0]}, cv=2)
        search.fit(frame, np.arange(20.0))
        assert search.predict(frame).shape == (20,)
        assert search.best_estimator_[:-1].get_feature_names_out()[0] == "user_id=1"

    def test_first_step_before_a_factorization_machine(self):
        fm = pytest.importorskip("fastfm_ext.fm")
        model = make_pipeline(FMEncoder(**SPECS), fm.FMClassifier(n_factors=2, max_iter=2, random_state=0))
        assert model.fit(pl.DataFrame(RATINGS), [0, 1, 0, 1, 1]).predict_proba(pl.DataFrame(RATINGS)).shape == (5, 2)

    def test_the_output_is_a_sparse_matrix_or_one_in_blocks(self, tmp_path):
        encoder = FMEncoder(**SPECS).set_output(transform="blocks").set_output()
        save_model(tmp_path / "model", encoder=encoder.fit(RATINGS))
        for same in (encoder, clone(encoder).fit(RATINGS), load_model(tmp_path / "model").encoder):
            assert isinstance(same.transform(RATINGS), BlockMatrix)
            assert isinstance(same.fit_transform(RATINGS), BlockMatrix)
            assert isinstance(same.transform(RATINGS, side="user"), sparse.csr_array)
        model = make_pipeline(FMEncoder(**SPECS), "passthrough").set_output(transform="blocks")
        assert isinstance(model.fit_transform(RATINGS), BlockMatrix)
        assert isinstance(encoder.set_output(transform="default").fit_transform(RATINGS), sparse.csr_array)
        with pytest.raises(ValueError, match=r"can't give pandas output.*'default' or 'blocks'"):
            encoder.set_output(transform="pandas")

    def test_params_changed_after_fit_do_not_change_the_fitted_encoder(self):
        encoder = FMEncoder(**SPECS).fit(RATINGS)
        before = encoder.transform(RATINGS)
        assert_same_matrix(encoder.set_params(user=[]).transform(RATINGS), before)
