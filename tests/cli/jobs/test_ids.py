"""Ids and categories on the command line: they are what the user wrote, in every command."""

import json
import re
from decimal import Decimal

import numpy as np
import pytest

import command_cases
from fastfm_ext import FMEncoder, FMRegressor, ItemIndex, load_model, save_model

run = command_cases.run
pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")

IDS = ("--target", "y", "--user", "user", "--item", "item")
QUICK = ("--n-factors", 2, "--max-iter", 30, "--no-early-stopping", "--quiet")
USERS = ["007", "7", "0007", "987654321098765401", "987654321098765402", "NA", "guest"]


@pytest.fixture
def ratings(tmp_path):
    """A rating of each user for each of 7 items, by which users differ; some cells are blank, some rows late."""
    rows = [(user, f"{item:02}", place) for place, user in enumerate(USERS) for item in range(7)] * 10
    lines = [f"{user},{item},{y}" for user, item, y in rows]
    lines[5:5] = [",03,3", "7,,1"]
    (tmp_path / "r.csv").write_text("\n".join(["user,item,y", *lines, ""]))
    (tmp_path / "users.csv").write_text("\n".join(["user,x", *(f"{user},a" for user in [*USERS, ""]), ""]))
    return tmp_path


def rows_of(out):
    return [line.split(",") for line in out.splitlines()[1:]]


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_ids_go_in_and_out_as_they_are_written(run, ratings, stream):
    assert run("fit", "r.csv", *IDS, *QUICK, "--model", "m.fm", *stream) == (0, "", "")
    out = run("recommend", "m.fm", "users.csv", "-n", 1, "--quiet")[1]
    assert [row[0] for row in rows_of(out)] == [*USERS, ""]
    assert all(re.fullmatch(r"0\d", row[2]) for row in rows_of(out))
    np.testing.assert_allclose([float(row[3]) for row in rows_of(out)][:7], range(7), atol=0.5)
    facts = json.loads(run("inspect", "m.fm", "--json", "-n", 50)[1])
    assert facts["features of the columns"] == {"user": 7, "item": 7}
    assert {f"user={user}" for user in USERS} <= facts["largest weights"].keys()
    assert run("export", "m.fm", "i.npz", "--what", "items", "--quiet")[0] == 0
    assert sorted(np.load("i.npz")["id"].tolist()) == [f"{item:02}" for item in range(7)]


def test_a_guest_among_the_users_hides_nobody(run, ratings):
    run("fit", "r.csv", *IDS, *QUICK, "--model", "m.fm")
    alone = run("predict", "m.fm", "users.csv", "--quiet")
    (ratings / "one.csv").write_text("user,item\n7,03\n007,03\n")
    (ratings / "two.csv").write_text("user,item\n7,03\n007,03\nnobody,03\n")
    one, two = (run("predict", "m.fm", name, "--quiet")[1].split() for name in ("one.csv", "two.csv"))
    assert one == two[:2]
    assert one[0] != one[1]
    assert alone[0] == 1
    assert "X has no column 'item'" in alone[2]


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_what_is_missing_can_be_named(run, ratings, stream):
    run("fit", "r.csv", *IDS, *QUICK, "--model", "m.fm", "--missing", "NA,guest", *stream)
    assert load_model("m.fm").encoder.get_feature_names_out().tolist()[:5] == [
        f"user={user}" for user in sorted(USERS)[:5]
    ]
    rows = rows_of(run("recommend", "m.fm", "users.csv", "-n", 1, "--quiet", "--missing", "guest,NA")[1])
    assert [row[0] for row in rows] == [*USERS[:5], "", "", ""]


