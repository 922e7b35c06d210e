"""Raw requests and flows: annotations, request lines, headers, bodies; calls in order and no further than needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.templates.errors import DslError
from secrecon.templates.flow import Ask, Flow, parse_flow
from secrecon.templates.rawrequest import Annotations, parse_raw, split_annotations


def test_annotations_stand_before_the_request_line() -> None:
    annotations, rest = split_annotations(
        "@Host: other.test:81\n@tls-sni: name.test\n@timeout: 20s\n@once\nGET / HTTP/1.1\n@x: y\n"
    )
    assert annotations == Annotations("other.test:81", "name.test", 20.0, True)
    assert rest == "GET / HTTP/1.1\n@x: y\n"


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("@timeout: 1m", 60),
        ("@timeout: 500ms", 0.5),
        ("@timeout: 9h", 300),
        ("@timeout 20s", 0),
        ("@timeout: 20", 0),
    ],
)
def test_a_timeout_needs_its_colon_and_unit_and_is_capped(line: str, seconds: float) -> None:
    assert split_annotations(line + "\nGET / HTTP/1.1")[0].timeout == seconds


@pytest.mark.parametrize(
    ("request_", "method", "path", "headers", "body"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/a?b", (("Host", "x"),), b""),
        (b"GET HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "", (("Host", "x"),), b""),
        (b"GET http://other/a/../b?c HTTP/1.1\n\n", "GET", "/a/../b?c", (), b""),
        (b"GET https://other HTTP/1.1\n\n", "GET", "", (), b""),
        (b"POST /a HTTP/1.1\r\nx-a: 1\r\nX-A: 2:3\r\n\r\nbody\r\n", "POST", "/a", (("X-A", "2:3"),), b"body"),
        (b"POST /a HTTP/1.1\r\nContent-Type: multipart/form-data\r\n\r\n--a\r\n", "POST", "/a",
         (("Content-Type", "multipart/form-data"),), b"--a\r\n"),
        (b"GET / HTTP/1.1\nOdd\n: x\n\n\xff", "GET", "/", (("Odd", ""),), b"\xff"),
    ],
)  # fmt: skip
def test_raw_requests_are_read(request_: bytes, method: str, path: str, headers: object, body: bytes) -> None:
    parts = parse_raw(request_)
    assert (parts.method, parts.path, parts.headers, parts.body) == (method, path, headers, body)


def test_a_raw_request_needs_a_request_line() -> None:
    with pytest.raises(DslError, match="request line"):
        parse_raw(b"\r\nHost: x\r\n\r\n")


@given(st.binary(max_size=200))
def test_any_request_line_is_followed_by_anything(rest: bytes) -> None:
    assert parse_raw(b"GET / HTTP/1.1\r\n" + rest).method == "GET"


def run(source: str, *, true: set[object]) -> tuple[bool, list[object]]:
    flow = parse_flow(source)
    assert isinstance(flow, Flow)
    asked: list[object] = []

    def ask(step: Ask) -> bool:
        key = step.blocks[0] if step.blocks else step.protocol
        asked.append(key)
        return key in true

    return flow.run(ask), asked


@pytest.mark.parametrize(
    ("source", "true", "held", "asked"),
    [
        ("http(1) && http(2)", {1, 2}, True, [1, 2]),
        ("http(1) && http(2)", {2}, False, [1]),
        ("http(1) || http(2)", {1}, True, [1]),
        ("http(1) && (http(2) || http('x')) && dns()", {1, "x", "dns"}, True, [1, 2, "x", "dns"]),
        ("!http(1)\n&& http(2)", {2}, True, [1, 2]),
        ("http(1);\nhttp(2)", {1}, False, [1, 2]),
        ("http(1) && http(2)\nhttp(3)", {3}, True, [1, 3]),
        ("if (http(1)) {\n  http(2) && http(3)\n}", {1, 2, 3}, True, [1, 2, 3]),
        ("if (http(1)) { http(2) }", {2}, False, [1]),
    ],
)
def test_flows_ask_in_order_and_no_further_than_needed(
    source: str, true: set[object], held: bool, asked: list[object]
) -> None:
    assert run(source, true=true) == (held, asked)


@pytest.mark.parametrize(
    "source", ["for (let a of b) {}", "http(1); set('a', 1)", "const a = 1", "x" * 20_000, "http(1) + 1"]
)
def test_javascript_is_no_boolean_flow(source: str) -> None:
    assert parse_flow(source) is None


@pytest.mark.parametrize(
    "source",
    [
        "", "http", "http(", "http(1", "http(&&)", "http(1) http(2)", "(http(1)", "&& http(1)", "if http(1)",
        "if (http(1)) http(2)", "if (http(1)) { http(2)", "http(1) }", "(" * 50 + "http(1)" + ")" * 50, "http(1 2)",
    ],
)  # fmt: skip
def test_wrong_flows_are_errors(source: str) -> None:
    with pytest.raises(DslError):
        parse_flow(source)


@given(
    st.lists(
        st.sampled_from(["http", "(", ")", "1", "&&", "||", "!", "\n", "{", "}", "if", ",", "'a'", ";"]),
        max_size=15,
    ).map(" ".join)
)
def test_any_tokens_are_a_flow_or_an_error(source: str) -> None:
    try:
        flow = parse_flow(source)
    except DslError:
        return
    assert flow is not None
    flow.run(lambda step: True)
