"""What a fingerprint looks at in one response: headers, cookies, title, meta tags, script addresses, body, path.

Everything is bounded here, once, before any pattern sees it. HTML is read by our own linear tokenizer; text is kept
as bytes. The addresses of scripts and of the icon are resolved against the page, and only given back where they
belong to the page's own origin. Nothing here knows a technology.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urljoin, urlsplit

from secrecon.detect.html import Document, Tag, read_html
from secrecon.model.errors import BadInput
from secrecon.model.http import Headers, HttpReply, HttpRequest
from secrecon.model.target import DEFAULT_PORTS, Origin, normalise_host

MAX_BODY = 400_000
MAX_VALUE = 2_000
MAX_HEADERS = 200
MAX_SCRIPTS = 200
MAX_METAS = 100

_SCRIPT_TYPES = ("javascript", "ecmascript")
_BINARY_TYPES = ("image/", "audio/", "video/", "font/", "application/octet-stream", "application/pdf", "text/css")


@dataclass(frozen=True, slots=True)
class Observation:
    """One response, ready to be matched. `headers`, `cookies` and `metas`: lower-case name, value. `scripts`: absolute
    addresses. `icon`: a favicon's hash."""

    status: int
    path: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    cookies: tuple[tuple[str, bytes], ...] = ()
    metas: tuple[tuple[str, bytes], ...] = ()
    title: bytes = b""
    scripts: tuple[str, ...] = ()
    html: bytes = b""
    code: bytes = b""
    icon: int | None = None


@dataclass(frozen=True, slots=True)
class PageLinks:
    """What a page loads from its own origin: script and icon targets (path and query), in document order."""

    scripts: tuple[str, ...]
    icons: tuple[str, ...]


def observe(request: HttpRequest, reply: HttpReply) -> Observation:
    """Read one request and its reply."""
    content_type = reply.content_type
    body = reply.body[:MAX_BODY]
    is_code = any(word in content_type for word in _SCRIPT_TYPES)
    is_text = not is_code and not content_type.startswith(_BINARY_TYPES)
    is_html = is_text and _looks_like_html(content_type, body)
    title, metas, scripts = _read_html(request.url, body) if is_html else (b"", (), ())
    return Observation(
        status=reply.status,
        path=request.target.split("?")[0].encode("latin-1", "replace")[:MAX_VALUE],
        headers=_headers(reply.headers),
        cookies=_cookies(reply.all("set-cookie")),
        metas=metas,
        title=title,
        scripts=scripts,
        html=body if is_text else b"",
        code=body if is_code else b"",
    )


def page_links(request: HttpRequest, reply: HttpReply) -> PageLinks:
    """The scripts and icons that an HTML page loads from its own origin."""
    body = reply.body[:MAX_BODY]
    if not _looks_like_html(reply.content_type, body):
        return PageLinks((), ())
    document = read_html(body)
    base = _base(request.url, document)
    scripts = [tag.get("src") for tag in _starts(document, "script", "src")]
    icons = [
        tag.get("href") for tag in _starts(document, "link", "href") if "icon" in tag.get("rel").lower().split()
    ]
    return PageLinks(_own(request.origin, base, scripts), _own(request.origin, base, icons))


def _starts(document: Document, name: str, attribute: str, limit: int = MAX_SCRIPTS) -> Iterator[Tag]:
    """The first start tags called `name` that carry `attribute`."""
    found = (tag for tag in document.tags if tag.name == name and not tag.closing and attribute in tag.attributes)
    return islice(found, limit)


def _base(url: str, document: Document) -> str:
    return urljoin_safe(url, next((tag.get("href") for tag in _starts(document, "base", "href", 1)), ""))


def normal_url(url: str) -> str:
    """An absolute URL in the one form we compare by; what cannot be read is kept, bounded."""
    split = split_url(url)
    return url[:MAX_VALUE] if split is None else str(split[0]) + split[1]


def urljoin_safe(base: str, href: str) -> str:
    """`href` resolved against `base`; `base` itself where it cannot be."""
    try:
        return urljoin(base, href.strip())
    except ValueError:
        return base


def _own(origin: Origin, base: str, hrefs: list[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for href in hrefs:
        split = split_url(urljoin_safe(base, href)) if href.strip() else None
        if split is not None and split[0] == origin:
            found.setdefault(split[1])
    return tuple(found)


def split_url(url: str) -> tuple[Origin, str] | None:
    """An absolute http(s) URL as origin and request target; None for anything else or anything too long."""
    if len(url) > MAX_VALUE or any(ord(c) <= 0x20 or ord(c) > 0x7E for c in url):
        return None
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.lower(), parts.port
        if scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None or port == 0:
            return None
        origin = Origin(scheme, normalise_host(parts.hostname), port or DEFAULT_PORTS[scheme])
    except (ValueError, BadInput):
        return None
    return origin, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _looks_like_html(content_type: str, body: bytes) -> bool:
    if "html" in content_type:
        return True
    return content_type in ("", "text/plain") and b"<html" in body[:2000].lower()


def _headers(headers: Headers) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (name.lower(), value.encode("latin-1", "replace")[:MAX_VALUE]) for name, value in headers[:MAX_HEADERS]
    )


def _cookies(values: tuple[str, ...]) -> tuple[tuple[str, bytes], ...]:
    pairs = (value.split(";")[0].partition("=") for value in values[:MAX_HEADERS])
    return tuple(
        (name.strip().lower()[:MAX_VALUE], value.strip().encode("latin-1", "replace")[:MAX_VALUE])
        for name, _, value in pairs
    )


def _read_html(url: str, body: bytes) -> tuple[bytes, tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    document = read_html(body)
    metas = []
    for tag in _starts(document, "meta", "content", MAX_METAS):
        name = tag.get("name") or tag.get("property")
        if name:
            metas.append((name.lower()[:MAX_VALUE], tag.get("content").encode("utf-8", "replace")[:MAX_VALUE]))
    base = _base(url, document)
    sources = (tag.get("src") for tag in _starts(document, "script", "src"))
    scripts = tuple(normal_url(urljoin_safe(base, source)) for source in sources if source.strip())
    return document.title.encode("utf-8", "replace")[:MAX_VALUE], tuple(metas), scripts
