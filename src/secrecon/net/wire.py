"""Writing a request as bytes, and working out where a redirect leads. Pure.

A target leaves exactly as given: `/a/../b/%2e%2e/` is never rewritten. Only what could smuggle a second header or
request out of a well-formed one is refused; whoever means to send malformed bytes uses `raw` (RFC 9112, 3986).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from urllib.parse import quote

from secrecon import __version__
from secrecon.model.errors import BadInput
from secrecon.model.http import Headers, HttpReply, HttpRequest
from secrecon.model.target import DEFAULT_PORTS, Origin, normalise_host

USER_AGENT = f"SecRecon/{__version__}"
ACCEPT_ENCODING = "gzip, deflate, br, zstd"
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_LOCATION = 8_192
BODY_METHODS = frozenset({"POST", "PUT", "PATCH"})
PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "host"})
BODY_HEADERS = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})
DEFAULTS = (("User-Agent", USER_AGENT), ("Accept-Encoding", ACCEPT_ENCODING), ("Connection", "keep-alive"))
USUAL_LINES = 1 + len(DEFAULTS)


def request_bytes(request: HttpRequest) -> bytes:
    """The bytes that leave. Raises BadInput for line breaks or NUL in a part, or text outside latin-1."""
    if request.raw is not None:
        return request.raw
    line = f"{request.method} {request.target} HTTP/1.1\r\n"
    if not request.headers and not request.body and request.method not in BODY_METHODS:
        return _encode(request, line + _usual_headers(request.origin), 1 + USUAL_LINES)
    parts = [line]
    names = {name.lower() for name, _ in request.headers}
    if "host" not in names:
        parts.append(f"Host: {request.origin.authority}\r\n")
    parts += [f"{name}: {value}\r\n" for name, value in request.headers]
    parts += [f"{name}: {value}\r\n" for name, value in DEFAULTS if name.lower() not in names]
    if (request.body or request.method in BODY_METHODS) and not {"content-length", "transfer-encoding"} & {*names}:
        parts.append(f"Content-Length: {len(request.body)}\r\n")
    return _encode(request, "".join(parts), len(parts))


def _encode(request: HttpRequest, head: str, lines: int) -> bytes:
    """`head`, made of `lines` lines if nothing was smuggled in, as bytes with the body."""
    if head.count("\n") != lines or head.count("\r") != lines or "\0" in head:
        raise BadInput(f"the request to {request.origin} holds a line break or NUL where none may be; use raw")
    try:
        return head.encode("latin-1") + b"\r\n" + request.body
    except UnicodeEncodeError as error:
        raise BadInput(f"the request to {request.origin} holds characters outside latin-1; use raw") from error


@lru_cache(maxsize=1024)
def _usual_headers(origin: Origin) -> str:
    """The headers of a request that brings none of its own."""
    defaults = "".join(f"{name}: {value}\r\n" for name, value in DEFAULTS)
    return f"Host: {origin.authority}\r\n{defaults}"


def next_request(request: HttpRequest, reply: HttpReply) -> HttpRequest | None:
    """The request that follows `reply`, or None where it is no redirect or its Location cannot be read.

    303, and 301/302 after POST, become GET without a body; 307 and 308 keep everything. To another origin the
    credentials stay behind.
    """
    if reply.status not in REDIRECTS or request.raw is not None:
        return None
    location = reply.header("location")
    place = location_of(request, location) if location else None
    if place is None:
        return None
    origin, target = place
    headers = request.headers
    if origin != request.origin:
        headers = _without(headers, PRIVATE_HEADERS)
    changed = (reply.status == 303 and request.method != "HEAD") or (
        reply.status in (301, 302) and request.method == "POST"
    )
    if changed:
        return HttpRequest(origin, "GET", target, _without(headers, BODY_HEADERS))
    return replace(request, origin=origin, target=target, headers=headers)


def _without(headers: Headers, names: frozenset[str]) -> Headers:
    return tuple((name, value) for name, value in headers if name.lower() not in names)


def location_of(request: HttpRequest, location: str) -> tuple[Origin, str] | None:
    """Where `location` leads from `request`: absolute, protocol-relative, absolute path, relative path or query.

    Read as browsers read it: blanks trimmed, tabs and line breaks dropped, backslashes before the query taken for
    slashes, the fragment and any credentials dropped. None where it is not an http(s) address at all.
    """
    if len(location) > MAX_LOCATION:
        return None
    text = "".join(c for c in location.strip(" \t\r\n\f\0") if c not in "\t\r\n").partition("#")[0]
    if not text:
        return request.origin, request.target
    path, mark, query = text.partition("?")
    text = path.replace("\\", "/") + mark + query
    scheme, colon, rest = text.partition(":")
    if colon and scheme.isascii() and scheme[:1].isalpha() and scheme.replace("+", "").replace("-", "").isalnum():
        lower = scheme.lower()
        if lower not in DEFAULT_PORTS:
            return None
        if rest.startswith("/") or lower != request.origin.scheme:
            return _absolute(lower, rest.lstrip("/"))
        text = rest
    if text.startswith("//"):
        return _absolute(request.origin.scheme, text.lstrip("/"))
    return request.origin, _escape(_merge(request.target, text))


def _absolute(scheme: str, rest: str) -> tuple[Origin, str] | None:
    """`rest`: authority and everything after it."""
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, target = rest[:end].rpartition("@")[2], rest[end:]
    if authority.startswith("["):
        host, bracket, port = authority.partition("]")
        if not bracket or (port and not port.startswith(":")):
            return None
        port = port[1:]
    else:
        host, _, port = authority.partition(":")
    if port and not (port.isascii() and port.isdigit() and len(port) <= 5):
        return None
    number = int(port) if port else DEFAULT_PORTS[scheme]
    if not 0 < number < 65_536:
        return None
    try:
        origin = Origin(scheme, normalise_host(_unquote_host(host)), number)
    except BadInput:
        return None
    if not target.startswith("/"):
        target = "/" + target
    return origin, _escape(target)


def _unquote_host(host: str) -> str:
    """A header is latin-1 text here; a host in it may be UTF-8."""
    try:
        return host.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return host


def _merge(base: str, reference: str) -> str:
    """A path or query reference against the target it came from (RFC 3986 section 5.2)."""
    if reference.startswith("/"):
        return reference
    base_path = base.partition("?")[0]
    if reference.startswith("?"):
        return base_path + reference
    path, mark, query = reference.partition("?")
    segments = base_path.split("/")[:-1] or [""]
    for segment in path.split("/"):
        if segment == "..":
            if len(segments) > 1:
                segments.pop()
        elif segment != ".":
            segments.append(segment)
    if path.split("/")[-1] in (".", ".."):
        segments.append("")
    return ("/".join(segments) or "/") + mark + query


def _escape(target: str) -> str:
    """Blanks, controls and bytes above ASCII are percent-encoded; everything else stays as it is."""
    return quote(target.encode("latin-1", "replace"), safe="!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
