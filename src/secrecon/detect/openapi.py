"""OpenAPI 3 and Swagger 2 descriptions, JSON or YAML, to the requests that they describe.

Hostile until proven otherwise: bytes are bounded, nesting is bounded, YAML is built from parser events by hand because
libyaml's own composer dies of deep nesting, anchors and aliases are refused (no bombs), every scalar of YAML is text.
References are followed inside the document only, a bounded number of steps. A few kilobytes of references to
references describe more schemas than anybody could walk, so every step into the document is counted against one
bound (`Steps`). Nothing is fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TypeVar

import yaml

from secrecon.detect.links import MAX_TARGET, resolve
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.target import Origin

MAX_BODY = 2_000_000
MAX_YAML = 400_000
MAX_DEPTH = 60
MAX_NODES = 60_000
MAX_OPERATIONS = 300
MAX_PARAMETERS = 60
MAX_STEPS = 100_000
MAX_NAME = 200
MAX_MEDIA = 20
MAX_EXAMPLE = 500
MAX_REFERENCE = 500
_SCHEMA_DEPTH = 6
_METHODS = ("get", "post", "put", "patch")
_PLACES = {
    "query": InputPlace.QUERY,
    "path": InputPlace.PATH,
    "header": InputPlace.HEADER,
    "cookie": InputPlace.COOKIE,
}
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
T = TypeVar("T")

_KINDS = {"integer": "1", "number": "1", "boolean": "true", "string": "text"}
_FORMATS = {
    "uri": "https://example.invalid/",
    "url": "https://example.invalid/",
    "uri-reference": "https://example.invalid/",
    "hostname": "host.example.invalid",
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "email": "someone@example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
"""Values of a string's format; the addresses are of a name that never resolves (RFC 6761)."""

Value = object
"""A parsed JSON or YAML value; every use narrows it with isinstance."""


class Steps:
    """How much of a document may still be looked at. `taken`: how much was; `spent`: whether there was more."""

    def __init__(self, most: int = MAX_STEPS) -> None:
        self._most = most
        self.taken = 0
        self.spent = False

    def take(self) -> bool:
        """One step more; False where there is none left."""
        self.spent = self.taken >= self._most
        self.taken += not self.spent
        return not self.spent

    def of(self, values: Iterable[T], most: int = MAX_STEPS) -> Iterator[T]:
        """The first `most` of `values`, as far as the steps last."""
        for value in islice(values, most):
            if not self.take():
                return
            yield value


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


def operations(
    document: Mapping[str, Value], origin: Origin, target: str, steps: Steps | None = None
) -> tuple[RequestShape, ...]:
    """Every operation that only asks or posts (DELETE is left out), at the servers the document names.

    `origin`, `target`: where it was read. A path keeps its `{name}`; each is a PATH parameter too. `steps`: how much of
    the document is looked at; what lies behind is left out.
    """
    found: list[RequestShape] = []
    reader = _Reader(document, steps or Steps())
    server, prefix = _server(document, origin, target)
    for path, item in islice(_mapping(document.get("paths")).items(), MAX_OPERATIONS):
        shared = reader.deref(item)
        for method in _METHODS:
            operation = reader.deref(shared.get(method))
            if not isinstance(shared.get(method), Mapping) or not path.startswith("/") or len(path) > MAX_TARGET:
                continue
            if len(found) >= MAX_OPERATIONS:
                return tuple(found)
            parameters, media = reader.inputs(shared, operation)
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


def _server(document: Mapping[str, Value], origin: Origin, target: str) -> tuple[Origin, str]:
    """The origin and the path prefix that the operations are relative to."""
    base = document.get("basePath")
    if isinstance(base, str):
        return origin, base.rstrip("/") if base.startswith("/") and len(base) <= MAX_TARGET else ""
    for entry in _sequence(document.get("servers"))[:1]:
        url = _mapping(entry).get("url")
        if isinstance(url, str) and url and "{" not in url:
            place = resolve(origin, target, url)
            if place is not None:
                return place[0], place[1].split("?")[0].rstrip("/")
    return origin, ""


