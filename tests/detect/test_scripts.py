"""Endpoints in scripts, found without running them."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.scripts import MAX_ENDPOINTS, read_script

SCRIPT = b"""
const base = '/api/v2';
fetch("/api/users", {method: "POST", body: JSON.stringify({url: u, "name": n, tags})});
fetch(`/api/stock?item=${id}`);
axios.get('/api/axios'); axios.put("/api/put/1", {});
axios.delete('/api/gone');
var x = new XMLHttpRequest(); x.open('POST', 'rel/path');
$.getJSON("/api/list.json");
fetch('/api/dead', {method: 'DELETE'});
const notAPath = "/^[a-z]+$/", comment = "//", alsoNot = '/* x */', html = "</div>";
//# sourceMappingURL=app.js.map
"""


def test_calls_literals_and_the_source_map() -> None:
    facts = read_script(SCRIPT)
    found = {endpoint.href: endpoint for endpoint in facts.endpoints}
    assert found["/api/users"].method == "POST"
    assert found["/api/users"].fields == (("url", ""), ("name", ""), ("tags", ""))
    assert found["/api/stock?item=1"].method == "GET"
    assert found["/api/axios"].called
    assert found["/api/put/1"].method == "PUT"
    assert found["rel/path"].method == "POST"
    assert found["/api/v2"].called is False
    assert "/api/list.json" in found
    assert "//" not in found
    assert not any("^" in href or "*" in href or "<" in href for href in found)
    assert facts.source_map == "app.js.map"


def test_one_line_of_fifty_megabytes_does_not_hang() -> None:
    before = time.perf_counter()
    facts = read_script(b"var a='/x',b=fetch(" * 2_600_000)
    assert time.perf_counter() - before < 5
    assert facts.cut


def test_a_million_endpoints_are_cut() -> None:
    facts = read_script(b"".join(b"'/p%d'," % i for i in range(100_000)))
    assert len(facts.endpoints) == MAX_ENDPOINTS
    assert facts.cut


def test_inline_maps_are_no_address() -> None:
    assert read_script(b"//# sourceMappingURL=data:application/json;base64,e30=").source_map == ""


@given(st.binary(max_size=500))
def test_never_raises(body: bytes) -> None:
    read_script(body)


@given(st.text(alphabet="fetch('`/){}$: \"JSON.stringify,", max_size=300))
def test_never_raises_on_code_soup(text: str) -> None:
    read_script(text.encode())


def names(body: bytes) -> dict[str, tuple[tuple[str, str], ...]]:
    return {endpoint.href: endpoint.fields for endpoint in read_script(body).endpoints}


def test_nested_bodies_give_dotted_names_and_calls_inside_are_passed_over() -> None:
    body = b"""fetch("/api/n", {method: "POST", body: JSON.stringify({
        source: {url: input.value, 'kind': pick(a, {x: 1})}, name, list: [1, {y: 2}], mode: "a,b:c"})})"""
    assert names(body)["/api/n"] == (
        ("source.url", ""),
        ("source.kind", ""),
        ("name", ""),
        ("list", ""),
        ("mode", ""),
    )


def test_form_fields_of_a_script_are_no_json() -> None:
    (by_params,) = read_script(
        b'fetch("/a", {method: "POST", body: new URLSearchParams({feed: f, n: 1})})'
    ).endpoints
    assert (by_params.fields, by_params.form) == ((("feed", ""), ("n", "")), True)
    appended = b'const d = new FormData(); d.append("avatar_url", u); fetch("/b", {method: "POST", body: d})'
    (by_append,) = read_script(appended).endpoints
    assert (by_append.fields, by_append.form) == ((("avatar_url", ""),), True)


def test_graphql_operations_keep_their_text_and_offer_their_variables() -> None:
    body = b"""const q = `query Preview($link: String!, $first: Int) { preview(url: $link, n: $first) { title } }`;
    fetch("/api/graphql", {method: "POST", body: JSON.stringify({query: q})})"""
    operation = next(e for e in read_script(body).endpoints if e.fields and e.fields[0][1])
    assert operation.href == "/api/graphql"
    (query, text), *variables = operation.fields
    assert query == "query"
    assert text.startswith("query Preview($link: String!")
    assert variables == [("variables.link", ""), ("variables.first", "1")]


def test_unclosed_and_deep_literals_end() -> None:
    for hostile in (b"{" * 100_000, b"a:{" * 50_000, b"([" * 50_000, b"$a: String " * 50_000):
        body = b'fetch("/x", {method: "POST", body: JSON.stringify({' + hostile
        assert read_script(body).endpoints[0].href == "/x"
        assert read_script(b"query Q(" + hostile).endpoints == ()
