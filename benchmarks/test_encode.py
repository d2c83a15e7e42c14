"""Both sides of the comparison of encoders give the same matrix, from every table."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pandas", reason="needs pandas")

import encode


def peers_name(name: str) -> str:
    """Return what scikit-learn calls a feature of FMEncoder."""
    column, _, value = name.partition("=")
    return {"age": "age__age", "genres": f"genres__{value}"}.get(column, f"categories__{column}_{value}")


def test_every_table_gives_the_matrix_of_the_peer() -> None:
    frame = encode.made_up(3000)
    peer = encode.peer()
    expected = peer.fit_transform(frame).toarray()
    place = {name: j for j, name in enumerate(peer.get_feature_names_out())}
    for table in encode.tables(frame).values():
        encoder = encode.encoder()
        X = encoder.fit_transform(table).toarray()
        order = [place[peers_name(name)] for name in encoder.get_feature_names_out()]
        assert X.shape == expected.shape
        np.testing.assert_allclose(X, expected[:, order], atol=1e-6)


def test_the_made_up_table_is_used_where_there_is_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTFM_EXT_DATA", raising=False)
    assert encode.movielens_1m() is None


def test_all_that_is_timed_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(encode, "movielens_1m", lambda: encode.made_up(500))
    encode.main(["--quick"])
    assert capsys.readouterr().out.count("FMEncoder, pandas") == 6
