"""The cookie jar of one execution: where a cookie goes, and what is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.http import HttpReply
from secrecon.model.target import Origin
from secrecon.templates.execution.cookies import MAX_COOKIES, Jar

HTTP = Origin("http", "app.acme.test", 80)
TLS = Origin("https", "app.acme.test", 443)


def reply(*lines: str) -> HttpReply:
    headers = tuple(("Set-Cookie", line) for line in lines)
    return HttpReply(200, "OK", headers, b"", b"", b"", b"", False, (), 0.0, "127.0.0.1")


def jar(*lines: str, target: str = "/a/b") -> Jar:
    made = Jar()
    made.store(HTTP, target, reply(*lines))
    return made


@pytest.mark.parametrize(
    ("line", "origin", "target", "sent"),
    [
        ("s=1", HTTP, "/a/c", "s=1"),
        ("s=1", HTTP, "/a", "s=1"),
        ("s=1", HTTP, "/b", ""),
        ("s=1; Path=/", HTTP, "/b", "s=1"),
        ("s=1; Path=/x", HTTP, "/xy", ""),
        ("s=1; Path=/x", HTTP, "/x/y?z", "s=1"),
        ("s=1; Path=/", Origin("http", "other.acme.test", 80), "/", ""),
        ("s=1; Path=/; Domain=.acme.test", Origin("http", "other.acme.test", 80), "/", "s=1"),
        ("s=1; Path=/; Domain=other.test", HTTP, "/", ""),
        ("s=1; Path=/; Domain=test", HTTP, "/", ""),
        ("s=1; Path=/; Secure", HTTP, "/", ""),
        ("s=1; Path=/; Secure", TLS, "/", "s=1"),
        ("s=1; Path=/; Max-Age=0", HTTP, "/", ""),
        ('s="1 2"; Path=/', HTTP, "/", "s=1 2"),
        ("novalue", HTTP, "/a/b", ""),
        ("=1; Path=/", HTTP, "/", ""),
    ],
)
def test_where_a_cookie_goes(line: str, origin: Origin, target: str, sent: str) -> None:
    assert jar(line).header(origin, target) == sent


def test_a_later_cookie_takes_the_place_of_an_earlier_one_and_may_take_it_back() -> None:
    made = jar("a=1; Path=/", "b=2; Path=/", "a=3; Path=/")
    assert made.header(HTTP, "/") == "a=3; b=2"
    made.store(HTTP, "/", reply("a=; Path=/; Max-Age=-1"))
    assert made.header(HTTP, "/") == "b=2"


def test_a_jar_is_bounded() -> None:
    made = jar(*(f"c{at}=1; Path=/" for at in range(MAX_COOKIES * 2)), "long=" + "x" * 10_000)
    assert made.header(HTTP, "/").count("=") == MAX_COOKIES


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=60), max_size=4), st.text("/ab?", max_size=6))
def test_any_line_is_taken_or_left(lines: list[str], target: str) -> None:
    assert isinstance(jar(*lines, target=target).header(HTTP, target), str)
