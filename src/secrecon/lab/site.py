"""What a lab host is: a name, its pages by method and path, and its headers. Also the HTML that they share.

Every site sends good security headers unless it says otherwise, so that a finding that the ground truth does not list
is a false positive. Handlers are plain functions of the request; they hold no state beyond the world's.
"""

from __future__ import annotations

from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from secrecon.model.errors import BadInput

Handler = Callable[[Request], Response | Awaitable[Response]]
Routes = Mapping[tuple[str, str], Handler]
RawServer = Callable[[StreamReader, StreamWriter], Awaitable[None]]

MAX_BODY = 65_536

GOOD_HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Site:
    """One lab host.

    `label`: its name below the lab's domain, "" for the apex. `headers`: added to or replacing the good ones; an
    empty value drops one. `fallback`: answers what no route does. `tls`: the certificate set-up, "" for plain http.
    `raw`: speaks to the connection itself, and nothing else of the site is used.
    """

    label: str
    routes: Routes
    headers: Mapping[str, str] = field(default_factory=dict)
    fallback: Handler | None = None
    tls: str = ""
    raw: RawServer | None = None

    def sent_headers(self) -> dict[str, str]:
        """The headers that each of its replies carries."""
        return {name: value for name, value in {**GOOD_HEADERS, **self.headers}.items() if value}

    def handler(self, method: str, path: str) -> Handler:
        """Who answers this request."""
        method = "GET" if method == "HEAD" else method
        found = self.routes.get((method, path))
        if found is not None:
            return found
        if self.fallback is not None:
            return self.fallback
        if any(known == path for _, known in self.routes):
            return not_allowed
        return not_found


def page(title: str, body: str, status: int = 200, head: str = "") -> HTMLResponse:
    """An HTML page. `title` is escaped here, `body` and `head` are markup of ours."""
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>{head}</head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>\n</html>\n",
        status_code=status,
    )


async def read_body(request: Request, limit: int = MAX_BODY) -> bytes:
    """The request's body. Raises BadInput as soon as it is longer than `limit`."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise BadInput(f"the body is longer than {limit} bytes")
    return body


def not_found(request: Request) -> Response:
    """The 404 page."""
    return page("Not found", "<p>There is no such page here.</p>", 404)


def not_allowed(request: Request) -> Response:
    """The 405 page."""
    return PlainTextResponse("method not allowed\n", 405)


def text_page(title: str, body: str) -> Handler:
    """A handler that always shows the same page."""

    def shown(request: Request) -> Response:
        return page(title, body)

    return shown


def raw(content: bytes | str, media_type: str, status: int = 200) -> Handler:
    """A handler that always sends the same bytes under exactly this media type."""
    body = content.encode() if isinstance(content, str) else content

    def sent(request: Request) -> Response:
        return Response(body, status, {"content-type": media_type})

    return sent
