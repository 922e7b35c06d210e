"""OpenAPI 3 and Swagger 2 descriptions, JSON or YAML, to the requests that they describe.

Hostile until proven otherwise: bytes are bounded, nesting is bounded, YAML is built from parser events by hand because
libyaml's own composer dies of deep nesting, anchors and aliases are refused (no bombs), every scalar of YAML is text.
References are followed inside the document only, a bounded number of steps. Nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import yaml

from secrecon.detect.links import resolve
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.target import Origin

MAX_BODY = 2_000_000
MAX_YAML = 400_000
MAX_DEPTH = 60
MAX_NODES = 60_000
MAX_OPERATIONS = 300
MAX_PARAMETERS = 60
_SCHEMA_DEPTH = 6
_METHODS = ("get", "post", "put", "patch")
_PLACES = {
    "query": InputPlace.QUERY,
    "path": InputPlace.PATH,
    "header": InputPlace.HEADER,
    "cookie": InputPlace.COOKIE,
}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Value = object
"""A parsed JSON or YAML value; every use narrows it with isinstance."""


def parse_description(body: bytes) -> Mapping[str, Value] | None:
    """The document where it is an OpenAPI or Swagger description with paths, else None. Never raises."""
    text = body[:MAX_BODY].lstrip(b"\xef\xbb\xbf \t\r\n")
    if len(body) > MAX_BODY:
        return None
    value = _json(text) if text.startswith(b"{") else _yaml(text)
    if not isinstance(value, Mapping) or not isinstance(value.get("paths"), Mapping):
        return None
    version = value.get("openapi", value.get("swagger"))
    return value if isinstance(version, str | int | float) and str(version)[:1] in ("2", "3") else None


def operations(document: Mapping[str, Value], origin: Origin, target: str) -> tuple[RequestShape, ...]:
    """Every operation that only asks or posts (DELETE is left out), at the servers the document names.

    `origin`, `target`: where it was read. A path keeps its `{name}`; each is a PATH parameter too.
    """
    found: list[RequestShape] = []
    server, prefix = _server(document, origin, target)
    for path, item in list(_mapping(document.get("paths")).items())[:MAX_OPERATIONS]:
        shared = _deref(document, item)
        for method in _METHODS:
            operation = _deref(document, shared.get(method))
            if not isinstance(shared.get(method), Mapping) or not path.startswith("/"):
                continue
            if len(found) >= MAX_OPERATIONS:
                return tuple(found)
            parameters, media = _inputs(document, shared, operation)
            whole = resolve(server, "/", prefix + path.split("?")[0])
            if whole is not None:
                found.append(RequestShape(whole[0], method.upper(), whole[1], parameters, "openapi", media))
    return tuple(found)


def _json(text: bytes) -> Value:
    try:
        value: Value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value


def _yaml(text: bytes) -> Value:
    head = text[:5_000]
    if len(text) > MAX_YAML or (b"openapi:" not in head and b"swagger:" not in head):
        return None
    try:
        return _Builder(text).value()
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


class _Builder:
    """Values from YAML events: mappings with text keys, lists, text. Raises ValueError at a bound."""

    def __init__(self, text: bytes) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.CBaseLoader)
        self._left = MAX_NODES

    def value(self) -> Value:
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                return self._node(event, MAX_DEPTH)
        return None

    def _node(self, event: yaml.Event, depth: int) -> Value:
        self._left -= 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError("anchors are not read")
        if self._left < 0 or depth == 0:
            raise ValueError("too large or too deep")
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return [self._node(item, depth - 1) for item in iter(self._next, None)]
        found: dict[str, Value] = {}
        for key in iter(self._next, None):
            name = self._node(key, depth - 1)
            item = self._next()
            if item is None:
                break
            value = self._node(item, depth - 1)
            if isinstance(name, str):
                found[name] = value
        return found

    def _next(self) -> yaml.Event | None:
        event = next(self._events, None)
        return None if isinstance(event, yaml.CollectionEndEvent) else event


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Value) -> Sequence[Value]:
    return value if isinstance(value, list) else ()


def _deref(document: Mapping[str, Value], value: Value) -> Mapping[str, Value]:
    """A mapping with its local `$ref`, and the refs that leads to, followed."""
    node = _mapping(value)
    for _ in range(_SCHEMA_DEPTH):
        reference = node.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return node
        here: Value = document
        for part in reference[2:].split("/")[:10]:
            here = _mapping(here).get(part.replace("~1", "/").replace("~0", "~"))
        node = _mapping(here)
    return {}


def _server(document: Mapping[str, Value], origin: Origin, target: str) -> tuple[Origin, str]:
    """The origin and the path prefix that the operations are relative to."""
    base = document.get("basePath")
    if isinstance(base, str):
        return origin, base.rstrip("/") if base.startswith("/") else ""
    for entry in _sequence(document.get("servers"))[:1]:
        url = _mapping(entry).get("url")
        if isinstance(url, str) and url and "{" not in url:
            place = resolve(origin, target, url)
            if place is not None:
                return place[0], place[1].split("?")[0].rstrip("/")
    return origin, ""


def _inputs(
    document: Mapping[str, Value], shared: Mapping[str, Value], operation: Mapping[str, Value]
) -> tuple[tuple[Parameter, ...], str]:
    found: dict[tuple[InputPlace, str], Parameter] = {}
    media = ""
    for raw in [*_sequence(shared.get("parameters")), *_sequence(operation.get("parameters"))][:MAX_PARAMETERS]:
        entry = _deref(document, raw)
        name, place = entry.get("name"), str(entry.get("in"))
        if not isinstance(name, str):
            continue
        if place in _PLACES:
            value = _example(document, entry) or _example(document, _deref(document, entry.get("schema")))
            found[_PLACES[place], name] = Parameter(name, _PLACES[place], value)
        elif place == "formData":
            media = _FORMS[0]
            found[InputPlace.FORM, name] = Parameter(name, InputPlace.FORM, _example(document, entry))
        elif place == "body":
            media = "application/json"
            for parameter in _properties(document, entry.get("schema"), InputPlace.JSON):
                found[parameter.place, parameter.name] = parameter
    body, body_media = _body(document, operation)
    for parameter in body:
        found[parameter.place, parameter.name] = parameter
    return tuple(found.values())[:MAX_PARAMETERS], body_media or media


def _body(document: Mapping[str, Value], operation: Mapping[str, Value]) -> tuple[list[Parameter], str]:
    content = _mapping(_deref(document, operation.get("requestBody")).get("content"))
    for media, entry in content.items():
        if "json" in media:
            schema = _with_example(_mapping(entry))
            return list(_properties(document, schema, InputPlace.JSON)), "application/json"
    for media, entry in content.items():
        if media in _FORMS:
            schema = _with_example(_mapping(entry))
            return list(_properties(document, schema, InputPlace.FORM)), media
    return [], ""


def _with_example(entry: Mapping[str, Value]) -> Mapping[str, Value]:
    """A media type's schema, its example put in where the schema has none."""
    schema = _mapping(entry.get("schema"))
    if "example" not in entry or "example" in schema or "$ref" in schema:
        return schema
    return {**schema, "example": entry["example"]}


