"""`fastfm-ext export`, run as a user would run it."""

import numpy as np
import pytest

import command_cases
import export_cases
import ranking_files
from export_cases import loaded
from fastfm_ext import (
    FMRanker,
    FMRecommender,
    ItemIndex,
    cli,
    load_model,
    save_model,
)

fitted = export_cases.fitted
run = command_cases.run
files = ranking_files.files


def test_the_command_writes_vectors_that_predict(fitted, tmp_path, monkeypatch, capsys):
    model, encoder = fitted
    monkeypatch.chdir(tmp_path)
    films = encoder.transform({"film": ["Brazil", "Alien"]}, side="item")
    save_model("m.fastfm", model, encoder=encoder, index=ItemIndex().fit(model.item_vector(films), ["Brazil", "Alien"]))
    pytest.importorskip("pandas", reason="needs pandas")
    (tmp_path / "users.csv").write_text("user\ncat\nann\n")
    (tmp_path / "films.csv").write_text("film\nAlien\nBrazil\n")
    for words in (
        "f.npz",
        "i.npz --what items",
        "n.npz --what items --rows films.csv",
        "u.npz --what users --rows users.csv",
    ):
        assert cli.main(["export", "m.fastfm", *words.split()]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "6 features written to f.npz",
        "2 items written to i.npz",
        "2 items written to n.npz",
        "2 users written to u.npz",
    ]
    items, new, users = loaded("i.npz"), loaded("n.npz"), loaded("u.npz")
    assert (items["id"].tolist(), new["id"].tolist(), users["id"].tolist()) == (
        ["Brazil", "Alien"],
        ["Alien", "Brazil"],
        ["cat", "ann"],
    )
    np.testing.assert_array_equal(items["vector"], new["vector"][::-1])
    predicted = load_model("m.fastfm").model.predict(
        encoder.transform({"user": ["cat", "ann"], "film": ["Brazil", "Alien"]})
    )
    scores = users["bias"] + (users["vector"] * items["vector"]).sum(axis=1)
    np.testing.assert_allclose(scores, predicted, rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "inputs", "printed"),
    [
        ("", {"user", "film"}, "graph of predictions written to m.onnx"),
        ("--what users", {"user"}, "graph of user vectors written to m.onnx"),
        ("--what items", {"film"}, "graph of item vectors written to m.onnx"),
    ],
)
def test_the_command_writes_graphs(fitted, tmp_path, monkeypatch, capsys, words, inputs, printed):
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    monkeypatch.chdir(tmp_path)
    save_model("m.fastfm", fitted[0], encoder=fitted[1])
    assert cli.main(["export", "m.fastfm", "m.onnx", *words.split()]) == 0
    assert capsys.readouterr().out.splitlines() == [printed]
    assert {value.name for value in onnx.load("m.onnx").graph.input} == inputs


def test_the_command_says_what_is_missing(fitted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_model("m.fastfm", fitted[0])
    for words, message in (
        ("u.npz --what users", "--what users: name the file of the users with --rows"),
        ("i.npz --what items", "m.fastfm holds no items; name their file with --rows"),
        ("f.npz --rows a.csv", "--rows names users or items"),
        ("f.csv", "must end in .npz or .parquet"),
        ("f.onnx --rows a.csv", "--rows names users or items for a table"),
    ):
        assert cli.main(["export", "m.fastfm", *words.split()]) == 1
        assert message in capsys.readouterr().err


def test_users_as_what_they_chose_have_vectors(run, files):
    assert run(*ranking_files.FIT, "--user-history", "--quiet")[0] == 0
    (files / "some.csv").write_text("user\nu3\nu0\n")
    code, out, _ = run("export", "m.fastfm", "u.npz", "--what", "users", "--rows", "some.csv")
    assert (code, "2 users written to u.npz" in out) == (0, True)
    recommender = load_model("m.fastfm").model
    known = recommender._fitted()
    expected = known.vectors_of(recommender.model, known.users.find(["u3", "u0"], "user"))
    with np.load("u.npz") as users:
        np.testing.assert_array_equal(users["vector"], expected)
        assert users["id"].tolist() == ["u3", "u0"]
    (files / "some.csv").write_text("user\nu3\nnobody\n")
    code, _, err = run("export", "m.fastfm", "v.npz", "--what", "users", "--rows", "some.csv")
    assert (code, "some.csv: nothing is known of 'nobody'" in err) == (1, True)


def test_users_who_are_what_they_chose_are_no_graph_of_columns(run):
    pytest.importorskip("onnx", reason="needs onnx")
    table = {"user": [0, 0, 1, 1, 2, 2] * 2, "film": list("abbcca") * 2}
    recommender = FMRecommender(FMRanker(n_factors=2, user_history=True, max_iter=1, random_state=0))
    recommender.fit(table, user="user", item="film").save("h.fastfm")
    for words in ((), ("--what", "users")):
        code, _, message = run("export", "h.fastfm", "h.onnx", *words)
        assert code == 1
        assert "--what items writes the graph of the items; --what users --rows FILE" in message
        assert "write_onnx(path, model) without the encoder" in message
    assert run("export", "h.fastfm", "h.onnx", "--what", "items")[0] == 0
