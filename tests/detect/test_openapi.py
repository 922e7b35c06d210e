"""API descriptions to requests; descriptions made to hurt do not."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.openapi import MAX_STEPS, Steps, operations, parse_description
from secrecon.model.asset import InputPlace, RequestShape
from secrecon.model.target import Origin

API = Origin("http", "api.acme.test", 8080)


def shapes(body: bytes) -> dict[tuple[str, str], RequestShape]:
    document = parse_description(body)
    assert document is not None
    return {(shape.method, shape.path): shape for shape in operations(document, API, "/docs/openapi.json")}


OPENAPI: dict[str, object] = {
    "openapi": "3.0.3",
    "servers": [{"url": "/v1"}],
    "paths": {
        "/import": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Import"}}},
                },
            },
            "delete": {},
        },
        "/users/{id}": {
            "parameters": [{"name": "id", "in": "path", "schema": {"type": "integer"}}],
            "get": {
                "parameters": [
                    {"name": "q", "in": "query", "example": "anvil"},
                    {"$ref": "#/components/parameters/P"},
                ]
            },
        },
        "/form": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {"properties": {"image_url": {"type": "string", "default": "x"}}}
                        }
                    }
                }
            }
        },
    },
    "components": {
        "parameters": {"P": {"name": "X-P", "in": "header", "schema": {"enum": ["a", "b"]}}},
        "schemas": {
            "Import": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "source": {"type": "object", "properties": {"url": {"type": "string", "example": "http://x/"}}},
                    "items": {"type": "array", "items": {"properties": {"href": {"type": "string"}}}},
                    "self": {"$ref": "#/components/schemas/Import"},
                },
            }
        },
    },
}


def test_openapi_json() -> None:
    found = shapes(json.dumps(OPENAPI).encode())
    assert ("DELETE", "/v1/import") not in found
    body = {p.name: p for p in found["POST", "/v1/import"].parameters}
    assert body["source.url"].place is InputPlace.JSON
    assert body["source.url"].value == "http://x/"
    assert "items.0.href" in body
    assert found["POST", "/v1/import"].content_type == "application/json"
    user = {(p.name, p.place, p.value) for p in found["GET", "/v1/users/{id}"].parameters}
    assert user == {
        ("id", InputPlace.PATH, "1"),
        ("q", InputPlace.QUERY, "anvil"),
        ("X-P", InputPlace.HEADER, "a"),
    }
    form = found["POST", "/v1/form"].parameters
    assert [(p.name, p.place, p.value) for p in form] == [("image_url", InputPlace.FORM, "x")]


def test_swagger_2_yaml() -> None:
    body = b"""swagger: '2.0'
basePath: /api
paths:
  /fetch:
    get:
      parameters:
        - {name: url, in: query, type: string}
    post:
      parameters:
        - name: body
          in: body
          schema: {type: object, properties: {source: {type: object, properties: {url: {type: string}}}}}
"""
    found = shapes(body)
    assert [p.name for p in found["GET", "/api/fetch"].parameters] == ["url"]
    assert [p.name for p in found["POST", "/api/fetch"].parameters] == ["source.url"]


def test_a_server_elsewhere_keeps_its_origin() -> None:
    found = shapes(json.dumps({**OPENAPI, "servers": [{"url": "https://other.test/x"}]}).encode())
    assert all(shape.origin == Origin("https", "other.test", 443) for shape in found.values())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"openapi": "3.0.0"}',
        b'{"paths": {"/": {}}}',
        b'{"openapi": "9", "paths": {}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"openapi: 3\npaths: " + b"[" * 300_000,
        b"openapi: 3\npaths:\n" + b"- " * 100_000,
        b"openapi: &a [x]\nb: [*a, *a]\npaths: {}",
        b"openapi: 3\n" + b"k: [a, b]\n" * 40_000,
    ],
)
def test_what_is_no_description_or_a_trap_is_none(body: bytes) -> None:
    before = time.perf_counter()
    assert parse_description(body) is None
    assert time.perf_counter() - before < 5


def test_references_in_circles_end() -> None:
    document = {"openapi": "3.1.0", "paths": {"/a": {"$ref": "#/paths/~1b"}, "/b": {"$ref": "#/paths/~1a"}}}
    assert shapes(json.dumps(document).encode()) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["get", "post", "parameters", "schema", "properties", "items", "$ref", "name", "in", "content",
             "requestBody", "application/json", "/a", "example", "enum", "servers", "url", "basePath", "allOf"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=30,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=6).map(lambda t: "/" + t), JSON, max_size=4), JSON)
def test_any_document_gives_shapes_or_none(paths: dict[str, object], servers: object) -> None:
    body = json.dumps({"openapi": "3.0.0", "paths": paths, "servers": servers}).encode()
    document = parse_description(body)
    assert document is not None
    operations(document, API, "/openapi.json")


@given(st.binary(max_size=300))
def test_any_yaml_like_bytes_never_raise(data: bytes) -> None:
    parse_description(b"openapi: 3\n" + data)


def described(**parts: object) -> dict[str, object]:
    schema = {"content": {"application/json": {"schema": {"$ref": "#/x"}}}}
    return {"openapi": "3.0.0", "paths": {f"/{n}": {"post": {"requestBody": schema}} for n in range(300)}, **parts}


@pytest.mark.parametrize(
    "document",
    [
        described(x={"allOf": [{"$ref": "#/x"}] * 500}),
        described(x={"properties": {f"p{n}": {"$ref": "#/x"} for n in range(500)}}),
        described(x={"items": {"$ref": "#/x"}, "allOf": [{"$ref": "#/x"}] * 500}),
        described(x={"$ref": "#/" + "/" * 500_000}),
        {
            "openapi": "3.0.0",
            "x": {"parameters": [{"$ref": "#/y"}] * 50_000, "post": {"requestBody": {"$ref": "#/z"}}},
            "y": {"name": "n", "in": {"deep": ["x"] * 50_000}, "schema": {"type": ["x"] * 50_000}},
            "z": {"content": {f"text/{n}": {} for n in range(20_000)}},
            "paths": {f"/{n}": {"$ref": "#/x"} for n in range(300)},
        },
    ],
)
def test_references_to_references_cost_a_bounded_number_of_steps(document: dict[str, object]) -> None:
    read = parse_description(json.dumps(document).encode())
    assert read is not None
    steps = Steps()
    found = operations(read, API, "/", steps)
    assert len(found) == 300
    assert all(len(shape.parameters) <= 60 for shape in found)
    assert steps.taken <= MAX_STEPS


def test_what_was_left_out_for_want_of_steps_is_told() -> None:
    read = parse_description(json.dumps(OPENAPI).encode())
    assert read is not None
    few, enough = Steps(2), Steps()
    operations(read, API, "/", few)
    operations(read, API, "/", enough)
    assert few.spent
    assert not enough.spent
    assert enough.taken < 100


def test_names_are_bounded_and_odd_types_are_no_places() -> None:
    parameters = [
        {"name": "n" * 10_000, "in": "query"},
        {"name": "a", "in": {"query": 1}},
        {"name": "b", "in": "query", "schema": {"type": ["string"]}},
    ]
    document = {"openapi": "3.0.0", "paths": {"/": {"get": {"parameters": parameters}}}}
    shape = shapes(json.dumps(document).encode())["GET", "/"]
    assert [(parameter.name, parameter.value) for parameter in shape.parameters] == [("b", "")]
