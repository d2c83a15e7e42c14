"""Levels of a column: rare, missing and unknown values."""

import pytest

from encoding_cases import dense, encode_one, fitted, names_of
from fastfm_ext.encoding import binned, categorical, crossed, hashed, multi, numeric


class TestRareMissingUnknown:
    COLUMN = ("a", "a", "b", None, "c", "c")

    def test_rare_values_share_one_feature(self):
        encoder = fitted(categorical("x", min_count=2), self.COLUMN)
        assert names_of(encoder) == ["x=<rare>", "x=a", "x=c"]
        assert dense(encoder.transform({"x": ["b", "a", "never", None]})) == [
            [1, 0, 0],
            [0, 1, 0],
            [0, 0, 0],
            [0, 0, 0],
        ]

    @pytest.mark.parametrize(
        ("options", "names", "missing", "unknown"),
        [
            ({}, ["x=a", "x=b", "x=c"], None, None),
            ({"missing": "feature"}, ["x=<missing>", "x=a", "x=b", "x=c"], 0, None),
            ({"unknown": "feature"}, ["x=<unknown>", "x=a", "x=b", "x=c"], None, 0),
            ({"missing": "feature", "unknown": "feature"}, ["x=<missing>", "x=<unknown>", "x=a", "x=b", "x=c"], 0, 1),
            ({"min_count": 2, "unknown": "rare"}, ["x=<rare>", "x=a", "x=c"], None, 0),
        ],
    )
    @pytest.mark.parametrize("make", [categorical, multi], ids=["categorical", "multi"])
    def test_missing_and_unknown_values_give_what_was_chosen(self, make, options, names, missing, unknown):
        encoder = fitted(make("x", **options), self.COLUMN)
        assert names_of(encoder) == names
        for value, feature in ((None, missing), ("never", unknown)):
            assert encoder.transform({"x": [value]}).indices.tolist() == ([] if feature is None else [feature])

    def test_a_cell_without_values_is_missing_and_rare_values_of_a_cell_count_once(self):
        encoder = fitted(multi("x", min_count=2, missing="feature", norm=None), ["a|b|c", "a", "", None, "|"])
        assert names_of(encoder) == ["x=<rare>", "x=<missing>", "x=a"]
        expected = [[1, 0, 1], [0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
        assert dense(encoder.transform({"x": ["a|b|c", "a", "", None, "|"]})) == expected

    def test_missing_numbers_and_hashes_can_have_a_feature(self):
        assert dense(encode_one(numeric("x", missing="feature"), [1, None, 3])) == [[-1, 0], [0, 1], [1, 0]]
        assert dense(encode_one(binned("x", edges=[2], missing="feature"), [1, None, 3])) == [
            [1, 0, 0],
            [0, 0, 1],
            [0, 1, 0],
        ]
        assert encode_one(hashed("x", 4, missing="feature"), ["a", None]).indices.tolist()[1] == 4
        assert encode_one(hashed("x", 4, sep="|", missing="feature"), ["a", ""]).indices.tolist()[1] == 4

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: categorical("x", min_count=0), "min_count of categorical.'x'. must be a positive integer, got 0"),
            (
                lambda: categorical("x", missing="drop"),
                "missing of categorical.'x'. must be one of 'ignore', 'feature'",
            ),
            (lambda: multi("x", unknown="rare"), "unknown='rare' of multi.'x'. needs min_count above 1"),
            (lambda: hashed("x", 0), "n_features of hashed.'x'. must be an integer from 1"),
            (lambda: hashed("x", signed=1), "signed of hashed"),
            (lambda: binned("x", 1), "n_bins of binned.'x'. must be an integer of at least 2, got 1"),
            (lambda: binned("x", edges=[2, 1]), "edges of binned.'x'. must be finite numbers that rise"),
            (lambda: binned("x", strategy="kmeans"), "strategy of binned"),
            (lambda: crossed("x"), "crossed needs two columns or more"),
            (lambda: numeric("x", log=2), "log of numeric"),
        ],
    )
    def test_bad_options_are_refused(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()

    @pytest.mark.parametrize(
        "spec",
        [
            categorical("x", min_count=3),
            hashed("x", 8, signed=True),
            binned("x", 4, edges=[1, 2]),
            crossed("x", "y", min_count=2),
        ],
    )
    def test_the_printed_form_is_what_one_writes(self, spec):
        assert eval(repr(spec)) == spec
