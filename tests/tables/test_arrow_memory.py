"""Tables of Arrow, read through its C interface, encode as those of other libraries do."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from encoding_cases import RATINGS, SPECS, assert_same_matrix, dense, encode_one, pd, pl
from fastfm_ext.encoding import FMEncoder, hashed, multi, numeric

pa = pytest.importorskip("pyarrow", reason="needs pyarrow")

HALF = np.float32(np.sqrt(0.5))


class OneBatch:
    """What offers an array, but no stream of them."""

    def __init__(self, batch):
        self.batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self.batch.__arrow_c_array__(requested_schema)


class Breaks:
    """A stream that fails after its first batch."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        def batches():
            yield self.table.to_batches()[0]
            raise ValueError("the disk is gone")

        reader = pa.RecordBatchReader.from_batches(self.table.schema, batches())
        return reader.__arrow_c_stream__(requested_schema)


def chunked(table, size):
    return pa.Table.from_batches(table.to_batches(max_chunksize=size))


TABLES = {
    "table": pa.table,
    "chunks": lambda columns: chunked(pa.table(columns), 2),
    "batch": lambda columns: pa.table(columns).combine_chunks().to_batches()[0],
    "slice": lambda columns: pa.concat_tables([pa.table(columns)] * 3).combine_chunks().slice(5, 5),
    "reader": lambda columns: pa.table(columns).to_reader(max_chunksize=3),
    "array only": lambda columns: OneBatch(pa.table(columns).to_batches()[0]),
    "mapping": lambda columns: {name: pa.array(column) for name, column in columns.items()},
    "mapping of chunks": lambda columns: {
        name: pa.chunked_array([column[:2], column[2:]]) for name, column in columns.items()
    },
    "pandas": lambda columns: pa.table(columns).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda columns: pl.concat([pl.DataFrame(columns)[:2], pl.DataFrame(columns)[2:]], rechunk=False),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
class TestTables:
    def test_every_table_encodes_as_a_plain_mapping_does(self, make):
        specs = SPECS | {"item": [*SPECS["item"], hashed("genres2", 32)]}
        columns = RATINGS | {"genres2": RATINGS["genres"]}
        assert_same_matrix(FMEncoder(**specs).fit_transform(make(columns)), FMEncoder(**specs).fit_transform(columns))

    def test_text_longer_than_a_view_holds(self, make):
        texts = ["a" * 12, "a" * 13, "a" * 40, "a" * 39 + "b", None]
        encoder = FMEncoder(user=["x"]).fit({"x": texts})
        assert_same_matrix(encoder.transform(make({"x": texts})), encoder.transform({"x": texts}))


ARRAYS = {
    "int8": pa.array([3, None, 7], pa.int8()),
    "uint64": pa.array([3, None, 7], pa.uint64()),
    "float16": pa.array(np.array([3, np.nan, 7], dtype=np.float16)),
    "float with null": pa.array([3.0, None, 7.0], pa.float32()),
    "dictionary": pa.array([3, None, 7]).dictionary_encode(),
    "dictionary with a null and repeats": pa.DictionaryArray.from_arrays([0, 1, 3], pa.array([3, None, 3, 7, 9])),
}
TEXTS = {
    "string": pa.array(["b", None, "é"]),
    "large": pa.array(["b", None, "é"], pa.large_string()),
    "dictionary": pa.array(["b", None, "é"]).dictionary_encode(),
}
LISTS = {
    "list": pa.array([["a", "b"], None, ["b"], []]),
    "large": pa.array([["a", "b"], None, ["b"], []], pa.large_list(pa.string())),
    "of dictionary": pa.array([["a", "b"], None, ["b"], []], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    "sliced": pa.array([["z"], ["a", "b"], None, ["b"], [], ["z"]]).slice(1, 4),
    "null over values": pa.ListArray.from_arrays(
        pa.array([0, 2, 3, 4, 4]), pa.array(["a", "b", "z", "b"]), mask=pa.array([False, True, False, False])
    ),
}


class TestTypes:
    @pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
    def test_numbers(self, array):
        encoder = FMEncoder(user=["x"]).fit({"x": [3, 7]})
        assert dense(encoder.transform(pa.table({"x": array}))) == [[1, 0], [0, 0], [0, 1]]
        assert dense(FMEncoder(user=[numeric("x")]).fit_transform(pa.table({"x": array}))) == [[-1], [0], [1]]

    @pytest.mark.parametrize("array", TEXTS.values(), ids=TEXTS)
    def test_text(self, array):
        encoder = FMEncoder(user=["x"]).fit(pa.table({"x": array}))
        assert encoder.get_feature_names_out().tolist() == ["x=b", "x=é"]
        assert encoder.transform({"x": ["é"]}).indices.tolist() == [1]

    @pytest.mark.parametrize("array", LISTS.values(), ids=LISTS)
    def test_lists(self, array):
        expected = [[HALF, HALF], [0, 0], [0, 1], [0, 0]]
        encoder = FMEncoder(user=[multi("x")]).fit({"x": ["a|b"]})
        assert dense(encoder.transform(pa.table({"x": array}))) == expected
        twice = pa.table({"x": pa.chunked_array([array, array])})
        assert dense(encoder.transform(twice)) == expected * 2

    def test_lists_of_fixed_size(self):
        array = pa.array([["a", "b"], ["b", None], None], pa.list_(pa.string(), 2))
        encoder = FMEncoder(user=[multi("x")]).fit({"x": ["a|b"]})
        assert dense(encoder.transform(pa.table({"x": array}))) == [[HALF, HALF], [0, 1], [0, 0]]

    def test_truth_values_and_no_values(self):
        table = pa.table({"x": pa.array([None, True, False, True]).slice(1), "n": pa.nulls(3)})
        encoder = FMEncoder(user=["x", "n"]).fit(table)
        assert encoder.get_feature_names_out().tolist() == ["x=False", "x=True"]
        assert encoder.transform(table).indices.tolist() == [1, 0, 1]

    @pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
    def test_instants(self, unit):
        encoder = FMEncoder(user=["x"]).fit({"x": np.array(["2024-01-01T12:00:00", "2024-06-01"], dtype="M8[ns]")})
        moments = [datetime(2024, 1, 1, 12, tzinfo=UTC), None]
        assert dense(encoder.transform(pa.table({"x": pa.array(moments, pa.timestamp(unit, "Asia/Tokyo"))}))) == [
            [1, 0],
            [0, 0],
        ]
        assert dense(encoder.transform(pa.table({"x": pa.array([19875, 1], pa.date32())}))) == [[0, 1], [0, 0]]
        assert dense(encoder.transform(pa.table({"x": pa.array([datetime(2024, 6, 1)], pa.date64())}))) == [[0, 1]]

    @pytest.mark.parametrize(
        "kind", [pa.decimal128(38, 0), pa.decimal256(60, 0), pa.decimal128(20, 2), pa.decimal128(9, 3)], ids=str
    )
    def test_decimals_are_the_numbers_that_they_stand_for(self, kind):
        largest = 10 ** (kind.precision - kind.scale - 1)
        ids = [Decimal(7), None, Decimal(largest), Decimal(-3), Decimal(7)]
        table = pa.table({"x": pa.chunked_array([pa.array(ids, kind), pa.array(ids[3:], kind)])})
        encoder = FMEncoder(user=["x"]).fit(table)
        assert encoder.get_feature_names_out().tolist() == ["x=-3", "x=7", f"x={largest}"]
        rows = [[0, 1, 0], [0, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
        assert dense(encoder.transform(table)) == rows + rows[3:]
        assert dense(encoder.transform(table.slice(1, 3))) == rows[1:4]
        for same in (table.to_pandas(), pl.from_arrow(table) if kind.bit_width == 128 else table.to_pandas()):
            assert dense(encoder.transform(same)) == rows + rows[3:]

    def test_decimals_are_read_as_numbers(self):
        prices = pa.table({"x": pa.array([Decimal("1.50"), Decimal("2.00"), None], pa.decimal128(10, 2))})
        floats = {"x": [1.5, 2.0, None]}
        expected = dense(FMEncoder(user=[numeric("x")]).fit(floats).transform(floats))
        assert dense(FMEncoder(user=[numeric("x")]).fit(prices).transform(prices)) == expected
        assert FMEncoder(user=["x"]).fit(prices).get_feature_names_out().tolist() == ["x=1.5", "x=2.0"]

    def test_other_types_come_as_objects_from_a_column_and_are_refused_in_a_table(self):
        spans = pa.array([1, 2], pa.duration("s"))
        assert encode_one("x", spans).shape == (2, 2)
        with pytest.raises(
            TypeError, match="column 'x' holds values of the Arrow type 'tDs', which can't be categories"
        ):
            FMEncoder(user=["x"]).fit(pa.table({"x": spans}))
        with pytest.raises(TypeError, match=r"Arrow type '\+l'.* declare a column with several values a cell as multi"):
            FMEncoder(user=["x"]).fit(pa.table({"x": [["a"]]}))


class TestTrouble:
    def test_a_table_without_rows(self):
        with pytest.raises(ValueError, match="X is empty"):
            FMEncoder(user=["x"]).fit(pa.table({"x": pa.array([], pa.string())}))

    def test_a_single_column_is_no_table(self):
        with pytest.raises(TypeError, match="X must be a table, got a single column"):
            FMEncoder(user=["x"]).fit(pa.array([1]))

    def test_two_columns_of_one_name(self):
        table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
        with pytest.raises(ValueError, match="more than one column named 'x'"):
            FMEncoder(user=["x"]).fit(table)

    def test_a_stream_that_breaks_off_says_why(self):
        table = chunked(pa.table({"x": [1, 2, 3]}), 1)
        with pytest.raises(OSError, match=r"Arrow stream broke off: .*the disk is gone"):
            FMEncoder(user=["x"]).fit(Breaks(table))

    def test_the_memory_outlives_the_table(self):
        column = FMEncoder(user=["x"])
        table = pa.table({"x": ["long enough to be anywhere in memory"] * 1000})
        encoded = column.fit_transform(table)
        del table
        assert encoded.shape == (1000, 1)
