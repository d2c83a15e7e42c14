"""The socket of the demo is one that is free, or an error says which port is not."""

import socket
import sys
import webbrowser

import pytest

from fastfm_ext.demo import server


def test_a_port_that_is_named_must_be_free():
    with server.listen("127.0.0.1", 0, 1) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}: .*in use.* Name another port with --port, or 0"):
            server.listen("127.0.0.1", port, 1)


def test_without_a_name_any_port_will_do_where_the_usual_one_is_taken():
    with server.listen("127.0.0.1", 0, 1) as taken:
        usual = taken.getsockname()[1]
        with server.listen("127.0.0.1", None, usual) as other:
            assert other.getsockname()[1] not in (0, usual)
    with server.listen("127.0.0.1", None, usual) as listener:
        assert listener.getsockname()[1] == usual


def test_an_address_that_is_none_is_an_error_that_names_it():
    with pytest.raises(OSError, match=r"no\.such\.host\.invalid:80"):
        server.listen("no.such.host.invalid", 80, 1)


def test_only_this_machine_is_listened_to():
    with server.listen("127.0.0.1", 0, 1) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.proto == socket.IPPROTO_TCP  # else asyncio leaves Nagle's algorithm on


def test_the_address_is_one_that_a_browser_opens():
    with server.listen("0.0.0.0", 0, 1) as listener:
        assert server.url_of(listener, "0.0.0.0") == f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert server.url_of(listener, "::1") == f"http://[::1]:{listener.getsockname()[1]}/"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a desktop")
def test_a_browser_opens_only_where_there_is_a_desktop(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not server.has_desktop()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert server.has_desktop()


def test_the_browser_is_sent_to_the_page(monkeypatch):
    uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn")
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: None)
    with server.listen("127.0.0.1", 0, 1) as listener:
        server.serve(None, listener, "http://127.0.0.1:1/")
        server.serve(None, listener, None)
    assert opened == ["http://127.0.0.1:1/"]
