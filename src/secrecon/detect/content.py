"""What a reply leads to: the addresses it points at and the requests it shows how to make.

HTML (links, forms, refresh, srcset, data attributes, htmx), JSON with addresses in it, robots.txt (RFC 9309),
sitemaps, security.txt (RFC 9116), scripts and API descriptions. Nothing is requested here, nothing is run, XML is
searched and never parsed (so there are no entities to expand). Only addresses that the caller's `within` accepts are
given back. Everything is bounded, and what was cut is said.
"""

from __future__ import annotations

import html as entities
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

import re2

from secrecon.detect.acting import acting_attribute, acting_label, acting_word, holds_nul, oversized
from secrecon.detect.forms import acting_forms, cut_forms, form_shapes
from secrecon.detect.html import Document, Tag, looks_like_html, read_html, unescape
from secrecon.detect.links import address_in_path, query_parameters, resolve
from secrecon.detect.openapi import Steps, operations, parse_description
from secrecon.detect.pagekind import structure
from secrecon.detect.scripts import Endpoint, read_script, source_map
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin

MAX_BODY = 2_000_000
TITLE_BYTES = 20_000
MAX_LINKS = 1_000
MAX_SHAPES = 300
MAX_TRIES = 20_000
"""Addresses of one page that are looked at, repeated and foreign ones included: each costs some 20 microseconds."""
MAX_LINES = 2_000
MAX_COOKIES = 12
_LINK_ATTRIBUTES = frozenset(
    (
        "href",
        "src",
        "action",
        "formaction",
        "data",
        "poster",
        "background",
        "longdesc",
        "manifest",
        "data-url",
        "data-href",
        "data-src",
        "data-action",
        "data-api",
        "data-endpoint",
        "data-link",
        "data-target-url",
        "hx-get",
    )
)
_REFRESH = re2.compile(r"(?i)url\s*=\s*['\"]?([^'\"]+)")
_LOCATION = re2.compile(rb"<loc>\s*(?:<!\[CDATA\[)?\s*([^<>\s\]]+)")
_FEED_LINK = re2.compile(rb"<(?:[a-z]+:)?link(?:\s[^<>]*\shref=[\"']|\shref=[\"']|>\s*)([^<>\s\"']+)")
_GZIP = b"\x1f\x8b"
_LINK_HEADER = re2.compile(r"<([^<>\s]+)>")
_TEMPLATE = re2.compile(r"\{([?&]?)([A-Za-z0-9_.,-]*)\*?\}")
_LINK_KEYS = frozenset({"href", "next", "prev", "previous", "first", "last", "self", "url", "uri", "link"})
_URL = re2.compile(r"https?://[^\s<>\"']+")
_HTML_TYPES = ("", "text/html", "application/xhtml+xml")


ACTS = "acts"
"""The source of an address that would do something, as the label or an attribute of its link says."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address inside the target: `source` says what pointed at it."""

    origin: Origin
    target: str
    source: str


@dataclass(frozen=True, slots=True)
class Content:
    """What one reply holds. `hosts`: names of other hosts it pointed at. `notes`: what was cut, for people."""

    title: str = ""
    forms: int = 0
    links: tuple[Target, ...] = ()
    shapes: tuple[RequestShape, ...] = ()
    hosts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    structure: str = ""


