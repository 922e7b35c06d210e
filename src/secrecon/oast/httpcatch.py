"""The HTTP catcher, without I/O: a request's bytes in, the fixed answer and the tokens it carried out.

A token counts in the Host header, the path and the query, nowhere else: those name what was contacted, while other
headers and the body may merely repeat it. The answer holds the token's marker (RFC 9112 framing, one request per
connection) and nothing else that the client sent. Head and body are bounded; more than that is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.oast.answers import answer_for
from secrecon.oast.tokens import find_tokens, marker

MAX_HEAD = 16_384
MAX_BODY = 65_536
MAX_RAW = 8_192
MAX_MARKERS = 8
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Caught:
    """One request. `wire`: the whole answer. `raw`: the request as bounded printable text. `query`: its first line."""

    wire: bytes
    tokens: tuple[str, ...]
    raw: str
    query: str


class HttpCatcher:
    """Collects one request. `feed` bytes until `complete`, then (or at the end of input) take `caught()`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head_end = -1
        self._body_wanted = 0
        self._continue = False
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
        """The request as far as it arrived, and its answer."""
        head = bytes(self._buffer[: self._head_end if self._head_end >= 0 else MAX_HEAD])
        lines = _lines(head)
        first = lines[0] if lines else ""
        method, _, rest = first.partition(" ")
        target = rest.rpartition(" ")[0] if " HTTP/" in rest else rest
        hosts = " ".join(_values(lines, "host"))
        tokens = find_tokens(f"{hosts} {target}")
        wire = _answer(method, target, tokens)
        return Caught(
            wire, tokens, _printable(bytes(self._buffer[:MAX_RAW])), _printable(first.encode("latin-1"))[:300]
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
        lines = _lines(bytes(self._buffer[: self._head_end]))
        self._continue = any(value.lower() == "100-continue" for value in _values(lines, "expect"))
        if _values(lines, "transfer-encoding"):
            self._body_wanted = 0  # the marker needs no body; what has arrived of it is kept as raw text
        else:
            lengths = [value for value in _values(lines, "content-length") if value.isascii() and value.isdigit()]
            self._body_wanted = min(int(lengths[0][:12]), MAX_BODY) if lengths else 0


def _lines(head: bytes) -> list[str]:
    text = head.lstrip(b"\r\n").decode("latin-1")
    return [line.rstrip("\r") for line in text.split("\n")]


def _values(lines: list[str], name: str) -> list[str]:
    pairs = (line.partition(":") for line in lines[1:200])
    return [value.strip() for key, _, value in pairs if key.strip().lower() == name]


def _answer(method: str, target: str, tokens: tuple[str, ...]) -> bytes:
    markers = " ".join(marker(token) for token in tokens[:MAX_MARKERS])
    made = answer_for(target.partition("?")[0].partition("#")[0], tokens, markers)
    moved = f"Location: {made.location}\r\n" if made.location else ""
    text = "; charset=utf-8" if not made.kind.startswith("image/png") else ""
    head = (
        f"HTTP/1.1 {made.status}\r\nServer: secrecon-callbacks\r\nContent-Type: {made.kind}{text}\r\n{moved}"
        f"Content-Length: {len(made.body)}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (b"" if method == "HEAD" else made.body)


def _printable(data: bytes) -> str:
    """Bytes as text: printable ASCII and line ends as they are, the rest as \\xNN."""
    return "".join(
        chr(b) if 0x20 <= b < 0x7F or b in (0x0A, 0x09) else "" if b == 0x0D else f"\\x{b:02x}" for b in data
    )
