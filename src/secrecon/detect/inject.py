"""Puts a value into one input of a known request and leaves everything else as it was.

Works on what the crawl, a form or an API description told (`RequestShape`). The result can always be written as a
request: text is percent-encoded or cut down to what a header may hold. Nothing is sent here. Requests whose method
or path announces that they remove or change something are not touched (`unsafe_reason`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpRequest
from secrecon.model.record import JsonValue

SAFE_METHODS = frozenset({"GET", "HEAD", "POST"})
MAX_DEPTH = 12
MAX_VALUE = 4_096
MAX_TARGET = 32_000
MAX_BODY = 64_000
BOUNDARY = "secrecon-form-boundary-7f3a91"
_CHANGING = (
    "delete",
    "remove",
    "destroy",
    "logout",
    "signout",
    "unsubscribe",
    "checkout",
    "purchase",
    "pay",
    "reset",
)


def location_of(shape: RequestShape, parameter: Parameter) -> str:
    """How findings and payloads name an input: `METHOD /path place:name`."""
    return f"{shape.method} {shape.path} {parameter.place}:{parameter.name}"


def unsafe_reason(shape: RequestShape) -> str:
    """Why this request is not probed although it has inputs; "" where it may be."""
    if shape.method not in SAFE_METHODS:
        return f"{shape.method} may change data"
    words = {word for part in shape.path.lower().split("/") for word in part.replace("_", "-").split("-")}
    found = sorted(word for word in words if word.partition(".")[0] in _CHANGING)
    return f"a path with {found[0]!r} may change data" if found else ""


def with_value(shape: RequestShape, parameter: Parameter, value: str) -> HttpRequest | None:
    """The request of `shape` with `value` in `parameter`; None where the input's place cannot be found, or where the
    request would be longer than a server takes (a page can name one placeholder a thousand times)."""
    if parameter not in shape.parameters:
        return None
    path = _path(shape, parameter, value)
    if path is None:
        return None
    pairs = {
        place: [
            (p.name, value if p is parameter or p == parameter else _kept(p))
            for p in shape.parameters
            if p.place is place
        ]
        for place in InputPlace
    }
    query = "&".join(f"{_escape(name)}={_escape(text)}" for name, text in pairs[InputPlace.QUERY])
    if shape.method == "GET" and pairs[InputPlace.FORM]:
        query = "&".join(filter(None, [query, _urlencoded(pairs[InputPlace.FORM])]))
    headers = [(_header_name(name), _header_value(text)) for name, text in pairs[InputPlace.HEADER]]
    if pairs[InputPlace.COOKIE]:
        cookies = (f"{_header_name(name)}={_cookie_value(text)}" for name, text in pairs[InputPlace.COOKIE])
        headers.append(("Cookie", "; ".join(cookies)))
    kind, body = _body(shape, pairs, parameter)
    if kind:
        headers.append(("Content-Type", kind))
    target = path + ("?" + query if query else "")
    if len(target) > MAX_TARGET or len(body) > MAX_BODY:
        return None
    return HttpRequest(shape.origin, shape.method, target, tuple(headers), body)


def _kept(parameter: Parameter) -> str:
    """An input that is not probed keeps its value; an empty one that the server may insist on gets a plausible one."""
    if parameter.value or parameter.place not in (InputPlace.FORM, InputPlace.JSON, InputPlace.PATH):
        return parameter.value
    return "someone@example.org" if "mail" in parameter.name.lower() else "1"


def _path(shape: RequestShape, parameter: Parameter, value: str) -> str | None:
    path = quote(shape.path or "/", safe="/%:@!$&'()*+,;=~{}[]|", errors="surrogateescape")
    found = parameter.place is not InputPlace.PATH
    for other in shape.parameters:
        if other.place is not InputPlace.PATH:
            continue
        text = _escape(value if other == parameter else _kept(other))
        slot = "{" + other.name + "}"
        if slot in path:
            if len(path) + path.count(slot) * len(text) > MAX_TARGET:
                return None
            path = path.replace(slot, text)
            found = found or other == parameter
        elif other == parameter and other.value:
            segments = path.split("/")
            places = [at for at, segment in enumerate(segments) if segment in (other.value, _escape(other.value))]
            if places:
                segments[places[-1]] = text
                path, found = "/".join(segments), True
    if not found:
        return None
    return quote(path, safe="/%:@!$&'()*+,;=~-._")


def _body(
    shape: RequestShape, pairs: Mapping[InputPlace, Sequence[tuple[str, str]]], parameter: Parameter
) -> tuple[str, bytes]:
    if pairs[InputPlace.JSON]:
        names = [(p.name, p == parameter) for p in shape.parameters if p.place is InputPlace.JSON]
        fields = [
            (n, t if hit else _literal(t)) for (n, hit), (_, t) in zip(names, pairs[InputPlace.JSON], strict=True)
        ]
        return "application/json", json.dumps(_nested(fields)).encode("ascii")
    form = pairs[InputPlace.FORM]
    if not form or shape.method == "GET":
        return "", b""
    if shape.content_type.startswith("multipart/form-data"):
        return f"multipart/form-data; boundary={BOUNDARY}", _multipart(form)
    return "application/x-www-form-urlencoded", _urlencoded(form).encode("ascii")


def _escape(text: str) -> str:
    return quote(text[:MAX_VALUE], safe="", errors="surrogatepass" if text.isascii() else "replace")


def _urlencoded(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{_escape(name)}={_escape(text)}" for name, text in pairs)


def _multipart(pairs: Sequence[tuple[str, str]]) -> bytes:
    lines: list[str] = []
    for name, text in pairs:
        quoted = _header_value(name).replace("\\", "\\\\").replace('"', "%22")
        lines += [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{quoted}"', "", text[:MAX_VALUE]]
    return "\r\n".join([*lines, f"--{BOUNDARY}--", ""]).encode("utf-8", "replace")


def _header_name(name: str) -> str:
    allowed = "!#$%&'*+-.^_`|~"
    return "".join(c for c in name[:100] if c.isascii() and (c.isalnum() or c in allowed)) or "X"


def _header_value(text: str) -> str:
    return "".join(c for c in text[:MAX_VALUE] if " " <= c <= "~").strip()


def _cookie_value(text: str) -> str:
    return _header_value(text).replace(";", "%3B").replace(",", "%2C").replace(" ", "%20")


def _literal(text: str) -> JsonValue:
    """A kept JSON value: what reads as a number, true, false or null is one, everything else stays text."""
    if len(text) > 30:
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, int | float | bool) or value is None else text


def _nested(fields: Sequence[tuple[str, JsonValue]]) -> JsonValue:
    """Dotted paths as nested objects; `items.0.url`, `items[0].url` and `items[].url` as lists."""
    root: dict[str, JsonValue] = {}
    for name, value in fields:
        keys = name.replace("[]", ".0").replace("[", ".").replace("]", "").split(".")[:MAX_DEPTH]
        keys = [key for key in keys if key] or [name]
        here = root
        for key in keys[:-1]:
            below = here.setdefault(key, {})
            if not isinstance(below, dict):
                below = here[key] = {}
            here = below
        here[keys[-1]] = value
    return {key: _lists(value) for key, value in root.items()}


def _lists(value: JsonValue) -> JsonValue:
    if not isinstance(value, dict):
        return value
    items = {key: _lists(item) for key, item in value.items()}
    return list(items.values()) if items and all(key.isascii() and key.isdigit() for key in items) else items