@dataclass(slots=True)
class _Collector:
    """Gathers unique links and shapes up to the bounds."""

    request: HttpRequest
    within: Callable[[Origin], bool]
    place: tuple[Origin, str]
    tries: int = 0
    links: dict[tuple[Origin, str], Target] = field(default_factory=dict)
    shapes: dict[str, RequestShape] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def move(self, base: str) -> None:
        """From here on, relative addresses are relative to the page's `<base href>`, where that can be read."""
        self.place = resolve(*self.place, base) or self.place

    def link(self, href: str, source: str) -> tuple[Origin, str] | None:
        """Take an address in; its place where it is inside the target. Past the bounds nothing is even resolved."""
        if len(self.links) >= MAX_LINKS:
            self.notes.setdefault(f"only the first {MAX_LINKS} links of {self.request.target[:100]} were kept")
            return None
        if self.tries >= MAX_TRIES:
            self.notes.setdefault(f"only {MAX_TRIES} addresses in {self.request.target[:100]} were looked at")
            return None
        self.tries += 1
        found = resolve(*self.place, href)
        if found is None:
            return None
        if len(self.hosts) < MAX_LINKS:
            self.hosts.setdefault(found[0].host)
        if not self.within(found[0]):
            return None
        if source == ACTS:
            self.links[found] = Target(found[0], found[1], source)
            self._forget(*found)
        elif found not in self.links:
            self.links[found] = Target(found[0], found[1], source)
            self._inputs(*found, source)
        return found

    def _forget(self, origin: Origin, target: str) -> None:
        """What was kept of an address before it turned out to act."""
        path = target.partition("?")[0]
        for key in [k for k, s in self.shapes.items() if (s.origin, s.path, s.method) == (origin, path, "GET")]:
            del self.shapes[key]

    def _inputs(self, origin: Origin, target: str, source: str) -> None:
        """The inputs of an address: its query, and an address in its path."""
        if oversized(target) or holds_nul(target):
            return
        if (path_input := address_in_path(target)) is not None and not acting_word(path_input[0]):
            self.shape(RequestShape(origin, "GET", path_input[0], (path_input[1],), source))
        elif "?" in target and not acting_word(target):
            path, _, query = target.partition("?")
            self.shape(RequestShape(origin, "GET", path, query_parameters(query), source))

    def shape(self, shape: RequestShape) -> None:
        """Take a request in, unless making it would act, or it has nothing to vary."""
        if (
            not self.within(shape.origin)
            or acting_word(shape.path)
            or (not shape.parameters and shape.method == "GET")
        ):
            return
        if len(self.shapes) >= MAX_SHAPES:
            self.notes.setdefault(f"only the first {MAX_SHAPES} requests of {self.request.target[:100]} were kept")
            return
        self.shapes.setdefault(shape.key, shape)


def read_content(request: HttpRequest, reply: HttpReply, within: Callable[[Origin], bool]) -> Content:
    """The links, forms and requests in a reply. `within` says which origins belong to the target. Never raises."""
    collector = _Collector(request, within, (request.origin, request.target))
    body = reply.body[:MAX_BODY]
    if len(reply.body) > MAX_BODY or reply.truncated:
        collector.notes.setdefault(f"only the first {len(body)} bytes of {request.target[:100]} were read")
    for header in ("location", "content-location", "refresh", "link"):
        _header_links(collector, header, reply.header(header) or "")
    _cookies(collector, reply)
    title, forms, form = "", 0, ""
    path = request.target.split("?", 1)[0].lower()
    kind = reply.content_type
    if looks_like_html(kind, body):
        document = read_html(body)
        title, forms = _html(collector, document)
        form = structure(document.tags)
    elif reply.status < 400:
        _other(collector, path, kind, body)
    return Content(
        title, forms, tuple(collector.links.values()), tuple(collector.shapes.values()), tuple(collector.hosts),
        tuple(collector.notes), form,
    )  # fmt: skip


def read_title(reply: HttpReply) -> Content:
    """Only the title, from the first bytes: for a page whose links nobody has room for."""
    head = reply.body[:TITLE_BYTES]
    return Content(read_html(head).title if looks_like_html(reply.content_type, head) else "")


def _header_links(collector: _Collector, header: str, value: str) -> None:
    if header == "refresh":
        found = _REFRESH.search(value[:MAX_LINES])
        value = found.group(1) if found is not None else ""
    if header == "link":
        for found in _LINK_HEADER.finditer(value[:MAX_LINES]):
            collector.link(found.group(1), "header")
    elif value:
        collector.link(value, "redirect")


def _cookies(collector: _Collector, reply: HttpReply) -> None:
    """The cookies that a page sets, as inputs of that page; not those of a user who is logged in, which are hidden."""
    pairs = (value.split(";", 1)[0].partition("=") for value in reply.all("set-cookie")[:MAX_COOKIES])
    found = {
        name.strip(): Parameter(name.strip(), InputPlace.COOKIE, unquote(value.strip()[:1_000]))
        for name, _, value in pairs
        if 0 < len(name.strip()) <= 100 and "***" not in value
    }
    request = collector.request
    if found and request.method == "GET" and not acting_word(request.target):
        path = request.target.split("?", 1)[0]
        collector.shape(RequestShape(request.origin, "GET", path, tuple(found.values()), "cookie"))


