"""Requests as bytes, and where redirects lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import BadInput
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin
from secrecon.net.wire import location_of, next_request, request_bytes

ACME = Origin("https", "acme.test", 443)


def redirect(status: int, location: str | None) -> HttpReply:
    headers = () if location is None else (("location", location),)
    return HttpReply(status, "", headers, b"", b"", b"", b"", False, (), 0.0, "192.0.2.1")


def test_defaults_are_added_and_the_path_is_untouched() -> None:
    wire = request_bytes(HttpRequest(ACME, target="/a/../b/%2e%2e/?x=%zz'\"<>"))
    lines = wire.split(b"\r\n")
    assert lines[0] == b"GET /a/../b/%2e%2e/?x=%zz'\"<> HTTP/1.1"
    assert lines[1] == b"Host: acme.test"
    assert [line.split(b":")[0] for line in lines[2:-2]] == [b"User-Agent", b"Accept-Encoding", b"Connection"]
    assert wire.endswith(b"\r\n\r\n")


def test_own_headers_keep_case_order_and_win_over_defaults() -> None:
    headers = (("X-b", "1"), ("hOsT", "other.test"), ("x-A", "2"), ("CONNECTION", "close"), ("user-agent", "me"))
    wire = request_bytes(HttpRequest(Origin("http", "::1", 8080), "POST", "/", headers, b"hello"))
    assert wire == (
        b"POST / HTTP/1.1\r\nX-b: 1\r\nhOsT: other.test\r\nx-A: 2\r\nCONNECTION: close\r\nuser-agent: me\r\n"
        b"Accept-Encoding: gzip, deflate, br, zstd\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert b"Host: [::1]:8080\r\n" in request_bytes(HttpRequest(Origin("http", "::1", 8080)))
    assert b"Content-Length: 0\r\n" in request_bytes(HttpRequest(ACME, "POST"))
    assert b"Content-Length" not in request_bytes(
        HttpRequest(ACME, "POST", headers=(("Transfer-Encoding", "chunked"),))
    )


def test_raw_requests_leave_as_they_are() -> None:
    assert request_bytes(HttpRequest(ACME, raw=b"\0 anything\n at all")) == b"\0 anything\n at all"


@pytest.mark.parametrize("bad", ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "\r\n", "\u2028\u0416"])
def test_line_breaks_cannot_be_smuggled_in(bad: str) -> None:
    for request in (
        HttpRequest(ACME, target="/" + bad),
        HttpRequest(ACME, method=bad),
        HttpRequest(ACME, headers=(("X", bad),)),
        HttpRequest(ACME, headers=((bad, "x"),)),
        HttpRequest(Origin("http", bad, 80)),
    ):
        with pytest.raises(BadInput):
            request_bytes(request)


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/next", "https://acme.test/next"),
        ("next", "https://acme.test/a/next"),
        ("./next", "https://acme.test/a/next"),
        ("../next", "https://acme.test/next"),
        ("../../../next", "https://acme.test/next"),
        (".", "https://acme.test/a/"),
        ("..", "https://acme.test/"),
        ("?q=1", "https://acme.test/a/b?q=1"),
        ("#here", "https://acme.test/a/b?c=d"),
        ("", "https://acme.test/a/b?c=d"),
        ("/a/../b/%2e%2e/", "https://acme.test/a/../b/%2e%2e/"),
        ("//other.test/x", "https://other.test/x"),
        ("///other.test/x", "https://other.test/x"),
        ("/\\other.test/x", "https://other.test/x"),
        ("\\\\other.test\\x", "https://other.test/x"),
        ("https:/next", "https://next/"),
        ("https:next", "https://acme.test/a/next"),
        ("http:other.test", "http://other.test/"),
        ("HTTP://OTHER.test:80/x", "http://other.test/x"),
        ("http://other.test", "http://other.test/"),
        ("http://other.test?x=1", "http://other.test/?x=1"),
        ("http://other.test:8080/x#y", "http://other.test:8080/x"),
        ("http://user:pw@other.test/x", "http://other.test/x"),
        ("http://acme.test@other.test/x", "http://other.test/x"),
        ("http://acme.test\\@other.test/x", "http://acme.test/@other.test/x"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        (" \thttp://oth\ter.test/a\nb ", "http://other.test/ab"),
        ("/with space\xe9", "https://acme.test/with%20space%E9"),
        ("http://b\xc3\xbccher.test/", "http://xn--bcher-kva.test/"),
        ("http://acme.test.:80/", "http://acme.test/"),
    ],
)
def test_where_locations_lead(location: str, leads_to: str) -> None:
    found = location_of(HttpRequest(ACME, target="/a/b?c=d"), location)
    assert found is not None
    assert str(found[0]) + found[1] == leads_to


@pytest.mark.parametrize(
    "location",
    [
        "ftp://acme.test/",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/_x",
        "http://",
        "http:///",
        "http://:80/",
        "http://a.test:99999/",
        "http://a.test:0/",
        "http://a.test:8x/",
        "http://[::1/",
        "http://[::1]x/",
        "http://a b/",
        "http://" + "a" * 9000,
    ],
)
def test_locations_that_lead_nowhere(location: str) -> None:
    assert location_of(HttpRequest(ACME), location) is None
    assert next_request(HttpRequest(ACME), redirect(302, location)) is None


@given(st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_location_is_read_without_an_error(location: str) -> None:
    found = location_of(HttpRequest(ACME, target="/a"), location)
    if found is not None:
        origin, target = found
        assert origin.host == origin.host.lower()
        request_bytes(HttpRequest(origin, target=target))
        assert target.startswith("/")


def test_methods_after_a_redirect() -> None:
    post = HttpRequest(ACME, "POST", "/", (("Content-Type", "x/y"), ("A", "b")), b"body")
    for status in (301, 302, 303):
        assert next_request(post, redirect(status, "/x")) == HttpRequest(ACME, "GET", "/x", (("A", "b"),))
    for status in (307, 308):
        assert next_request(post, redirect(status, "/x")) == HttpRequest(ACME, "POST", "/x", post.headers, b"body")
    head = next_request(HttpRequest(ACME, "HEAD"), redirect(303, "/x"))
    assert head is not None
    assert head.method == "HEAD"
    for reply in (redirect(200, "/x"), redirect(304, "/x"), redirect(302, None)):
        assert next_request(post, reply) is None
    assert next_request(HttpRequest(ACME, raw=b"x"), redirect(302, "/x")) is None


def test_credentials_stay_with_their_origin() -> None:
    headers = (("Authorization", "secret"), ("cookie", "a=b"), ("HOST", "x"), ("Accept", "y"))
    request = HttpRequest(ACME, headers=headers)
    same = next_request(request, redirect(302, "https://acme.test:443/x"))
    assert same is not None
    assert same.headers == headers
    for elsewhere in ("//other.test/", "http://acme.test/", "https://acme.test:8443/", "https://a.acme.test/"):
        other = next_request(request, redirect(302, elsewhere))
        assert other is not None
        assert other.headers == (("Accept", "y"),)
