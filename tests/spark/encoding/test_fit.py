"""Fit on Spark: the encoder that comes out is that of one machine."""

import numpy as np
import pytest

from fastfm_ext import FMEncoder
from fastfm_ext.encoding import binned, categorical, multi, numeric
from spark_tables import REAL, TYPED, TYPED_SPECS, pa

pytest.importorskip("pyspark", reason="needs PySpark")

from fastfm_ext.spark.encoding.fit import fit_encoder


def assert_same_state(one, other):
    """Compare all that is saved: bytes, but for means and scales of numbers, which are sums in another order."""
    (meta, arrays), (other_meta, other_arrays) = one._to_state(), other._to_state()
    assert meta == other_meta
    assert arrays.keys() == other_arrays.keys()
    for name, array in arrays.items():
        if name.endswith("_mean_scale"):
            # A number far from zero is itself known to so much.
            rounding = 4 * np.finfo(np.float64).eps * abs(array[0])
            np.testing.assert_allclose(other_arrays[name], array, rtol=1e-13, atol=rounding)
        else:
            assert array.dtype == other_arrays[name].dtype, name
            assert array.tobytes() == other_arrays[name].tobytes(), name


@pytest.mark.filterwarnings("ignore:hashed:UserWarning")
@pytest.mark.parametrize("name", REAL)
def test_on_real_tables_the_encoder_is_that_of_one_machine(spark, data_dir, name):
    read, lists = REAL[name]
    table = read(data_dir)
    frame = spark.createDataFrame(pa.Table.from_pandas(table, preserve_index=False)).repartition(3)
    assert_same_state(FMEncoder(**lists).fit(table), fit_encoder(frame, FMEncoder(**lists)))


@pytest.mark.parametrize("lists", [TYPED_SPECS, {}], ids=["given", "inferred"])
def test_columns_of_all_types_are_encoded_as_on_one_machine(spark, lists):
    frame = spark.createDataFrame(TYPED).repartition(4)
    assert_same_state(FMEncoder(**lists).fit(TYPED), fit_encoder(frame, FMEncoder(**lists)))


def test_dots_and_quotes_in_names_are_part_of_them(spark):
    names = ["a.b", "`c`", "d e"]
    table = pa.table({name: [1, 2, 2] for name in names})
    lists = {"columns": ["a.b", numeric("`c`"), binned("d e", 2)]}
    assert_same_state(FMEncoder(**lists).fit(table), fit_encoder(spark.createDataFrame(table), FMEncoder(**lists)))


@pytest.mark.parametrize(
    ("lists", "kind", "message"),
    [
        ({"columns": [numeric("text")]}, TypeError, "'text' is of the type string, which numeric cannot read; cast"),
        (
            {"columns": ["words"]},
            TypeError,
            r"array<string>, which categorical cannot read; .* multi\('words'\)",
        ),
        ({"columns": ["bytes"]}, TypeError, "'bytes' is of the type binary"),
        ({"columns": [multi("nested")]}, TypeError, "'nested' is of the type array<array<bigint>>.*flat list"),
        ({"columns": ["nothing"]}, ValueError, "no column 'nothing'; it has text, words"),
        ({"columns": [numeric("void")]}, ValueError, "'void' is declared numeric but has no value"),
        ({"columns": [categorical("void")]}, ValueError, "nothing to encode"),
        ({"columns": ["text", "text"]}, ValueError, "'text' is given twice"),
        ({"columns": []}, ValueError, "no columns to encode"),
        ({}, TypeError, "'bytes' is of the type binary"),
    ],
)
def test_a_column_that_cannot_be_encoded_is_named(spark, lists, kind, message):
    frame = spark.createDataFrame(
        pa.table(
            {
                "text": ["a"],
                "words": [["a"]],
                "bytes": [b"a"],
                "nested": [[[1]]],
                "void": pa.array([None], pa.float64()),
            }
        )
    )
    with pytest.raises(kind, match=message):
        fit_encoder(frame, FMEncoder(**lists))


@pytest.mark.parametrize("lists", [{"columns": ["x"]}, {}])
def test_a_frame_without_rows_is_refused(spark, lists):
    with pytest.raises(ValueError, match="DataFrame is empty"):
        fit_encoder(spark.createDataFrame([], "x int"), FMEncoder(**lists))


def test_an_infinite_number_stops_with_its_row(spark):
    frame = spark.createDataFrame(pa.table({"x": [1.0, 2.0, float("inf")]})).coalesce(1)
    with pytest.raises(Exception, match=r"Row 2 \(from 0\) of partition 0: column 'x' holds inf"):
        fit_encoder(frame, FMEncoder([numeric("x")]))
