"""Puts values into inputs of a known request and leaves everything else as it was.

Works on what the crawl, a form or an API description told (`RequestShape`). The result can always be written as a
request. Nothing is sent here. Requests whose method or path announces that they remove or change something are not
touched (`unsafe_reason`), and amounts keep the value they were seen with, or a small one.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

import re2

from secrecon.detect.acting import COMMANDS, acting_word, asks_amount, holds_nul, oversized
from secrecon.detect.bodies import (
    BOUNDARY,
    MAX_VALUE,
    MULTIPART,
    NO_FILE,
    URLENCODED,
    XML,
    Upload,
    cookie_value,
    escaped,
    header_name,
    header_value,
    json_body,
    literal,
    multipart,
    urlencoded,
    xml_document,
)
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpRequest

__all__ = ["MAX_TARGET", "MAX_VALUE", "location_of", "unsafe_reason", "with_body", "with_value", "with_values"]

SAFE_METHODS = frozenset({"GET", "HEAD", "POST"})
MAX_TARGET = 32_000
MAX_BODY = 64_000
_MUTATION = re2.compile(r"^\s*mutation\b[^({]*|\{\s*([A-Za-z_][A-Za-z0-9_]*)")
Value = str | Upload


def location_of(shape: RequestShape, parameter: Parameter) -> str:
    """How findings and payloads name an input: `METHOD /path place:name`."""
    return f"{shape.method} {shape.path} {parameter.place}:{parameter.name}"


def unsafe_reason(shape: RequestShape) -> str:
    """Why this request is not probed although it has inputs; "" where it may be."""
    if shape.method not in SAFE_METHODS:
        return f"{shape.method} may change data"
    if word := acting_word(shape.path):
        return f"a path with {word!r} may change data"
    if holds_nul(shape.path):
        return "its path holds a NUL byte, which servers have died of"
    for parameter in shape.parameters:
        if is_graphql(parameter) and parameter.value.lstrip().startswith("mutation"):
            return "a GraphQL mutation changes data"
        if parameter.value and (word := _acting_value(parameter)):
            return f"{parameter.name}={parameter.value[:40]!r} asks for {word!r}, which may change data"
    return ""


def _acting_value(parameter: Parameter) -> str:
    """The word by which a fixed value announces an action: `action=delete`, or a GraphQL mutation that is named so."""
    if parameter.place is InputPlace.JSON and is_graphql(parameter):
        return acting_word("/".join(_MUTATION.findall(parameter.value[:MAX_VALUE])))
    if parameter.name.lower().rpartition(".")[2] in COMMANDS:
        return acting_word("/" + parameter.value[:200].replace("/", "_"))
    return ""


def is_graphql(parameter: Parameter) -> bool:
    """True for the text of a GraphQL operation: it is kept, only its variables are inputs."""
    start = parameter.value.lstrip()[:12]
    return parameter.name == "query" and start.startswith(("query", "mutation", "{", "subscription"))


def with_value(shape: RequestShape, parameter: Parameter, value: Value) -> HttpRequest | None:
    """The request of `shape` with `value` in `parameter`; None where the input's place cannot be found, or where the
    request would be longer than a server takes (a page can name one placeholder a thousand times)."""
    return with_values(shape, {parameter: value})


def with_values(shape: RequestShape, values: Mapping[Parameter, Value]) -> HttpRequest | None:
    """As `with_value`, for several inputs of one request."""
    if not values or any(parameter not in shape.parameters for parameter in values):
        return None
    kind, body = _body(shape, values)
    return with_body(shape, kind, body, values)


def with_body(
    shape: RequestShape, kind: str, body: bytes, values: Mapping[Parameter, Value] | None = None
) -> HttpRequest | None:
    """The request of `shape` with a body of its own. `kind`: its media type, "" for no body."""
    path = _path(shape, values or {})
    if path is None:
        return None
    query = urlencoded(_pairs(shape, InputPlace.QUERY, values))
    if shape.method == "GET" and (form := _pairs(shape, InputPlace.FORM, values)):
        query = "&".join(filter(None, [query, urlencoded(form)]))
    headers = [(header_name(n), header_value(text)) for n, text in _pairs(shape, InputPlace.HEADER, values)]
    if cookies := _pairs(shape, InputPlace.COOKIE, values):
        headers.append(("Cookie", "; ".join(f"{header_name(n)}={cookie_value(text)}" for n, text in cookies)))
    if kind:
        headers.append(("Content-Type", kind))
    target = path + ("?" + query if query else "")
    if len(target) > MAX_TARGET or len(body) > MAX_BODY:
        return None
    return HttpRequest(shape.origin, shape.method, target, tuple(headers), body)


def _pairs(
    shape: RequestShape, place: InputPlace, values: Mapping[Parameter, Value] | None
) -> list[tuple[str, str]]:
    given = values or {}
    return [(p.name, _written(given.get(p), p)) for p in shape.parameters if p.place is place]


def _written(value: Value | None, parameter: Parameter) -> str:
    return value if isinstance(value, str) else _kept(parameter)


def _kept(parameter: Parameter) -> str:
    """An input that is not probed keeps its value; an empty one that the server may insist on gets a plausible one, and
    an amount that is too large becomes one."""
    value = parameter.value.replace("\0", "")
    if (
        value
        and asks_amount(parameter.name)
        and oversized(f"?{quote(parameter.name)}={quote(value, errors='replace')}")
    ):
        return "1"
    if value or parameter.place not in (InputPlace.FORM, InputPlace.JSON, InputPlace.PATH, InputPlace.XML):
        return value
    return "someone@example.org" if "mail" in parameter.name.lower() else "1"


def _path(shape: RequestShape, values: Mapping[Parameter, Value]) -> str | None:
    """The path with its inputs in place. A name that begins with `+` is written as it is (RFC 6570 3.2.3)."""
    path = quote(shape.path or "/", safe="/%:@!$&'()*+,;=~{}[]|", errors="surrogateescape")
    found = all(parameter.place is not InputPlace.PATH for parameter in values)
    for other in shape.parameters:
        if other.place is not InputPlace.PATH:
            continue
        raw = _written(values.get(other), other)
        text = (
            quote(raw[:MAX_VALUE], safe="/:?#[]@!$&'()*+,;=~%", errors="replace")
            if other.name[:1] == "+"
            else escaped(raw)
        )
        slot = "{" + other.name + "}"
        if slot in path:
            if len(path) + path.count(slot) * len(text) > MAX_TARGET:
                return None
            path = path.replace(slot, text)
            found = found or other in values
        elif other in values and other.value:
            segments = path.split("/")
            places = [at for at, segment in enumerate(segments) if segment in (other.value, escaped(other.value))]
            if places:
                segments[places[-1]] = text
                path, found = "/".join(segments), True
    if not found:
        return None
    return quote(path, safe="/%:@!$&'()*+,;=~-._?#[]" if "{+" in shape.path else "/%:@!$&'()*+,;=~-._")


def _body(shape: RequestShape, values: Mapping[Parameter, Value]) -> tuple[str, bytes]:
    """The media type and the bytes of the body, ("", b"") for none."""
    named = [p for p in shape.parameters if p.place is InputPlace.JSON]
    if named:
        given = [(p, values.get(p)) for p in named]
        fields = [(p.name, value if isinstance(value, str) else literal(_kept(p))) for p, value in given]
        return "application/json", json_body(fields)
    if elements := _pairs(shape, InputPlace.XML, values):
        return shape.content_type if "xml" in shape.content_type else XML, xml_document(elements)
    files = [p for p in shape.parameters if p.place is InputPlace.FILE]
    form = _pairs(shape, InputPlace.FORM, values)
    if shape.method == "GET" or not (form or files):
        return "", b""
    if files or shape.content_type.startswith(MULTIPART):
        uploads = [(p.name, v if isinstance(v := values.get(p), Upload) else NO_FILE) for p in files]
        return f"{MULTIPART}; boundary={BOUNDARY}", multipart([*form, *uploads])
    return URLENCODED, urlencoded(form).encode("ascii")
