"""What an open GraphQL endpoint says that it can be asked (GraphQL October 2021, section 4): its queries, never its mutations.

One small question about the query type alone, so that a schema of any size answers in kilobytes. From the answer each query
becomes a request with its arguments as variables; what needs an object that we would have to make up is left out. Bounded,
pure, nothing is sent here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin

MAX_BODY = 2_000_000
MAX_QUERIES, MAX_ARGUMENTS = 200, 12
USUAL_PLACES = ("/graphql", "/api/graphql")
_TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name } } }"
_FIELD = f"name args {{ name type {{ {_TYPE} }} }} type {{ {_TYPE} }}"
QUESTION = f"query Introspection {{ __schema {{ queryType {{ fields {{ {_FIELD} }} }} }} }}"
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}\Z")
_SCALARS = {"Int": "1", "Float": "1", "Boolean": "true"}


@dataclass(frozen=True, slots=True)
class _Type:
    """A type without its wrappers. `written`: as a variable's type is written."""

    kind: str
    name: str
    required: bool
    listed: bool
    written: str


def introspection(origin: Origin, path: str) -> HttpRequest:
    """The question."""
    body = json.dumps({"query": QUESTION}).encode("ascii")
    headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
    return HttpRequest(origin, "POST", path, headers, body)


def is_open(reply: HttpReply) -> bool:
    """Whether the reply tells the schema."""
    return bool(_fields(reply))


def queries(request: HttpRequest, reply: HttpReply) -> tuple[RequestShape, ...]:
    """A request for each query that takes arguments which can be written, in order."""
    found: list[RequestShape] = []
    path = request.target.partition("?")[0]
    for field in _fields(reply):
        if len(found) >= MAX_QUERIES:
            break
        shape = _query(request.origin, path, field)
        if shape is not None:
            found.append(shape)
    return tuple(found)


def _fields(reply: HttpReply) -> list[object]:
    if reply.status != 200 or len(reply.body) > MAX_BODY or b"queryType" not in reply.body:
        return []
    try:
        node: object = json.loads(reply.body)
    except (ValueError, RecursionError):
        return []
    for key in ("data", "__schema", "queryType", "fields"):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node[:MAX_QUERIES] if isinstance(node, list) else []


def _query(origin: Origin, path: str, field: object) -> RequestShape | None:
    name = _name(field)
    shown = _type(field)
    if not name or shown is None:
        return None
    arguments: list[tuple[str, _Type]] = []
    for argument in _arguments(field):
        argument_name, kind = _name(argument), _type(argument)
        if not argument_name or kind is None or kind.kind not in ("SCALAR", "ENUM") or kind.listed:
            if kind is not None and not kind.required:
                continue
            return None
        if kind.kind == "SCALAR" or kind.required:
            arguments.append((argument_name, kind))
    if not arguments or any(kind.kind == "ENUM" for _, kind in arguments):
        return None
    variables = ", ".join(f"${argument}: {kind.written}" for argument, kind in arguments)
    given = ", ".join(f"{argument}: ${argument}" for argument, _ in arguments)
    selection = "" if shown.kind in ("SCALAR", "ENUM") else " { __typename }"
    text = f"query Q({variables}) {{ {name}({given}){selection} }}"
    parameters = [Parameter("query", InputPlace.JSON, text)]
    parameters += [
        Parameter(f"variables.{a}", InputPlace.JSON, _SCALARS.get(kind.name, "text")) for a, kind in arguments
    ]
    return RequestShape(origin, "POST", path, tuple(parameters), "graphql", "application/json")


def _arguments(field: object) -> Iterator[object]:
    given = field.get("args") if isinstance(field, Mapping) else None
    yield from given[:MAX_ARGUMENTS] if isinstance(given, list) else ()


def _name(node: object) -> str:
    name = node.get("name") if isinstance(node, Mapping) else None
    return name if isinstance(name, str) and _NAME.match(name) else ""


def _type(node: object) -> _Type | None:
    """The type that a field or an argument has, through at most four wrappers."""
    here = node.get("type") if isinstance(node, Mapping) else None
    required = listed = False
    for depth in range(5):
        if not isinstance(here, Mapping):
            return None
        kind = here.get("kind")
        if kind == "NON_NULL":
            required = required or depth == 0
        elif kind == "LIST":
            listed = True
        else:
            name = _name(here)
            written = f"{name}!" if required else name
            return _Type(kind, name, required, listed, written) if isinstance(kind, str) and name else None
        here = here.get("ofType")
    return None