def _properties(document: Mapping[str, Value], schema: Value, place: InputPlace) -> list[Parameter]:
    """Every leaf of a schema, named by its path: `source.url`, `items.0.url`."""
    found: list[Parameter] = []

    def walk(raw: Value, prefix: str, depth: int, example: Value) -> None:
        node = _deref(document, raw)
        if depth == 0 or len(found) >= MAX_PARAMETERS:
            return
        given = node.get("example", example)
        for part in [
            *_sequence(node.get("allOf")),
            *_sequence(node.get("oneOf"))[:1],
            *_sequence(node.get("anyOf"))[:1],
        ]:
            walk(part, prefix, depth - 1, given)
        properties = _mapping(node.get("properties"))
        for name, item in properties.items():
            walk(item, f"{prefix}.{name}" if prefix else str(name), depth - 1, _mapping(given).get(name))
        items = node.get("items")
        if isinstance(items, Mapping):
            first = _sequence(given)[0] if _sequence(given) else None
            walk(items, f"{prefix}.0" if prefix else "0", depth - 1, first)
        elif prefix and not properties and not any(key in node for key in ("allOf", "oneOf", "anyOf")):
            found.append(Parameter(prefix, place, _text(given) or _example(document, node)))

    walk(schema, "", _SCHEMA_DEPTH, None)
    return found[:MAX_PARAMETERS]


def _example(document: Mapping[str, Value], node: Mapping[str, Value]) -> str:
    """A value that the schema would accept, as text."""
    for key in ("example", "default", "x-example"):
        if _text(node.get(key)):
            return _text(node.get(key))
    for named in _mapping(node.get("examples")).values():
        return _text(_deref(document, named).get("value"))
    choices = _sequence(node.get("enum"))
    if choices and _text(choices[0]):
        return _text(choices[0])
    return {"integer": "1", "number": "1", "boolean": "true", "string": "text"}.get(str(node.get("type")), "")


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:500] if isinstance(value, str | int | float) else ""