@pytest.mark.parametrize("kind", ["int64", "uint16", "double", "decimal", "string"])
def test_other_types_of_tables_meet_the_text(run, tmp_path, kind):
    plain = [(user, item, user % 3) for user in range(1, 7) for item in range(10, 15)] * 5
    lines = "\n".join(["user,item,y", *(",".join(map(str, row)) for row in plain), ""])
    (tmp_path / "r.csv").write_text(lines)
    as_kind = {
        "decimal": lambda v: pa.array(map(Decimal, v), pa.decimal128(38, 0)),
        "string": lambda v: pa.array(map(str, v)),
    }
    column = as_kind.get(kind, lambda v: pa.array(v, kind))
    user, item, y = zip(*plain, strict=True)
    parquet.write_table(
        pa.table({"user": column(user), "item": column(item), "y": pa.array(y) if kind == "string" else column(y)}),
        "r.parquet",
    )
    parquet.write_table(pa.table({"user": column(user[:3]), "item": column(item[:3])}), "seen.parquet")
    (tmp_path / "seen.csv").write_text("\n".join([*lines.splitlines()[:4], "guest,11,0", ""]))
    (tmp_path / "u.csv").write_text("user\n1\n6\n")
    out = {}
    for trained in ("csv", "parquet"):
        assert run("fit", f"r.{trained}", *IDS, *QUICK, "--task", "regression", "--model", "m.fm") == (0, "", "")
        predictions = [run("predict", "m.fm", f"r.{given}", "--quiet")[1] for given in ("csv", "parquet")]
        assert predictions[0] == predictions[1]
        assert len(set(predictions[0].split())) > 1
        for seen in ("csv", "parquet"):
            out[trained, seen] = rows_of(run("recommend", "m.fm", "u.csv", "--seen", f"seen.{seen}", "--quiet")[1])
    for rows in out.values():
        assert {row[2] for row in rows if row[0] == "1"} == {"13", "14"}
        assert {row[2] for row in rows if row[0] == "6"} == {"10", "11", "12", "13", "14"}


def test_a_model_of_integers_meets_text(run, tmp_path):
    table = {"user": [1, 2, 3] * 4, "item": [7, 8, 9, 10] * 3}
    encoder = FMEncoder(user=["user"], item=["item"])
    model = FMRegressor(n_factors=2, random_state=0).fit(encoder.fit_transform(table), np.arange(12.0))
    films = encoder.transform({"item": [7, 8, 9, 10]}, side="item")
    save_model("m.fm", model, encoder=encoder, index=ItemIndex().fit(model.item_vector(films), [7, 8, 9, 10]))
    (tmp_path / "q.csv").write_text("user,item\n2,8\n02,8\nguest,8\n")
    found = [float(line) for line in run("predict", "m.fm", "q.csv", "--quiet")[1].split()]
    expected = model.predict(encoder.transform({"user": [2, None, None], "item": [8, 8, 8]}))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    rows = rows_of(run("recommend", "m.fm", "q.csv", "--seen", "q.csv", "--quiet")[1])
    assert {row[2] for row in rows if row[0] == "2"} == {"7", "9", "10"}


def test_kinds_that_never_meet_are_one_line(run, tmp_path):
    (tmp_path / "r.csv").write_text("user,item,y\n" + "a,b,1\nc,d,2\n" * 5)
    run("fit", "r.csv", *IDS, *QUICK, "--task", "regression", "--model", "m.fm")
    parquet.write_table(pa.table({"user": [0.5], "item": ["b"]}), "q.parquet")
    code, _, err = run("predict", "m.fm", "q.parquet")
    assert (code, err.count("\n")) == (1, 1)
    assert "column 'user': numbers with fractions can't be the same as the text" in err


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_categories_that_no_file_holds_are_refused_before_the_training(run, tmp_path, stream):
    table = pa.table({"user": pa.array([b"a", b"b"] * 5, pa.binary()), "item": [1, 2] * 5, "y": [1.0, 2.0] * 5})
    parquet.write_table(table, "r.parquet")
    words = ("fit", "r.parquet", *IDS, "--task", "regression", *stream)
    code, out, err = run(*words, "--model", "m.fm")
    assert (code, "epoch" in out) == (1, False)
    assert "--model: column 'user': a category of type bytes (b'a') can't be saved" in err
    assert run(*words)[0] == 0


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_the_names_of_folders_tell_ids(run, tmp_path, stream):
    for user, y in (("007", 1), ("7", 5)):
        (tmp_path / "logs" / f"user={user}").mkdir(parents=True)
        table = pa.table({"item": [1, 2, 3] * 10, "y": [float(y)] * 30})
        parquet.write_table(table, tmp_path / "logs" / f"user={user}" / "part.parquet")
    assert run("fit", "logs", *IDS, *QUICK, "--task", "regression", "--model", "m.fm", *stream) == (0, "", "")
    (tmp_path / "q.csv").write_text("user,item\n007,1\n7,1\n")
    first, second = map(float, run("predict", "m.fm", "q.csv", "--quiet")[1].split())
    assert second - first > 2