def _other(collector: _Collector, path: str, kind: str, body: bytes) -> None:
    name = path.rsplit("/", 1)[-1]
    if "javascript" in kind or "ecmascript" in kind or name.endswith((".js", ".mjs")):
        _script(collector, body, "script")
    elif name == "robots.txt":
        _robots(collector, body)
    elif name.endswith(".map"):
        _script(collector, body.replace(b'\\"', b'"').replace(b"\\n", b"\n"), "script")
    elif "xml" in kind or name.endswith((".xml", ".xml.gz")):
        _sitemap(collector, body)
    elif name.startswith("sitemap") and name.endswith(".txt"):
        for line in body[:500_000].decode("utf-8", "replace").splitlines()[:MAX_LINES]:
            collector.link(line.strip(), "sitemap")
    elif name == "security.txt":
        for line in body[:50_000].decode("utf-8", "replace").splitlines()[:MAX_LINES]:
            for url in _URL.findall(line[:MAX_LINES]):
                collector.link(url, "security.txt")
    elif (document := parse_description(body)) is not None:
        steps = Steps()
        for shape in operations(document, collector.request.origin, collector.request.target, steps):
            collector.shape(shape)
            if shape.method == "GET" and "{" not in shape.path:
                collector.link(str(shape.origin) + shape.path, "openapi")
        if steps.spent:
            collector.notes.setdefault(f"{collector.request.target[:100]}: only a part of the description was read")
    elif "json" in kind or body[:1] in (b"{", b"["):
        _json(collector, body)


def _sitemap(collector: _Collector, body: bytes) -> None:
    """A sitemap, an index of them, or a feed, packed or not."""
    if body.startswith(_GZIP):
        try:
            body = zlib.decompressobj(31).decompress(body, MAX_BODY)
        except zlib.error:
            collector.notes.setdefault(f"{collector.request.target[:100]} could not be unpacked")
            return
        if len(body) >= MAX_BODY:
            collector.notes.setdefault(
                f"only the first {MAX_BODY} bytes of {collector.request.target[:100]} were read"
            )
    for pattern, source in ((_LOCATION, "sitemap"), (_FEED_LINK, "feed")):
        for found in pattern.finditer(body):
            collector.link(entities.unescape(found.group(1)[:4_000].decode("utf-8", "replace")), source)
            if len(collector.links) >= MAX_LINKS:
                return


def _html(collector: _Collector, document: Document) -> tuple[str, int]:
    if document.cut:
        collector.notes.setdefault(f"{collector.request.target[:100]}: {document.cut}")
    base = next((tag.get("href") for tag in document.tags if tag.name == "base" and tag.get("href")), "")
    if base:
        collector.move(base)
    for tag in document.tags:
        if tag.closing:
            continue
        if tag.name == "script" and tag.text:
            _script(collector, tag.text, "script")
        if not tag.attributes:
            continue
        source = ACTS if tag.name in ("a", "button") and _acts(tag) else "html"
        for name, value in tag.attributes.items():
            if name not in _LINK_ATTRIBUTES or not value:
                continue
            if not (tag.name == "base" or (name == "action" and tag.name == "form")):
                collector.link(value, source)
        for part in tag.get("srcset").split(",")[:50]:
            if part.strip():
                collector.link(part.split(None, 1)[0], "html")
        if tag.name == "meta" and tag.get("http-equiv").lower() == "refresh":
            found = _REFRESH.search(tag.get("content"))
            if found is not None:
                collector.link(found.group(1), "html")
        if tag.get("hx-post"):
            place = resolve(collector.request.origin, collector.request.target, tag.get("hx-post"))
            if place is not None:
                collector.shape(RequestShape(place[0], "POST", place[1].split("?")[0], (), "html"))
    if cut := cut_forms(document):
        collector.notes.setdefault(
            f"{collector.request.target[:100]}: only the first fields of {cut} forms were kept"
        )
    if acting := acting_forms(document):
        collector.notes.setdefault(
            f"{collector.request.target[:100]}: {acting} forms that would act were left alone"
        )
    shapes = form_shapes(document, collector.request, base)
    for shape in shapes:
        collector.shape(shape)
        if shape.method == "GET":
            collector.link(shape.url, "form")
    return document.title, sum(1 for tag in document.tags if tag.name == "form" and not tag.closing)


