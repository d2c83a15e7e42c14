"""Numeric columns: scaled, as logarithms, and in bins."""

import inspect
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler

import encoding_cases
from encoding_cases import dense, encode_one, fitted, pd, pl
from fastfm_ext.encoding import FMEncoder, binned, numeric

make_frame = encoding_cases.make_frame


class TestNumeric:
    def test_numbers_have_mean_zero_and_deviation_one(self, make_frame):
        x = FMEncoder(user=[numeric("x")]).fit_transform(make_frame({"x": [1.0, 2.0, 6.0]})).toarray()
        np.testing.assert_allclose([x.mean(), x.std()], [0, 1], atol=1e-6)

    def test_the_scale_is_that_of_the_fitted_rows(self):
        encoder = FMEncoder(user=[numeric("x")]).fit({"x": [0, 2]})
        assert dense(encoder.transform({"x": [5]})) == [[4]]

    @pytest.mark.parametrize("value", [0.0, 0.1, 1e300, -5])
    def test_a_constant_column_is_zero_without_warning(self, value):
        encoder = FMEncoder(user=[numeric("x")])
        assert encoder.fit_transform({"x": [value] * 3}).nnz == 0
        assert dense(encoder.transform({"x": [value, None]})) == [[0], [0]]

    def test_huge_values_do_not_overflow(self):
        np.testing.assert_allclose(encode_one(numeric("x"), [-1e308, 1e308]).toarray(), [[-1], [1]])

    @pytest.mark.parametrize(
        "column",
        [
            [True, False],
            pd.Series([True, False], dtype="boolean"),
            pd.Series([3, 1], dtype="Int8"),
            pd.Series([3, 1], dtype="category"),
            pl.Series([3, 1], dtype=pl.UInt8),
            pl.Series([True, False]),
            [Decimal("1.5"), Decimal("0.5")],
        ],
    )
    def test_every_type_of_number_is_taken(self, column):
        assert dense(encode_one(numeric("x"), column)) == [[1], [-1]]


MOMENTS = [datetime(2024, 1, 3), datetime(2024, 1, 1), None]
DURATIONS = [timedelta(hours=5), timedelta(hours=1), None]


class TestTimes:
    """Times are numbers of seconds, which scaling makes the same as days or years."""

    @pytest.mark.parametrize(
        "column",
        [
            MOMENTS,
            np.array(MOMENTS, dtype="M8[s]"),
            pd.Series(MOMENTS),
            pd.Series(MOMENTS).dt.tz_localize("Asia/Tokyo"),
            pl.Series(MOMENTS),
            [moment and moment.date() for moment in MOMENTS],
            pl.Series(MOMENTS).cast(pl.Date),
            DURATIONS,
            np.array(DURATIONS, dtype="m8[ms]"),
            pd.Series(DURATIONS),
            pl.Series(DURATIONS),
            [time(5), time(1), None],
            pl.Series([time(5), time(1), None]),
        ],
    )
    def test_every_type_of_times_is_taken(self, column):
        assert dense(encode_one(numeric("x"), column)) == [[1], [-1], [0]]

    def test_an_instant_of_any_zone_is_the_same_number(self):
        utc = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True))
        encoder = FMEncoder([numeric("x")]).fit({"x": utc})
        assert dense(encoder.transform({"x": utc.dt.tz_convert("Asia/Tokyo")})) == dense(encoder.transform({"x": utc}))
        assert dense(encoder.transform({"x": [datetime(2024, 1, 1), date(2024, 1, 2)]})) == [[-1], [1]]


class TestNumbers:
    def test_log_numbers_equal_scikit_learns_scaling_of_logarithms(self):
        x = np.array([0.0, -3, 10, 1e6, 50])
        expected = StandardScaler().fit_transform((np.sign(x) * np.log1p(np.abs(x)))[:, None])
        np.testing.assert_allclose(encode_one(numeric("x", log=True), x).toarray(), expected, rtol=1e-5)

    @pytest.mark.parametrize("strategy", ["quantile", "uniform"])
    def test_bins_equal_scikit_learns(self, strategy):
        x = np.random.default_rng(0).exponential(size=500)
        # Before 1.7, scikit-learn knew this method alone.
        has_methods = "quantile_method" in inspect.signature(KBinsDiscretizer).parameters
        options = {"quantile_method": "linear"} if has_methods and strategy == "quantile" else {}
        peer = KBinsDiscretizer(5, encode="onehot-dense", strategy=strategy, subsample=None, **options)
        np.testing.assert_array_equal(
            encode_one(binned("x", 5, strategy=strategy), x).toarray(), peer.fit_transform(x[:, None])
        )

    def test_a_number_that_fills_bins_has_one_of_its_own(self):
        encoder = fitted(binned("x", 4), [0] * 90 + [1, 2, 3])
        assert encoder.transform({"x": [-np.inf, 0, 1, 2, 3, np.inf]}).indices.tolist() == [0, 0, 1, 2, 3, 3]
        assert encoder.feature_at(0) == ("x", "bin", (-np.inf, 1.0))
