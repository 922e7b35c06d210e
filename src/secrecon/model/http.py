"""HTTP nouns: the request as it is to leave, the reply as it came, byte for byte.

Nothing here parses or connects; `net` does. A request's target is never rewritten: `/a/../b/%2e%2e/` leaves
exactly so. Header names keep their case and order.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.asset import TlsInfo
from secrecon.model.target import Origin

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request.

    `target`: the request target as sent (origin form, so path and query), latin-1. `headers`: sent in order; Host,
    User-Agent, Accept-Encoding, Connection and Content-Length are added where absent. `raw`: when set, exactly
    these bytes are sent instead of everything else (malformed on purpose); `method` still tells how to read
    the reply.
    """

    origin: Origin
    method: str = "GET"
    target: str = "/"
    headers: Headers = ()
    body: bytes = b""
    raw: bytes | None = None

    @property
    def url(self) -> str:
        return str(self.origin) + self.target


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One response.

    `body`: after transfer and content decoding, at most the cap (`truncated` tells). `raw_head`: status line and
    headers exactly as received. `raw_body`: the body's bytes as received, before any decoding, same cap.
    `problems`: what the tolerant parser forgave, as stable short names. `elapsed`: seconds from the first byte
    sent to the last received; `waited`: to the end of the headers alone. `address`: the pinned peer address.
    """

    status: int
    reason: str
    headers: Headers
    body: bytes
    raw_head: bytes
    raw_body: bytes
    request_bytes: bytes
    truncated: bool
    problems: tuple[str, ...]
    elapsed: float
    address: str
    tls: TlsInfo | None = None
    waited: float = 0.0

    def header(self, name: str) -> str | None:
        """The first value of `name` (any case), or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of `name` (any case), in order."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key.lower() == wanted)

    @property
    def content_type(self) -> str:
        """The media type, lower-case, without parameters; "" when absent."""
        return (self.header("content-type") or "").split(";")[0].strip().lower()

    def text(self) -> str:
        """The body as text: the declared charset where Python knows it, else UTF-8, never failing."""
        charset = "utf-8"
        for part in (self.header("content-type") or "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip("\"'")
        try:
            return self.body.decode(charset, "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """A request with its reply, and the redirects that were followed before it (oldest first)."""

    request: HttpRequest
    reply: HttpReply
    redirects: tuple[tuple[HttpRequest, HttpReply], ...] = ()

    @property
    def hops(self) -> tuple[tuple[HttpRequest, HttpReply], ...]:
        """Every request with its reply, the final one last."""
        return (*self.redirects, (self.request, self.reply))