def _acts(tag: Tag) -> bool:
    """Whether following a link would do something, as its label, its other method or its question says."""
    return bool(acting_attribute(tag.attributes) or acting_label(unescape(tag.text)))


def _script(collector: _Collector, body: bytes, source: str) -> None:
    facts = read_script(body)
    if facts.cut:
        collector.notes.setdefault(f"{collector.request.target[:100]}: {facts.cut}")
    for endpoint in facts.endpoints:
        _endpoint(collector, endpoint, source)
    if facts.source_map:
        collector.link(facts.source_map, "source-map")


def _endpoint(collector: _Collector, endpoint: Endpoint, source: str) -> None:
    if endpoint.method == "GET":
        collector.link(endpoint.href, source)
        return
    place = resolve(collector.request.origin, collector.request.target, endpoint.href)
    if place is None:
        return
    path, _, query = place[1].partition("?")
    where = InputPlace.FORM if endpoint.form else InputPlace.JSON
    fields = tuple(Parameter(name, where, value or "text") for name, value in endpoint.fields)
    media = "" if endpoint.form or not fields else "application/json"
    collector.shape(
        RequestShape(place[0], endpoint.method, path, (*query_parameters(query), *fields), source, media)
    )


def _robots(collector: _Collector, body: bytes) -> None:
    lines = body[:500_000].decode("utf-8", "replace").splitlines()
    if len(lines) > MAX_LINES:
        collector.notes.setdefault(f"only the first {MAX_LINES} lines of robots.txt were read")
    for line in lines[:MAX_LINES]:
        name, _, value = line.split("#", 1)[0].partition(":")
        value = value.strip()
        if name.strip().lower() in ("disallow", "allow") and value.startswith("/"):
            collector.link(value.split("*", 1)[0].rstrip("$"), "robots")
        elif name.strip().lower() == "sitemap" and value:
            collector.link(value, "robots")


def _json(collector: _Collector, body: bytes) -> None:
    """The addresses in a JSON answer: texts that look like one, and what stands under the names that APIs link by (HAL,
    JSON:API, and others), relative or with a template (RFC 6570, levels 1 to 3 as far as they name inputs)."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return
    for key, text in _strings(value):
        whole = text.startswith(("/", "http://", "https://"))
        if " " in text or len(text) < 2 or not (whole or (key in _LINK_KEYS and text[:1] in "?./")):
            continue
        if "{" in text:
            _templated(collector, text)
        else:
            collector.link(text, "json")


def _templated(collector: _Collector, text: str) -> None:
    """`/orders/{id}{?page,size}` as a request with three inputs."""
    names = [
        (mark, name) for mark, listed in _TEMPLATE.findall(text[:MAX_LINES]) for name in listed.split(",") if name
    ]
    path = str(_TEMPLATE.sub(lambda found: "" if found.group(1) else "{" + found.group(2) + "}", text[:MAX_LINES]))
    place = resolve(*collector.place, path)
    if place is None or not names:
        return
    where, _, query = place[1].partition("?")
    inputs = [Parameter(name, InputPlace.QUERY if mark else InputPlace.PATH, "1") for mark, name in names[:20]]
    collector.shape(RequestShape(place[0], "GET", where, (*query_parameters(query), *inputs), "json"))
    if "{" not in where:
        collector.link(where, "json")


def _strings(value: object) -> Iterable[tuple[str, str]]:
    """Every text in a JSON value with the name it stands under, without recursion, at most 20,000 nodes."""
    waiting: list[tuple[str, object]] = [("", value)]
    for _ in range(20_000):
        if not waiting:
            return
        key, node = waiting.pop()
        if isinstance(node, str):
            yield key, node[:4_100]
        elif isinstance(node, dict):
            waiting += [(str(name)[:40].lower(), item) for name, item in list(node.items())[:20_000]]
        elif isinstance(node, list):
            waiting += [(key, item) for item in node[:20_000]]


def script_source_map(reply: HttpReply) -> str:
    """The address of a script's source map as its comment or header says, "" for none."""
    header = reply.header("sourcemap") or reply.header("x-sourcemap") or ""
    return header[:500] or source_map(reply.body)
