"""Columns as the command line names them."""

import pytest

from fastfm_ext.cli.columns import TableColumns, parse_column, read_config
from fastfm_ext.encoding import binned, hashed, implicit, multi, numeric


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("user", "user"),
        ("age:numeric", numeric("age")),
        ("g:multi", multi("g")),
        ("g:multi:sep=,", multi("g", sep=",")),
        ("g:multi:sep=|", multi("g", sep="|")),
        ("g:multi:sep=;", multi("g", sep=";")),
        ("g:multi:sep=:", multi("g", sep=":")),
        ("g:multi:sep==", multi("g", sep="=")),
        ("g:multi:sep= ", multi("g", sep=" ")),
        ("g:multi:sep=, ", multi("g", sep=", ")),
        ("g:multi:sep=\t", multi("g", sep="\t")),
        (r"g:multi:sep=\t", multi("g", sep="\t")),
        ("g:multi:sep=1", multi("g", sep="1")),
        ("g:multi:sep=none", multi("g", sep=None)),
        ("g:multi:sep=,,min_count=2", multi("g", sep=",", min_count=2)),
        ("g:multi:min_count=2,sep=,", multi("g", sep=",", min_count=2)),
        ("g:multi:norm=none,sep=,,min_count=2", multi("g", norm=None, sep=",", min_count=2)),
        ("age:binned:n_bins=5", binned("age", n_bins=5)),
        ("ip:hashed:n_features=1000", hashed("ip", n_features=1000)),
        ("user:implicit:of=film", implicit("user", of="film")),
        ("user:implicit:of=film,norm=none", implicit("user", of="film", norm=None)),
    ],
)
def test_options_of_a_column(text, spec):
    assert repr(parse_column(text)) == repr(spec)


def test_columns_of_implicit_sets_are_read_for_fit_but_do_not_describe_the_item():
    columns = TableColumns("y", user=[implicit("user", of="film")], item=[implicit("film", of="viewer")])
    assert columns.used == ["user", "film", "viewer", "y"]
    assert columns.item_names == ["film"]
    with pytest.raises(ValueError, match="--item viewer: items has no such column"):
        columns.check(["user", "film", "y"], "items")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user:implicit", "'user': implicit.* missing .*'of'"),
        ("user:implicit:norm=l2", "'user': implicit.* missing .*'of'"),
    ],
)
def test_an_option_that_is_missing_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_column(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("columns = 3", "there is no place for 'columns'"),
        ("[columns]\nuser = [3]", "a column is a name or a table like"),
        ("[columns]\nuser = [{column = 'u', kind = 3}]", "3 is not one of category"),
        ("[columns]\nuser = [{column = 'u', kind = 'multi', sep = 3}]", "sep of multi.'u'. must be a non-empty string"),
        (
            "[columns]\nuser = [{column = 'u', kind = 'multi', step = 3}]",
            "'u': multi has no option 'step'; it has sep, ",
        ),
        ("[columns]\ntarget = ['y']", "target in .columns. must be a name, not"),
    ],
)
def test_wrong_values_of_a_file_are_named(tmp_path, text, message):
    (tmp_path / "job.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config(tmp_path / "job.toml")
