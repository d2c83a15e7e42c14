"""A server that is told to listen to others accepts addresses, and still no foreign name."""

import asyncio

import pytest

from fastfm_ext.demo.guard import OwnPagesOnly, is_loopback


def status_of(host, *headers):
    """The status of an answer to a request with these headers."""
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})

    async def send(message):
        sent.append(message)

    asyncio.run(OwnPagesOnly(app, host)({"type": "http", "headers": [*headers]}, None, send))
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("host", "name", "status"),
    [
        ("0.0.0.0", b"192.168.0.7:8765", 200),
        ("0.0.0.0", b"localhost", 200),
        ("0.0.0.0", b"rebound.example.com:8765", 403),
        ("laptop.local", b"laptop.local:8765", 200),
        ("laptop.local", b"Laptop.Local", 200),
        ("laptop.local", b"other.local", 403),
        ("::1", b"[::1]:8765", 200),
        ("127.0.0.1", b"192.168.0.7", 403),
    ],
)
def test_a_name_is_accepted_if_no_site_can_have_it(host, name, status):
    assert status_of(host, (b"host", name)) == status


def test_a_request_without_a_name_is_refused():
    assert status_of("127.0.0.1") == 403


def test_what_is_no_request_passes():
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    asyncio.run(OwnPagesOnly(app, "127.0.0.1")({"type": "lifespan"}, None, None))
    assert passed == ["lifespan"]


def test_loopback_addresses_are_known():
    assert [is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.com")] == [False] * 4
