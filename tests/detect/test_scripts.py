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
    assert found["/api/users"].fields == ("url", "name", "tags")
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
