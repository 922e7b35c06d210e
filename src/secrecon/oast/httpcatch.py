"""The HTTP catcher, without I/O: a request's bytes in, what it was and the tokens it carried out, and the page for it.

A token counts in the Host header, the path and the query, nowhere else: those name what was contacted, while other
headers and the body may merely repeat it. The page holds what shows that it was fetched and nothing else that the client
sent. Head and body are bounded; more than that is not read. RFC 9112 framing; a request whose length can be read in two
ways (smuggling) is caught like any other, and the connection ends with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secrecon.oast.answers import Wish, answer_for
from secrecon.oast.tokens import find_tokens, marker

MAX_HEAD = 16_384
MAX_BODY = 65_536
MAX_MARKERS = 8
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Caught:
    """One request as far as it arrived.

    `host`: of the Host headers, separated by blanks. `first`: the request line. `raw`: head and body. `clear`: its
    length can be read in one way only, so that another may follow on the connection; `rest`: what has come of that.
    """

    method: str
    target: str
    host: str
    tokens: tuple[str, ...]
    first: str
    raw: bytes
    body: bytes = b""
    authorization: str = ""
    clear: bool = False
    rest: bytes = b""

    @property
    def path(self) -> str:
        """The target's path, without scheme and host where it names them."""
        target = self.target
        if "://" in target.partition("?")[0]:
            target = "/" + target.partition("://")[2].partition("/")[2]
        return target.partition("?")[0].partition("#")[0]


class HttpCatcher:
    """Collects one request. `feed` bytes until `complete`, then (or at the end of input) take `caught()`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head_end = -1
        self._body_wanted = 0
        self._continue = False
        self._clear = False
        self._lines: list[str] = []
        self.complete = False

    def feed(self, data: bytes) -> bytes:
        """Take in bytes; returns what must be sent at once (an interim answer), mostly nothing."""
        if self.complete:
            return b""
        room = MAX_HEAD + MAX_BODY - len(self._buffer)
        self._buffer += data[:room]
        out = b""
        if self._head_end < 0:
            self._find_head()
            if self._head_end >= 0 and self._continue:
                out = CONTINUE
        if self._head_end >= 0 and len(self._buffer) >= self._head_end + self._body_wanted:
            self.complete = True
        if len(self._buffer) >= MAX_HEAD + MAX_BODY:
            self.complete = True
        return out

    @property
    def started(self) -> bool:
        """True once anything but line ends has arrived."""
        return bool(self._buffer.strip(b"\r\n"))

    def caught(self) -> Caught:
        """The request as far as it arrived."""
        whole = self._head_end >= 0
        lines = self._lines if whole else _lines(bytes(self._buffer[:MAX_HEAD]))
        first = lines[0] if lines else ""
        method, _, rest = first.partition(" ")
        target = rest.rpartition(" ")[0] if " HTTP/" in rest else rest
        host = " ".join(_values(lines, "host"))
        end = self._head_end + self._body_wanted if whole else len(self._buffer)
        clear = self._clear and self.complete and len(self._buffer) < MAX_HEAD + MAX_BODY
        if clear:
            clear = first.endswith(" HTTP/1.1") and "close" not in " ".join(_values(lines, "connection")).lower()
        return Caught(
            method,
            target,
            host,
            find_tokens(f"{host} {target}"),
            first,
            bytes(self._buffer[:end] if self._clear else self._buffer),
            bytes(self._buffer[self._head_end : end]) if whole else b"",
            (_values(lines, "authorization") or [""])[0],
            clear,
            bytes(self._buffer[end:]) if clear else b"",
        )

    def _find_head(self) -> None:
        ends = [
            (at, at + len(mark))
            for mark in (b"\r\n\r\n", b"\n\n")
            if (at := self._buffer.find(mark, 0, MAX_HEAD)) >= 0
        ]
        if not ends:
            self.complete = len(self._buffer) >= MAX_HEAD
            return
        self._head_end = min(ends)[1]
        self._lines = _lines(bytes(self._buffer[: self._head_end]))
        self._continue = any(value.lower() == "100-continue" for value in _values(self._lines, "expect"))
        lengths = _values(self._lines, "content-length")
        if _values(self._lines, "transfer-encoding"):
            self._body_wanted = 0  # no page needs a body; what has arrived of it is kept as raw text
            return
        readable = [value[:13] for value in lengths if value.isascii() and value.isdigit()]
        self._clear = len(lengths) == len(readable) <= 1 and (not readable or int(readable[0]) <= MAX_BODY)
        self._body_wanted = min(int(readable[0]), MAX_BODY) if readable else 0


def page(caught: Caught, shown: Mapping[str, str], server: str = "", wish: Wish | None = None) -> bytes:
    """The whole answer. `shown`: token -> what the page says of it; `wish`: what the token's owner wants it to be."""
    known = tuple(token for token in caught.tokens if token in shown)
    markers = " ".join(shown[token] for token in known[:MAX_MARKERS])
    made = answer_for(caught.path, known, markers, wish)
    moved = f"Location: {made.location}\r\n" if made.location else ""
    text = "; charset=utf-8" if made.kind.startswith("text/") else ""
    kind = "" if any(name.lower() == "content-type" for name, _ in made.headers) else made.kind + text
    more = "".join(f"{name}: {value}\r\n" for name, value in made.headers)
    head = (
        f"HTTP/1.1 {made.status}\r\nServer: {server or 'secrecon-callbacks'}\r\n"
        + (f"Content-Type: {kind}\r\n" if kind else "")
        + f"{moved}{more}Content-Length: {len(made.body)}\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1", "replace") + (b"" if caught.method == "HEAD" else made.body)


def markers(tokens: tuple[str, ...]) -> dict[str, str]:
    """What the page says of payloads of our own scans."""
    return {token: marker(token) for token in tokens}


def reflection(host: str, token: str) -> str:
    """What the page says of a session's payload: the label that holds the token, backwards (as the protocol has it)."""
    lower = host.lower()
    at = lower.find(token)
    if at < 0:
        return token[::-1]
    start = max(lower.rfind(".", 0, at), lower.rfind(" ", 0, at)) + 1
    end = min((found for mark in ".: " if (found := lower.find(mark, at)) >= 0), default=len(host))
    label = host[start:end]
    return label[::-1] if label.replace("-", "").isalnum() and label.isascii() else token[::-1]


def printable(data: bytes) -> str:
    """Bytes as text: printable ASCII and line ends as they are, the rest as \\xNN."""
    return "".join(
        chr(b) if 0x20 <= b < 0x7F or b in (0x0A, 0x09) else "" if b == 0x0D else f"\\x{b:02x}" for b in data
    )


def _lines(head: bytes) -> list[str]:
    text = head.lstrip(b"\r\n").decode("latin-1")
    return [line.rstrip("\r") for line in text.split("\n")]


def _values(lines: list[str], name: str) -> list[str]:
    pairs = (line.partition(":") for line in lines[1:200])
    return [value.strip() for key, _, value in pairs if key.strip().lower() == name]
