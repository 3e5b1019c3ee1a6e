"""`Guard`: who may ask the viewer, and for what."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from prunescope.viewer.paths import within

LARGEST_BODY = 64 * 1024
"""Bytes of a request's body."""

LARGEST_URL = 16 * 1024
"""Bytes of a request's path and query."""

COOKIE, HEADER, PARAMETER = "prunescope_token", "x-prunescope-token", "token"
READS = ("GET", "HEAD")
HOME = ("127.0.0.1", "localhost", "[::1]")

POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Middleware that turns away what does not come from the viewer's own pages.

    - On loopback only requests whose ``Host`` is this machine, or a proxy that was named, pass, so
      that no page of the web can reach the viewer by a name that it lets point here.
    - A write must carry the token in a header, which only the viewer's own pages know; and, where
      the browser tells where it comes from, come from here.
    - Off loopback, and behind a proxy that was named, reading takes the token, too: once in the
      URL, from then on in a cookie.
    - Bodies and URLs are limited in size.
    - Every response says what its page may load, which is nothing from elsewhere.

    Parameters
    ----------
    app : ASGI application
    token : str
    loopback : bool
    root : str
        The path that a proxy serves the viewer under: empty, or with a slash before it alone.
    proxies : sequence of str
        Names that a proxy before the viewer is reached by.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        *,
        loopback: bool,
        root: str = "",
        proxies: Sequence[str] = (),
    ) -> None:
        self.app, self._token, self._root = app, token, root
        self._hosts = (*HOME, *proxies) if loopback or proxies else None
        self._open = loopback and not proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        scope["root_path"] = self._root
        headers = Headers(scope=scope)
        refused = self._refusal(scope, headers)
        told = with_headers(send)
        if refused is not None:
            await refused(scope, receive, told)
            return
        body = await _body(receive, headers)
        if body is None:
            await _no(413, f"the body is larger than {LARGEST_BODY} bytes")(scope, receive, told)
            return
        await self.app(scope, _replay(body, receive), told)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """Return why a request is refused; None: it is not."""
        if len(scope["path"]) + len(scope["query_string"]) > LARGEST_URL:
            return _no(414, f"the URL is longer than {LARGEST_URL} bytes")
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if self._hosts is not None and name not in self._hosts:
            return _no(403, f"host {host!r}: expected one of {', '.join(self._hosts)}")
        if scope["method"] not in READS:
            return self._refused_write(headers, host)
        if self._root and scope["path"] == self._root:  # where links would lead out
            query = scope["query_string"].decode("latin-1")
            return RedirectResponse(f"{self._root}/?{query}" if query else f"{self._root}/", 308)
        return None if self._open else self._refused_read(scope, headers)

    def _refused_write(self, headers: Headers, host: str) -> Response | None:
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return _no(403, f"origin {origin!r}: only the viewer's own pages may write")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _no(403, "only the viewer's own pages may write")
        if not self._known(headers.get(HEADER)):
            return _no(403, f"a write takes the token in the header {HEADER}")
        return None

    def _refused_read(self, scope: Scope, headers: Headers) -> Response | None:
        """Ask for the token; one in the URL becomes a cookie."""
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        if (cookie and self._known(cookie.value)) or self._known(headers.get(HEADER)):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if not self._known(dict(query).get(PARAMETER)):
            return _no(401, "open the address that 'prunescope view' printed: it holds a token")
        rest = urlencode([(key, value) for key, value in query if key != PARAMETER])
        path = f"{self._root}/" + within(scope).lstrip("/")
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303)
        answer.set_cookie(
            COOKIE, self._token, path=self._root or "/", httponly=True, samesite="strict"
        )
        return answer

    def _known(self, token: str | None) -> bool:
        given = (token or "").encode("utf-8", "replace")
        return hmac.compare_digest(given, self._token.encode())


def with_headers(send: Send) -> Send:
    """Return a `send` that adds `HEADERS`, and `POLICY` unless a page has its own."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Content-Security-Policy", POLICY)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return told


async def _body(receive: Receive, headers: Headers) -> bytes | None:
    """Read a request's body; None: it is too large."""
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        body += bytes(message.get("body", b""))
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body that was read already."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status_code=status)
