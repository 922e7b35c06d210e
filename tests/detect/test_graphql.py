"""Introspection: queries with arguments become requests; mutations, made-up objects and nonsense become none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.graphql import MAX_QUERIES, QUESTION, introspection, is_open, queries
from secrecon.detect.inject import unsafe_reason, with_value
from secrecon.model.asset import InputPlace, RequestShape
from secrecon.model.http import HttpReply
from secrecon.model.target import Origin

SHOP = Origin("http", "shop.acme.test", 80)
STRING = {"kind": "SCALAR", "name": "String"}


def required(kind: object) -> dict[str, object]:
    return {"kind": "NON_NULL", "name": None, "ofType": kind}


def field(name: str, *args: tuple[str, object], kind: object = None) -> dict[str, object]:
    given = [{"name": argument, "type": of} for argument, of in args]
    return {"name": name, "args": given, "type": kind or {"kind": "OBJECT", "name": "Page"}}


def answer(body: bytes, status: int = 200) -> HttpReply:
    return HttpReply(status, "OK", (), body, b"", body, b"", False, (), 0.1, "127.0.0.1")


def read(*fields: object) -> tuple[RequestShape, ...]:
    body = json.dumps({"data": {"__schema": {"queryType": {"fields": fields}}}}).encode()
    assert is_open(answer(body)) is bool(fields)
    return queries(introspection(SHOP, "/graphql"), answer(body))


def test_a_query_with_arguments_is_a_request_that_can_be_probed() -> None:
    number = {"kind": "SCALAR", "name": "Int"}
    (shape,) = read(field("preview", ("url", required(STRING)), ("first", number)))
    assert (shape.method, shape.path, shape.content_type) == ("POST", "/graphql", "application/json")
    text, *inputs = shape.parameters
    assert text.value == "query Q($url: String!, $first: Int) { preview(url: $url, first: $first) { __typename } }"
    assert [(p.name, p.value) for p in inputs] == [("variables.url", "text"), ("variables.first", "1")]
    assert unsafe_reason(shape) == ""
    request = with_value(shape, inputs[0], "http://a.test/")
    assert request is not None
    assert json.loads(request.body)["variables"] == {"url": "http://a.test/", "first": 1}


def test_what_would_have_to_be_made_up_is_left_out() -> None:
    made_up = {"kind": "INPUT_OBJECT", "name": "Filter"}
    listed = {"kind": "LIST", "name": None, "ofType": STRING}
    assert read(field("all"), field("a", ("f", required(made_up))), field("b", ("l", required(listed)))) == ()
    (shape,) = read(field("c", ("f", made_up), ("l", listed), ("q", STRING), kind=STRING))
    assert shape.parameters[0].value == "query Q($q: String) { c(q: $q) }"


def test_the_question_asks_for_queries_alone() -> None:
    assert "mutation" not in QUESTION.lower()
    assert all(s.parameters[0].place is InputPlace.JSON for s in read(field("x", ("q", STRING))))


def test_a_mutation_is_never_probed() -> None:
    (shape,) = read(field("x", ("q", STRING)))
    text = shape.parameters[0]
    changed = RequestShape(
        shape.origin,
        "POST",
        shape.path,
        (type(text)("query", text.place, "mutation M($q: String) { add(q: $q) { id } }"),),
        "s",
    )
    assert "mutation" in unsafe_reason(changed)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"data": null}',
        b'{"errors": ["queryType"]}',
        b'{"data": {"__schema": {"queryType": 3}}}',
        b'{"queryType": ' + b"[" * 100_000,
    ],
)
def test_a_closed_endpoint(body: bytes) -> None:
    assert not is_open(answer(body))


def test_hostile_schemas() -> None:
    deep: object = STRING
    for _ in range(50):
        deep = required(deep)
    assert read(field("a", ("q", deep))) == ()
    assert read(field("a b(", ("q", STRING)), field("c", ('q: "', STRING)), {"name": 3}, "text") == ()
    assert len(read(*[field(f"q{n}", ("a", STRING)) for n in range(1_000)])) == MAX_QUERIES


KEYS = st.sampled_from(["name", "args", "type", "kind", "ofType"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5), lambda c: st.lists(c) | st.dictionaries(KEYS, c), max_leaves=20
)


@given(ANYTHING)
def test_never_raises(value: object) -> None:
    read(value, field("x", ("q", value)), {"name": "y", "args": value, "type": value})
