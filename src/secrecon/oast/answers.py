"""What the HTTP catcher answers a callback with: a page, a document, a picture or a chain of redirects. Pure.

Every answer holds the markers of the tokens that were asked for and nothing else that the client sent. A path that
ends in `/hop-302-307` redirects with 302 to `/hop-307`, that with 307 to `/hop-end`: always to the same listener,
under the same token, so that each step is a hit of its own (RFC 9110 15.4). At most five steps.

A session's owner may be allowed to write the answer into the query (`Wish`): that is a page of the owner's choice on our
address, so it is off unless the operator wants it, its size and delay are bounded, and framing stays ours.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from dataclasses import dataclass
from urllib.parse import parse_qsl

CODES = frozenset({"301", "302", "303", "307", "308"})
MAX_HOPS = 5
MAX_WISH = 16_384
MAX_DELAY = 10.0
FRAMING = frozenset(("connection", "content-length", "transfer-encoding", "upgrade", "trailer", "keep-alive"))
HOP = "hop-"
LAST = "hop-end"
_PIXEL = bytes.fromhex("0000000d49484452") + struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """`location`: where a redirect leads, "" for none."""

    status: str
    kind: str
    body: bytes
    location: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """The answer that a query asks for: `status` 0 and `body` None where it leaves them to us. `delay`: seconds."""

    status: int = 0
    delay: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def wish_in(query: str) -> Wish | None:
    """What `header=Name:value` (again and again), `delay=`, `status=`, `body=` and `b64_body=` ask for; None for nothing.
    What cannot be met is left out."""
    status, delay, body = 0, 0.0, None
    headers: list[tuple[str, str]] = []
    try:
        pairs = parse_qsl(query[:MAX_WISH], keep_blank_values=True, max_num_fields=50)
    except ValueError:
        return None
    for key, value in pairs:
        if key == "status" and value.isdigit() and 200 <= int(value[:4]) <= 599:
            status = int(value)
        elif key == "delay" and value.isdigit():
            delay = min(float(value[:6]), MAX_DELAY)
        elif key == "header" and len(headers) < 20 and (header := _header(value)):
            headers.append(header)
        elif key == "body":
            body = value.encode("utf-8", "replace")
        elif key == "b64_body":
            try:
                body = base64.b64decode(value)
            except (binascii.Error, ValueError):
                continue
    return Wish(status, delay, tuple(headers), body) if status or delay or headers or body is not None else None


def _header(text: str) -> tuple[str, str] | None:
    name, _, value = text.partition(":")
    name, value = name.strip(), value.strip()
    plain = name.isascii() and name.replace("-", "").isalnum() and value.isascii() and value.isprintable()
    return (name, value) if plain and name.lower() not in FRAMING else None


def answer_for(path: str, tokens: tuple[str, ...], markers: str, wish: Wish | None = None) -> CallbackAnswer:
    """What a request of `path` (without its query) is answered. `markers`: of its tokens, separated by blanks."""
    made = _plain_answer(path, tokens, markers)
    if wish is None or not tokens:
        return made
    body = made.body if wish.body is None else wish.body
    status = f"{wish.status} Wished" if wish.status else made.status
    return CallbackAnswer(status, made.kind, body, made.location, wish.headers)


def _plain_answer(path: str, tokens: tuple[str, ...], markers: str) -> CallbackAnswer:
    lower = path.lower()
    last = lower.rpartition("/")[2]
    if not tokens:
        return CallbackAnswer("404 Not Found", "text/plain", b"This listener records out-of-band callbacks.\n")
    hop = _hop(last)
    if hop is not None:
        code, rest = hop
        first = path.split("/", 2)[1].lower() if "/" in path else ""
        prefix = f"/{first}/" if first in tokens else "/"
        return CallbackAnswer(f"{code} Redirect", "text/plain", markers.encode("ascii"), prefix + rest)
    kind, body = _document(last, markers)
    return CallbackAnswer("200 OK", kind, body)


def hops(*codes: int) -> str:
    """The last part of a path that redirects with each of `codes` in turn."""
    return HOP + "-".join(str(code) for code in codes)


def _hop(last: str) -> tuple[str, str] | None:
    """The status code and the next path's last part, where `last` asks for a redirect."""
    if not last.startswith(HOP) or len(last) > len(HOP) + 4 * MAX_HOPS:
        return None
    codes = last[len(HOP) :].split("-")
    if not all(code in CODES for code in codes):
        return None
    return codes[0], HOP + "-".join(codes[1:]) if codes[1:] else LAST


def _document(last: str, markers: str) -> tuple[str, bytes]:
    text = markers.encode("ascii")
    match last.rpartition(".")[2] if "." in last else "":
        case "txt" if last == "robots.txt":
            return "text/plain", b"User-agent: *\nDisallow: / # " + text + b"\n"
        case "txt" | "md" | "csv" | "yml" | "yaml":
            return "text/plain", text
        case "json":
            return "application/json", json.dumps({"data": markers}).encode("ascii")
        case "xml" | "rss" | "wsdl":
            return "application/xml", b"<data>" + text + b"</data>"
        case "dtd":
            return "application/xml-dtd", b"<!-- " + text + b" -->"
        case "css":
            return "text/css", b"/* " + text + b" */"
        case "svg":
            return "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg"><text>' + text + b"</text></svg>"
        case "png" | "jpg" | "jpeg" | "gif" | "webp" | "ico":
            return "image/png", _picture(text)
        case _:
            return "text/html", b"<html><head></head><body>" + text + b"</body></html>"


def _picture(text: bytes) -> bytes:
    """One grey pixel as PNG with `text` as its comment."""
    chunks = [
        _PIXEL,
        _length(b"tEXt", b"Comment\0" + text),
        _length(b"IDAT", zlib.compress(b"\0\x80")),
        _length(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk + struct.pack(">I", zlib.crc32(chunk[4:])) for chunk in chunks)


def _length(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data
