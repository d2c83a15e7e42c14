"""Fields of features, from those of values."""

import numpy as np
import pytest
import scipy.sparse as sp

from fastfm_ext.streaming import LibffmSource
from fastfm_ext.text_formats import fields_of_features, read_libffm
from fastfm_ext.text_formats.fields import fields_of_batches


def test_each_feature_has_the_field_of_its_values():
    X, _, fields = read_libffm(b"1 3:0:1 5:2:1\n0 3:1:1 5:2:2\n")
    assert fields_of_features(X, fields).tolist() == [3, 3, 5]


def test_features_without_values_have_the_least_field():
    X, _, fields = read_libffm(b"1 7:1:1 4:2:1\n", n_features=4)
    assert fields_of_features(X, fields).tolist() == [4, 7, 4, 4]
    assert fields_of_features(sp.csr_array((1, 2)), []).tolist() == [0, 0]


@pytest.mark.parametrize("text", [b"1 0:1:1\n0 2:1:1\n", b"1 2:1:1\n0 0:1:1\n1 2:1:1\n"])
def test_a_feature_of_two_fields_is_refused(text):
    X, _, fields = read_libffm(text)
    with pytest.raises(ValueError, match=r"feature 1 is of field [02] and of field [02], and must"):
        fields_of_features(X, fields)


def test_another_number_of_fields_is_refused():
    with pytest.raises(ValueError, match="a field for each of the 2 values"):
        fields_of_features(sp.csr_array(np.eye(2)), [0])


def test_batches_of_any_width_go_together():
    wide, narrow = sp.csr_array([[0.0, 1.0, 1.0]]), sp.csr_array([[1.0, 1.0]])
    assert fields_of_batches([(narrow, [4, 2]), (wide, [2, 9])]).tolist() == [4, 2, 9]
    with pytest.raises(ValueError, match="feature 1 is of field 3 and of field 2"):
        fields_of_batches([(narrow, [4, 2]), (wide, [3, 9])])


def test_a_source_tells_the_fields_of_all_its_files(tmp_path):
    (tmp_path / "a.ffm").write_text("1 0:0:1 1:2:1\n")
    (tmp_path / "b.ffm").write_text("0 0:1:1 1:3:1\n")
    assert LibffmSource(tmp_path).fields().tolist() == [0, 0, 1, 1]
    (tmp_path / "c.ffm").write_text("0 1:1:1\n")
    with pytest.raises(ValueError, match="feature 1 is of field 1 and of field 0"):
        LibffmSource(tmp_path).fields()
