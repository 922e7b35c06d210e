"""Headers, cookies and plain http: each fault, and its twin that is right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.hygiene import judge_headers, judge_plain, looks_like_session
from secrecon.model.http import Headers, HttpExchange, HttpReply, HttpRequest
from secrecon.model.target import Origin

PLAIN = Origin("http", "a.test", 80)
SECURE = Origin("https", "a.test", 443)
GOOD: Headers = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'self'"),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
)


def exchange(origin: Origin, headers: Headers, body: bytes = b"<html><p>x", status: int = 200) -> HttpExchange:
    head = f"HTTP/1.1 {status} OK\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n"
    reply = HttpReply(status, "OK", headers, body, head.encode("utf-8", "replace"), body, b"", False, (), 0.1, "")
    return HttpExchange(HttpRequest(origin), reply)


def checks(
    origin: Origin, headers: Headers, body: bytes = b"<html><p>x", status: int = 200
) -> set[tuple[str, str]]:
    found = judge_headers(origin, exchange(origin, headers, body, status))
    return {(finding.check.removeprefix("hygiene."), finding.location) for finding in found}


def without(name: str, *more: tuple[str, str]) -> Headers:
    return tuple(pair for pair in GOOD if pair[0] != name) + more


def test_good_headers_give_nothing() -> None:
    assert checks(SECURE, GOOD) == set()
    assert checks(PLAIN, without("Strict-Transport-Security")) == set()


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (without("Content-Security-Policy"), {("csp-missing", "")}),
        (without("X-Frame-Options"), {("framing-allowed", "")}),
        (without("X-Frame-Options", ("X-Frame-Options", "ALLOWALL")), {("framing-allowed", "")}),
        (without("X-Content-Type-Options"), {("sniffing-allowed", "")}),
        (without("Strict-Transport-Security"), {("hsts-missing", "")}),
        (without("Strict-Transport-Security", ("Strict-Transport-Security", "max-age=0")), {("hsts-missing", "")}),
    ],
)
def test_each_missing_header(headers: Headers, found: set[tuple[str, str]]) -> None:
    assert checks(SECURE, headers) == found


def test_framing_may_be_forbidden_by_the_policy_alone_but_not_by_one_that_allows_everyone() -> None:
    base = tuple(pair for pair in GOOD if pair[0] not in ("X-Frame-Options", "Content-Security-Policy"))
    assert checks(SECURE, (*base, ("Content-Security-Policy", "frame-ancestors 'self'"))) == set()
    assert checks(SECURE, (*base, ("Content-Security-Policy", "frame-ancestors *"))) == {("framing-allowed", "")}


def test_a_policy_in_a_meta_element_counts() -> None:
    body = b"<meta http-equiv='Content-Security-Policy' content=\"default-src 'self'\"><p>x"
    assert checks(SECURE, without("Content-Security-Policy"), body) == set()


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("text/html", 404, b"<html>x"),
        ("application/json", 200, b"{}"),
        ("text/html", 301, b"<html>"),
        ("text/html", 200, b""),
    ],
)
def test_what_is_no_page_is_not_judged_for_page_headers(kind: str, status: int, body: bytes) -> None:
    headers = (("Content-Type", kind), ("Strict-Transport-Security", "max-age=31536000"))
    assert checks(SECURE, headers, body, status) == set()


def test_cookies_one_finding_each_and_values_masked() -> None:
    cookies = (
        ("Set-Cookie", "session=4f1c2a7b9d; Path=/"),
        ("Set-Cookie", "PHPSESSID=4f1c2a7b9d; HttpOnly; SameSite=Lax"),
        ("Set-Cookie", "auth_token=4f1c2a7b9d; HttpOnly; SameSite=Lax; Secure"),
        ("Set-Cookie", "theme=dark-and-gloomy"),
        ("Set-Cookie", "csrftoken=4f1c2a7b9d"),
        ("Set-Cookie", "session=gone; Max-Age=0"),
    )
    assert checks(SECURE, (*GOOD, *cookies)) == {("cookie-flags", "session"), ("cookie-flags", "PHPSESSID")}
    assert checks(PLAIN, (*GOOD, *cookies)) == {("cookie-flags", "session")}
    for finding in judge_headers(SECURE, exchange(SECURE, (*GOOD, *cookies))):
        assert "4f1c2a7b9d" not in repr(finding)


def test_names_of_sessions() -> None:
    assert looks_like_session("JSESSIONID", "0123456789")
    assert looks_like_session("connect.sid", "s%3A0123456789")
    assert not looks_like_session("_ga", "GA1.2.0123456789")
    assert not looks_like_session("session", "1")


def test_plain_http_with_a_page_and_without() -> None:
    found = judge_plain(PLAIN, exchange(PLAIN, GOOD, b"<html><input type=password name=p>"))
    assert found is not None
    assert "password" in found.evidence[0].matcher
    assert judge_plain(SECURE, exchange(SECURE, GOOD)) is None
    moved = exchange(PLAIN, (("Location", "https://a.test/"),), b"", 301)
    assert judge_plain(PLAIN, moved) is None
    assert judge_plain(PLAIN, exchange(PLAIN, GOOD, b"<html>no", 403)) is None


@given(
    st.lists(st.tuples(st.sampled_from([name for name, _ in GOOD] + ["Set-Cookie"]), st.text(max_size=60))),
    st.binary(max_size=99),
)
def test_never_raises(headers: list[tuple[str, str]], body: bytes) -> None:
    for finding in judge_headers(SECURE, exchange(SECURE, tuple(headers), body)):
        assert finding.fingerprint
