"""Guard of the demo's server: no name but its own, no page but its own, and nothing from elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "data:",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class OwnPagesOnly:
    """ASGI middleware that refuses foreign hosts and pages, and sends the headers of a strict page.

    A page of another site may let its own name point to this machine and then read answers as its own (DNS rebinding);
    the Host header tells its name. An address as a name is safe: no site has it.

    Parameters
    ----------
    app : ASGI application
    host : str
        The name or address that the server listens at. Unless it is a loopback address, all addresses are accepted.
    """

    def __init__(self, app: ASGIApp, host: str) -> None:
        self._app, self._host, self._is_local = app, host.lower(), is_loopback(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        refusal = self._refusal(scope["headers"])
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        body = refusal.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        await send_with_headers({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Return why a request is refused, or None."""
        given: dict[str, list[str]] = {}
        for name, value in headers:
            given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = given.get("host", [])
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return "This server does not go by that name. Open the address that fastfm-ext demo has printed."
        if any(origin.lower() not in (f"http://{hosts[0]}".lower(),) for origin in given.get("origin", [])):
            return "This server answers only to its own page."
        # A link from another site may lead to the page, but its scripts may ask nothing.
        is_foreign = not {*given.get("sec-fetch-site", [])} <= {"same-origin", "none"}
        if is_foreign and given.get("sec-fetch-mode") != ["navigate"]:
            return "This server answers only to its own page."
        return None

    def _is_own(self, host: str) -> bool:
        try:
            parts = urlsplit(f"//{host}")
            name = parts.hostname
            if name is None or parts.netloc != host or "@" in host or (parts.port is None and host.endswith(":")):
                return False
        except ValueError:
            return False
        if name in ("localhost", self._host):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._is_local


def is_loopback(host: str) -> bool:
    """Return whether a name or an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