def test_a_blank_cell_does_not_make_ids_a_number(run, tmp_path):
    for name, blank in (("full", "3,.5,2"), ("gap", ",.5,2")):
        (tmp_path / f"{name}.csv").write_text("shop,size,y\n" + "1,0.25,1\n2,1,3\n" * 20 + f"{blank}\n")
        for stream in ((), ("--stream",)):
            assert run("fit", f"{name}.csv", "--target", "y", *QUICK, "--model", "m.fm", *stream) == (0, "", "")
            names = load_model("m.fm").encoder.get_feature_names_out().tolist()
            assert names == ["shop=1", "shop=2", *["shop=3"] * (name == "full"), "size"]


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_floats_of_parquet_that_are_all_whole_are_ids(run, tmp_path, stream):
    parquet.write_table(
        pa.table({"shop": [1.0, None, 2.0] * 9, "x": [0.5, 1.0, 2.0] * 9, "y": [1.0, 2.0, 3.0] * 9}), "r.parquet"
    )
    assert run("fit", "r.parquet", "--target", "y", *QUICK, "--model", "m.fm", *stream) == (0, "", "")
    assert load_model("m.fm").encoder.get_feature_names_out().tolist() == ["shop=1", "shop=2", "x"]


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
@pytest.mark.parametrize("labels", [["no", "yes"], ["low", "mid", "high"], ["True", "false"], ["1", "b"], ["1", "0"]])
def test_labels_are_printed_as_they_were(run, tmp_path, labels, stream):
    (tmp_path / "r.csv").write_text("x,y\n" + "".join(f"{k},{label}\n" for k, label in enumerate(labels)) * 30)
    assert (
        run("fit", "r.csv", "--target", "y", "--user", "x", *QUICK, "--test", "r.csv", "--model", "m.fm", *stream)[0]
        == 0
    )
    out = run("predict", "m.fm", "r.csv", "--kind", "class", "--quiet")[1]
    assert out.split() == labels * 30


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_targets_may_be_whole_for_a_long_time(run, tmp_path, stream):
    (tmp_path / "r.csv").write_text("x,y\n" + "1,1\n2,4\n3,2\n" * 60_000 + "1,1.5\n")
    (tmp_path / "t.csv").write_text("x,y\n1,1\n2,4\n")
    assert (
        run("fit", "r.csv", "--target", "y", "--user", "x", *QUICK, "--max-iter", 1, "--test", "t.csv", *stream)[0] == 0
    )


def test_tables_without_a_header(run, tmp_path):
    (tmp_path / "r.csv").write_text("007,a,1\n7,b,5\n" * 30)
    (tmp_path / "q.csv").write_text("7,b\n007,a\n")
    (tmp_path / "u.csv").write_text("7\n007\n")
    for stream in ((), ("--stream",)):
        named = ("--names", "user,item,y", *IDS, "--task", "regression", *QUICK, "--model", "m.fm", *stream)
        assert run("fit", "r.csv", *named) == (0, "", "")
        high, low = map(float, run("predict", "m.fm", "q.csv", "--names", "user,item", "--quiet")[1].split())
        assert high - low > 2
        rows = rows_of(run("recommend", "m.fm", "u.csv", "--names", "user", "-n", 1, "--quiet")[1])
        assert [row[0] for row in rows] == ["7", "007"]
        numbered = ("--no-header", "--target", 3, "--user", 1, "--item", 2, "--task", "regression", *QUICK)
        assert run("fit", "r.csv", *numbered, "--model", "n.fm", *stream) == (0, "", "")
        assert len(set(run("predict", "n.fm", "q.csv", "--no-header", "--quiet")[1].split())) == 2
    assert json.loads(run("inspect", "q.csv", "--no-header", "--json")[1])["rows"] == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--user", "user", "y"), "--user y: this column is the target, which is not known when predicting"),
        (("--user", "user", "--item", "film"), "--item film: r.csv has no such column; it has user, tags, y"),
        (("--user", "tags:numeric"), "column 'tags', data row 1: 'a,b' is not a number"),
        (("--user", "user", "--names", "a,b"), "--target y: r.csv has no such column; it has a, b"),
        (("--user", "user", "--task", "regression", "--missing", "2"), "the target 'y' is missing in data row 2"),
    ],
)
@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_what_cannot_be_is_said(run, tmp_path, words, message, stream):
    (tmp_path / "r.csv").write_text('user,tags,y\n1,"a,b",1\n2,"b",2\n')
    code, _, err = run("fit", "r.csv", "--target", "y", *words, *stream)
    assert code == 1
    assert message in err


