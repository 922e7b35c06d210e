"""From a template's request and the variables to the bytes that leave.

What the template writes leaves as written: no dot segment is resolved, no escape undone. Ours are only the headers that a
client must add. A path is merged with the target's own path as the language says; `unsafe` requests leave byte for
byte but for that path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import re2

from secrecon.model.errors import BadInput
from secrecon.model.target import DEFAULT_PORTS, Origin
from secrecon.templates.errors import DslError
from secrecon.templates.execution.subject import Subject, parse_subject, split_authority
from secrecon.templates.rawrequest import RawParts, parse_raw

USER_AGENT = "SecRecon"
MAX_WIRE = 20 * 1024 * 1024
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_SCHEMES = (b"http://", b"https://")
_ODD = re2.compile(rb"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Built:
    """A request ready to leave. `origin`: what it is for; `connect`: where it goes, another only by `@Host`. `target`: the
    request target on the wire. `headers` and `body` as sent, for redirects; empty where `raw` (nothing to follow from)."""

    origin: Origin
    connect: Origin
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wire: bytes
    sni: str = ""
    timeout: float = 0.0
    fresh: bool = False
    raw: bool = False

    @property
    def url(self) -> str:
        return f"{self.origin}{self.target}"


def from_url(
    url: bytes, subject: Subject, method: str, headers: Iterable[tuple[str, str]], body: bytes | None
) -> Built:
    """A request for a rendered path item. The target's own query comes first. Raises DslError."""
    url = url.strip()
    if not url[:8].lower().startswith(_SCHEMES):
        raise DslError(f"not an http address: {url[:80].decode('latin-1')}")
    try:
        asked = parse_subject(url.decode("latin-1"))
    except BadInput as error:
        raise DslError(str(error)) from error
    query = "&".join(part for part in (subject.query, asked.query) if part)
    target = _escaped((asked.path or "/") + (f"?{query}" if query else ""))
    named = {name.lower() for name, _ in headers}
    usual = [
        (name, value) for name, value in (("Accept", "*/*"), ("Accept-Language", "en")) if name.lower() not in named
    ]
    return assemble(asked.origin, asked.origin, method, target, (*headers, *usual), body or b"")


def from_raw(text: bytes, subject: Subject, more: Iterable[tuple[str, str]], *, automerge: bool) -> Built:
    """A request for a rendered raw block, read and written again. Raises DslError."""
    parts = parse_raw(text)
    target = merged(subject, parts.path, automerge=automerge)
    added = tuple(more)
    names = {name.lower() for name, _ in added}
    headers = (*(pair for pair in parts.headers if pair[0] and pair[0].lower() not in names), *added)
    return assemble(subject.origin, subject.origin, parts.method, target, headers, parts.body, subject.written)


def self_contained(text: bytes) -> tuple[Subject, RawParts]:
    """What a raw request that brings its own address is for. Raises DslError."""
    line = text.lstrip().partition(b"\n")[0].split()
    parts = parse_raw(text)
    host = {name.lower(): value for name, value in parts.headers}.get("host", "")
    try:
        if len(line) > 1 and line[1][:8].lower().startswith(_SCHEMES):
            return parse_subject(line[1].decode("latin-1")), parts
        return parse_subject(f"http://{host}{parts.path}"), parts
    except BadInput as error:
        raise DslError(f"a self-contained request needs an address or a Host header: {error}") from error


def unsafe(text: bytes, subject: Subject, *, automerge: bool) -> Built:
    """A raw block sent as it is, but for its path. Raises DslError where it has no request line."""
    words = text.lstrip().partition(b"\n")[0].split()
    if not words:
        raise DslError("a raw request begins with a request line")
    method = words[0].decode("latin-1")
    path = words[1] if len(words) > 1 and not (len(words) == 2 and words[1].upper().startswith(b"HTTP/")) else b""
    written = path.decode("latin-1")
    if subject.path in ("", "/") and written and not written.startswith("/"):
        joined = "&" if "?" in written else "?"
        target = written + (f"{joined}{subject.query}" if subject.query else "")
    else:
        target = merged(subject, written, automerge=automerge)
    wire = text.replace(path, target.encode("latin-1", "replace"), 1) if path else text
    return Built(subject.origin, subject.origin, method, target, (), b"", wire, fresh=True, raw=True)


