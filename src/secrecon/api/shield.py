"""What every request passes before and after the routes: size cap, security headers, the last catch, the counters.

A plain ASGI wrapper, so that streams pass through it unbuffered. It knows nothing of scans or accounts. Headers that a
route set itself are left alone: a page brings its own content security policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from secrecon.api.problem import ErrorPage, Problem, internal_error, is_api
from secrecon.net.clock import Clock

DEFAULT_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
BODY_SECONDS = 20.0
HSTS = "max-age=31536000; includeSubDomains"


class RequestCounter(Protocol):
    """Told of every finished request. `route` is the path's template, never the path itself."""

    def request(self, method: str, route: str, status: int, seconds: float) -> None: ...


class Shield:
    """Wraps the whole application. `body_cap`: bytes a request may carry. `https`: whether HSTS is sent.

    `body_seconds`: how long a client may take to send its body, however it drips.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_cap: int,
        https: bool,
        counter: RequestCounter,
        clock: Clock,
        page: ErrorPage | None = None,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._body_cap = body_cap
        self._headers = {**DEFAULT_HEADERS, **({"Strict-Transport-Security": HSTS} if https else {})}
        self._counter = counter
        self._clock = clock
        self._page = page
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._app(scope, receive, self._on_denial(send))
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock.monotonic()
        status, asked = 0, scope["method"]
        if asked == "HEAD":  # answered as GET is, without the body (RFC 9110, 9.3.2)
            scope["method"] = "GET"

        async def answer(message: Message) -> None:
            nonlocal status
            if asked == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message)
            await send(message)

        try:
            await self._serve(scope, receive, answer)
        except ClientDisconnect:
            return  # nobody is left to answer
        except Exception as error:
            if status:  # the answer is under way and cannot be taken back; the connection is cut
                await internal_error(Request(scope), error, None)
                raise
            response = await internal_error(Request(scope), error, self._page)
            await response(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._counter.request(asked, route, status, self._clock.monotonic() - began)

    def _add_headers(self, message: Message) -> None:
        headers = MutableHeaders(raw=message.setdefault("headers", []))
        for name, value in self._headers.items():
            headers.setdefault(name, value)

    def _on_denial(self, send: Send) -> Send:
        """A socket that is refused is refused with an answer like any other."""

        async def answer(message: Message) -> None:
            if message["type"] == "websocket.http.response.start":
                self._add_headers(message)
            await send(message)

        return answer

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        too_large = Problem(413, f"The request body is larger than {self._body_cap} bytes.")
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if declared.isdigit() and int(declared[:20]) > self._body_cap:
            response = too_large.response()
            if self._page is not None and not is_api(scope["path"]):
                response = await self._page(Request(scope), too_large)
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        seen, whole, until = 0, False, asyncio.get_running_loop().time() + self._body_seconds

        async def counted() -> Message:
            nonlocal seen, whole
            try:
                async with asyncio.timeout_at(None if whole else until):
                    message = await receive()
            except TimeoutError as error:
                slow = f"The request body did not arrive within {self._body_seconds:.0f} s."
                raise HTTPException(408, slow, {"Connection": "close"}) from error
            whole = whole or message["type"] != "http.request" or not message.get("more_body", False)
            seen += len(message.get("body", b""))
            if seen > self._body_cap:
                raise HTTPException(413, too_large.detail, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)