class _Reader:
    """Looks things up in one document, within its steps."""

    def __init__(self, document: Mapping[str, Value], steps: Steps) -> None:
        self._document = document
        self._steps = steps

    def deref(self, value: Value) -> Mapping[str, Value]:
        """A mapping with its local `$ref`, and the refs that leads to, followed."""
        node = _mapping(value)
        for _ in range(_SCHEMA_DEPTH):
            reference = node.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return node
            if len(reference) > MAX_REFERENCE or not self._steps.take():
                return {}
            here: Value = self._document
            for part in reference[2:].split("/")[:10]:
                here = _mapping(here).get(part.replace("~1", "/").replace("~0", "~"))
            node = _mapping(here)
        return {}

    def inputs(
        self, shared: Mapping[str, Value], operation: Mapping[str, Value]
    ) -> tuple[tuple[Parameter, ...], str]:
        """The parameters of an operation and the media type of its body."""
        found: dict[tuple[InputPlace, str], Parameter] = {}
        media = ""
        given = chain(_sequence(shared.get("parameters")), _sequence(operation.get("parameters")))
        for raw in self._steps.of(given, MAX_PARAMETERS):
            entry = self.deref(raw)
            name, place = entry.get("name"), entry.get("in")
            if not isinstance(name, str) or not isinstance(place, str) or len(name) > MAX_NAME:
                continue
            if place in _PLACES:
                value = self._example(entry) or self._example(self.deref(entry.get("schema")))
                found[_PLACES[place], name] = Parameter(name, _PLACES[place], value)
            elif place == "formData":
                media = _FORMS[0]
                found[InputPlace.FORM, name] = Parameter(name, InputPlace.FORM, self._example(entry))
            elif place == "body":
                media = "application/json"
                for parameter in self._properties(entry.get("schema"), InputPlace.JSON):
                    found[parameter.place, parameter.name] = parameter
        body, body_media = self._body(operation)
        for parameter in body:
            found[parameter.place, parameter.name] = parameter
        return tuple(found.values())[:MAX_PARAMETERS], body_media or media

    def _body(self, operation: Mapping[str, Value]) -> tuple[list[Parameter], str]:
        content = _mapping(self.deref(operation.get("requestBody")).get("content"))
        entries = list(self._steps.of(content.items(), MAX_MEDIA))
        for media, entry in entries:
            if "json" in media[:MAX_NAME]:
                return self._media(entry, InputPlace.JSON), "application/json"
        for media, entry in entries:
            if media in _FORMS:
                return self._media(entry, InputPlace.FORM), media
        for media, entry in entries:
            if "xml" in media[:MAX_NAME]:
                return self._elements(entry), media[:MAX_NAME]
        return [], ""

    def _elements(self, entry: Value) -> list[Parameter]:
        """As `_media`, below the root element: what the schema says its name is, else that of its definition."""
        raw = _mapping(_mapping(entry).get("schema"))
        told, reference = _mapping(self.deref(raw).get("xml")).get("name"), raw.get("$ref")
        named = (
            told if isinstance(told, str) else reference.rsplit("/", 1)[-1] if isinstance(reference, str) else ""
        )
        root = (named or "request")[:MAX_NAME].replace(".", "_")
        found = self._media(entry, InputPlace.XML)
        return [Parameter(f"{root}.{p.name}", InputPlace.XML, p.value) for p in found]

    def _media(self, entry: Value, place: InputPlace) -> list[Parameter]:
        """The parameters of a media type; its own example stands where its schema has none."""
        schema = _mapping(_mapping(entry).get("schema"))
        example = None if "$ref" in schema else _mapping(entry).get("example")
        return self._properties(schema, place, example)

    def _properties(self, schema: Value, place: InputPlace, example: Value = None) -> list[Parameter]:
        """Every leaf of a schema, named by its path: `source.url`, `items.0.url`."""
        found: list[Parameter] = []

        def walk(raw: Value, prefix: str, depth: int, example: Value) -> None:
            if depth == 0 or len(found) >= MAX_PARAMETERS or len(prefix) > MAX_NAME or not self._steps.take():
                return
            node = self.deref(raw)
            given = node.get("example", example)
            for part in self._steps.of(
                chain(
                    _sequence(node.get("allOf")),
                    _sequence(node.get("oneOf"))[:1],
                    _sequence(node.get("anyOf"))[:1],
                )
            ):
                walk(part, prefix, depth - 1, given)
            properties = _mapping(node.get("properties"))
            for name, item in self._steps.of(properties.items()):
                below = f"{prefix}.{name[: MAX_NAME + 1]}" if prefix else name[: MAX_NAME + 1]
                walk(item, below, depth - 1, _mapping(given).get(name))
            items = node.get("items")
            if isinstance(items, Mapping):
                first = _sequence(given)[0] if _sequence(given) else None
                walk(items, f"{prefix}.0" if prefix else "0", depth - 1, first)
            elif prefix and not properties and not any(key in node for key in ("allOf", "oneOf", "anyOf")):
                file = place is InputPlace.FORM and node.get("format") == "binary"
                value = "" if file else _text(given) or self._example(node)
                found.append(Parameter(prefix, InputPlace.FILE if file else place, value))

        walk(schema, "", _SCHEMA_DEPTH, example)
        return found[:MAX_PARAMETERS]

    def _example(self, node: Mapping[str, Value]) -> str:
        """A value that the schema would accept, as text."""
        for key in ("example", "default", "x-example"):
            if _text(node.get(key)):
                return _text(node.get(key))
        for named in islice(_mapping(node.get("examples")).values(), 1):
            return _text(self.deref(named).get("value"))
        choices = _sequence(node.get("enum"))
        if choices and _text(choices[0]):
            return _text(choices[0])
        kind, form = node.get("type"), node.get("format")
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form]
        return _KINDS.get(kind, "") if isinstance(kind, str) else ""


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)[:MAX_EXAMPLE] if isinstance(value, str | int | float) else ""
