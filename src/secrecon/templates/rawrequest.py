"""Raw requests: their annotations, and reading the filled-in bytes as a request.

Lines that begin with `@` before the request line are annotations (`@Host:`, `@tls-sni:`, `@timeout:`, `@once`; the colon
counts). A request line `GET HTTP/1.1` has an empty path. Of a header that is there twice the last wins, its name as it is
written. What is sent malformed on purpose (`unsafe`) is not read here at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.templates.errors import DslError
from secrecon.templates.render import Text

MAX_TIMEOUT = 300.0
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Annotations:
    """`host`: connect there instead. `timeout`: seconds, 0 where none was given. `once`: for the first payload set only."""

    host: str = ""
    sni: str = ""
    timeout: float = 0.0
    once: bool = False


@dataclass(frozen=True, slots=True)
class RawRequest:
    text: Text
    annotations: Annotations = Annotations()


@dataclass(frozen=True, slots=True)
class RawParts:
    """A raw request read: `path` as written, "" where there is none."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def split_annotations(raw: str) -> tuple[Annotations, str]:
    """The annotations and the rest."""
    host = sni = ""
    timeout, once = 0.0, False
    lines = raw.splitlines(keepends=True)
    at = 0
    while at < len(lines) and (not lines[at].strip() or lines[at].lstrip().startswith("@")):
        name, colon, value = lines[at].strip().partition(":")
        word, value = name.strip().lower(), value.strip()
        if word == "@once":
            once = True
        elif word == "@host" and colon:
            host = value
        elif word == "@tls-sni" and colon:
            sni = value
        elif word == "@timeout" and colon:
            timeout = _seconds(value)
        at += 1
    return Annotations(host, sni, timeout, once), "".join(lines[at:])


def _seconds(written: str) -> float:
    """A duration such as `20s`, `1m`, `500ms`, capped; 0 for what is none, as the default applies then."""
    for unit in ("ms", "s", "m", "h"):
        number = written.removesuffix(unit)
        if number != written and number.replace(".", "", 1).isdigit() and number.isascii() and len(number) < 12:
            return min(float(number) * _UNITS[unit], MAX_TIMEOUT)
    return 0.0


def parse_raw(request: bytes) -> RawParts:
    """A filled-in raw request, read. A header line without a colon is a name without a value. Raises DslError where
    there is no request line."""
    head, blank, body = _split(request)
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    words = lines[0].decode("latin-1").split()
    if not words:
        raise DslError("a raw request begins with a request line")
    path = words[1] if len(words) > 1 else ""
    if len(words) == 2 and path.upper().startswith("HTTP/"):
        path = ""
    headers: dict[str, tuple[str, str]] = {}
    for line in lines[1:]:
        if not line.strip() or line.lstrip().startswith(b":"):
            continue
        name, _, value = line.decode("latin-1").partition(":")
        headers.pop(name.strip().lower(), None)
        headers[name.strip().lower()] = (name.strip(), value.strip())
    multipart = "multipart/" in headers.get("content-type", ("", ""))[1].lower()
    if blank and not multipart:
        body = body.removesuffix(b"\r\n")
    return RawParts(words[0], _origin_form(path), tuple(headers.values()), body)


def _split(request: bytes) -> tuple[bytes, bytes, bytes]:
    crlf, plain = request.find(b"\r\n\r\n"), request.find(b"\n\n")
    if crlf >= 0 and (plain < 0 or crlf <= plain):
        return request.partition(b"\r\n\r\n")
    return request.partition(b"\n\n")


def _origin_form(path: str) -> str:
    """A whole URL reduced to its path and query."""
    for scheme in ("http://", "https://"):
        if path.lower().startswith(scheme):
            rest = path[len(scheme) :]
            cut = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
            return rest[cut:]
    return path
