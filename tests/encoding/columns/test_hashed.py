"""Hashed columns: the features that scikit-learn's hasher gives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher

from encoding_cases import assert_same_matrix, dense, encode_one
from fastfm_ext.encoding import hashed
from fastfm_ext.encoding.columns import hashed as _hashed

TEXTS = st.text(max_size=40)


class TestHashed:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(1, 2**20), st.booleans())
    def test_hashes_equal_scikit_learns(self, texts, n_features, signed):
        texts = [text.replace("\x00", "0") for text in texts]
        peer = FeatureHasher(n_features, input_type="string", alternate_sign=signed, dtype=np.float32)
        expected = peer.transform([[text] for text in texts])
        assert_same_matrix(encode_one(hashed("x", n_features, signed=signed), texts), expected.sorted_indices())

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=5), min_size=1, max_size=6), st.booleans())
    def test_cells_are_added_up_as_scikit_learn_does(self, cells, signed):
        peer = FeatureHasher(5, input_type="string", alternate_sign=signed, dtype=np.float32)
        columns = [["|".join(cell) for cell in cells], cells]
        for column in columns:
            encoded = encode_one(hashed("x", 5, signed=signed, sep="|"), column)
            np.testing.assert_array_equal(encoded.toarray(), peer.transform(cells).toarray())
            assert np.all(encoded.data != 0)

    def test_values_that_are_no_text_are_hashed_as_text(self):
        assert dense(encode_one(hashed("x"), [1.0, 2.0])) == dense(encode_one(hashed("x"), ["1", "2"]))

    def test_the_least_hash_has_the_feature_that_scikit_learn_gives_it(self, monkeypatch):
        # No text with this hash is known; what is made of hashes does not depend on the text.
        monkeypatch.setattr(_hashed, "murmur3", lambda texts: np.array([-(2**31), -(2**31) + 1, 7], dtype=np.int32))
        positions, _ = hashed("x", 1000).decide(None)._positions(np.array(["a", "b", "c"], dtype=object))
        assert positions.tolist() == [(2**31 - 1 - 999) % 1000, (2**31 - 1) % 1000, 7]