def merged(subject: Subject, path: str, *, automerge: bool) -> str:
    """A raw path behind the target's own: "/" counts as none, one that already begins or ends with the other is not
    doubled, and the target's query comes first."""
    own = subject.path if automerge else ""
    if not path:
        return (own or "/") + (f"?{subject.query}" if subject.query and automerge else "")
    place, mark, query = path.partition("?")
    place = "" if place == "/" and own not in ("", "/") else place
    queries = "&".join(part for part in (subject.query, query) if part)
    tail = f"?{queries}" if queries else (mark if not subject.query else "")
    return (_joined(own, place) or "/") + tail


def _joined(own: str, place: str) -> str:
    if own in ("", "/"):
        return place if place.startswith("/") or not place else f"/{place}"
    if not place or own == place or own.endswith(place):
        return own
    if place.startswith(own):
        return place
    return own.removesuffix("/") + "/" + place.removeprefix("/")


def assemble(
    origin: Origin,
    connect: Origin,
    method: str,
    target: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    written: str = "",
) -> Built:
    """The bytes of a request: Host and User-Agent where absent, the length counted. Header names keep their case.
    `written`: the target's host as the user wrote it. Raises DslError where it would be too long."""
    kept = [(name, value) for name, value in headers if name.lower() != "content-length"]
    said = {name.lower(): value for name, value in kept}
    host = _host(origin, said.get("host") or written or origin.authority)
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    if "user-agent" not in said:
        lines.append(f"User-Agent: {USER_AGENT}")
    chunked = said.get("transfer-encoding", "").strip().lower() == "chunked"
    lines += [f"{name}: {value}" for name, value in kept if name.lower() != "host"]
    if not chunked and (body or method.upper() in _WITH_BODY):
        lines.append(f"Content-Length: {len(body)}")
    if "accept-encoding" not in said:
        lines.append("Accept-Encoding: gzip")
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
    if len(sent) > MAX_WIRE:
        raise DslError(f"a request of {len(sent)} bytes; at most {MAX_WIRE} are sent")
    wire = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + sent
    close = "close" in said.get("connection", "").lower()
    plain = tuple((name, value) for name, value in kept if name.lower() != "host" or value != written)
    return Built(origin, connect, method.upper(), target, plain, body, wire, fresh=close)


def _host(origin: Origin, written: str) -> str:
    """The Host header without the default port."""
    suffix = f":{DEFAULT_PORTS[origin.scheme]}"
    return written.removesuffix(suffix) if not written.endswith("]") else written


def _escaped(target: str) -> str:
    """Blanks and control characters, which would end the request line, percent-encoded; everything else as written."""
    if target.isascii() and target.isprintable() and " " not in target:
        return target
    escaped: bytes = _ODD.sub(lambda match: b"%%%02X" % match.group(0)[0], target.encode("latin-1", "replace"))
    return escaped.decode("latin-1")


def other_host(written: str, origin: Origin) -> Origin:
    """The origin to connect to for `@Host`. Raises DslError."""
    text = written.strip()
    scheme = origin.scheme
    for known in DEFAULT_PORTS:
        if text.lower().startswith(f"{known}://"):
            scheme, text = known, text[len(known) + 3 :].rstrip("/")
    try:
        host, port = split_authority(text, DEFAULT_PORTS[scheme] if "://" in written else origin.port)
    except BadInput as error:
        raise DslError(f"@Host: {error}") from error
    return Origin(scheme, host, port)