def test_text_cannot_be_predicted_as_numbers(run, tmp_path):
    (tmp_path / "r.csv").write_text("user,y\n1,a\n2,b\n")
    err = run("fit", "r.csv", "--target", "y", "--user", "user", "--task", "regression")[2]
    assert "--task regression: the target 'y' holds text, such as 'a', and not numbers" in err


def test_a_comma_can_separate_the_values_of_a_cell(run, tmp_path):
    (tmp_path / "r.csv").write_text('user,tags,y\n1,"a,b",1\n2,"b",2\n3,a,3\n')
    words = ("--target", "y", "--user", "user", "--item", "tags:multi:sep=,,norm=l1", *QUICK, "--model", "m.fm")
    assert run("fit", "r.csv", *words) == (0, "", "")
    assert load_model("m.fm").encoder.get_feature_names_out().tolist()[3:] == ["tags=a", "tags=b"]


@pytest.fixture
def awkward(tmp_path):
    """A Parquet file with columns that cannot name users or items, and with a type that Arrow cannot take rows of."""
    table = pa.table(
        {
            "y": [0.5, 2.0, 3.0, 1.0] * 10,
            "film": pa.array(["a", "b", "c", None] * 10, pa.string_view()),
            "user": [1, 2, 3, 4] * 10,
            "lists": [["x"], ["y", "z"], [], None] * 10,
            "flags": [True, False, True, None] * 10,
            "nothing": pa.nulls(40),
        }
    )
    parquet.write_table(table, tmp_path / "t.parquet")


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
def test_ids_may_be_views_of_text(run, awkward, stream):
    words = ("t.parquet", "--target", "y", "--user", "user", "--item", "film", "--model", "m.fm")
    assert run("fit", *words, *QUICK, *stream)[0] == 0
    out = run("recommend", "m.fm", "t.parquet", "--seen", "t.parquet", "--quiet")[1]
    assert {tuple(row[:1] + row[2:3]) for row in rows_of(out)} == {
        *(("1", "b"), ("1", "c"), ("2", "a"), ("2", "c"), ("3", "a"), ("3", "b"), ("4", "a"), ("4", "b"), ("4", "c"))
    }


@pytest.mark.parametrize("stream", [(), ("--stream",)], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("item", "why"), [("lists:multi", "holds lists; put"), ("nothing", "all its cells are missing")]
)
def test_a_column_that_names_no_items_is_refused_before_training(run, awkward, item, why, stream):
    words = ("t.parquet", "--target", "y", "--user", "user", "--item", item, "--model", "m.fm")
    code, _, err = run("fit", *words, *QUICK, *stream)
    assert (code, err.startswith(f"fastfm-ext: error: --item {item.partition(':')[0]}: "), why in err) == (
        1,
        True,
        True,
    )


def test_columns_that_name_nobody_are_refused_by_recommend(run, awkward):
    def recommend(user, item):
        words = ("fit", "t.parquet", "--target", "y", "--user", *user, "--item", item, "--model", "m.fm", *QUICK)
        assert run(*words)[0] == 0
        return run("recommend", "m.fm", "t.parquet", "--seen", "t.parquet", "-n", 1, "--quiet")

    code, _, err = recommend(["lists:multi"], "film")
    assert (code, "--user lists: the first column of the user's side names the users" in err) == (1, True)
    code, _, err = recommend(["user"], "flags")
    assert (code, "column 'flags' holds True and False, which name no items" in err) == (1, True)
    code, out, _ = recommend(["nothing", "user"], "film")
    assert (code, len(rows_of(out))) == (0, 40)
