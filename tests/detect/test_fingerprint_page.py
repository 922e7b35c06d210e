"""What a page loads, resolved and kept to its own origin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.fingerprint_page import observe, page_links, split_url
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin

ORIGIN = Origin("http", "shop.acme.test", 8080)


def reply(body: bytes, content_type: str = "text/html") -> HttpReply:
    headers = (("Content-Type", content_type),)
    return HttpReply(200, "OK", headers, body, b"", body, b"", False, (), 0.01, "127.0.0.1")


def test_scripts_and_icons_of_the_own_origin() -> None:
    body = b"""<html><head><link rel="Shortcut Icon" href="/fav.ico?v=1"><link rel=stylesheet href=/a.css>
    <script src="app.js"></script><script src="//cdn.test/x.js"></script><script src="http://shop.acme.test:8080/b.js">
    </script><script>inline()</script><script src="javascript:1"></script><script src=""></script>
    <script src="http://[bad/x.js"></script><script src="app.js"></script>"""
    links = page_links(HttpRequest(ORIGIN, target="/shop/index"), reply(body))
    assert links.scripts == ("/shop/app.js", "/b.js", "/shop/index")[: len(links.scripts)]
    assert links.icons == ("/fav.ico?v=1",)


def test_a_base_tag_moves_relative_addresses() -> None:
    links = page_links(HttpRequest(ORIGIN), reply(b'<html><base href="/app/"><script src="x.js"></script>'))
    assert links.scripts == ("/app/x.js",)
    away = page_links(
        HttpRequest(ORIGIN), reply(b'<html><base href="http://evil.test/"><script src="x.js"></script>')
    )
    assert away.scripts == ()


def test_what_only_looks_like_a_tag_loads_nothing() -> None:
    body = b"""<html><!-- <script src="/1.js"></script> --><textarea><script src="/2.js"></script></textarea>
    <style><script src="/3.js"></script></style><p title='<script src="/4.js"></script>'><script src=/5.js></script>"""
    assert page_links(HttpRequest(ORIGIN), reply(body)).scripts == ("/5.js",)


def test_title_and_meta_tags_are_read_with_their_entities() -> None:
    body = b"<html><title>\n A &amp; B </title><META Name=Generator CONTENT='x &lt; 1.2'><meta content=y property=og:z>"
    seen = observe(HttpRequest(ORIGIN), reply(body))
    assert (seen.title, seen.metas) == (b"A & B", (("generator", b"x < 1.2"), ("og:z", b"y")))


def test_what_is_no_page_loads_nothing() -> None:
    assert page_links(HttpRequest(ORIGIN), reply(b'<script src="x.js"></script>', "application/json")).scripts == ()
    assert page_links(HttpRequest(ORIGIN), reply(b'<html><script src="x.js"></script>', "text/plain")).scripts == (
        "/x.js",
    )


def test_script_text_and_page_text_are_kept_apart() -> None:
    request = HttpRequest(ORIGIN)
    code = observe(request, reply(b"/*! x */", "application/javascript"))
    assert (code.code, code.html) == (b"/*! x */", b"")
    image = observe(request, reply(b"\x89PNG", "image/png"))
    assert (image.code, image.html) == (b"", b"")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://shop.acme.test:8080/a?b#c", (ORIGIN, "/a?b")),
        ("HTTPS://Shop.acme.test", (Origin("https", "shop.acme.test", 443), "/")),
        ("http://u:p@shop.acme.test/", None),
        ("http://shop.acme.test:99999/", None),
        ("ftp://shop.acme.test/", None),
        ("/relative", None),
        ("http://a b/", None),
        ("http://" + "a" * 3000, None),
    ],
)
def test_split_url(url: str, expected: tuple[Origin, str] | None) -> None:
    assert split_url(url) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"<div>" * 80_000,
        b"<a " + b"".join(b"a%d=1 " % i for i in range(50_000)) + b">",
        b"".join(b"<i a=%d><p>" % i for i in range(20_000)),
        b"<title>" * 50_000,
        b"<base href=/x/>" * 20_000,
    ],
)
def test_a_page_made_to_hang_a_tree_builder_is_read_within_bounds(body: bytes) -> None:
    tail = b"<script src=/late.js></script>"
    links = page_links(HttpRequest(ORIGIN), reply(b"<html><script src=/x.js></script>" + body + tail))
    assert links.scripts[:1] == ("/x.js",)
    seen = observe(HttpRequest(ORIGIN), reply(b"<html><meta name=generator content=x>" * 3_000 + body))
    assert len(seen.metas) <= 100


@given(st.binary(max_size=600))
def test_any_bytes_can_be_read(body: bytes) -> None:
    request = HttpRequest(ORIGIN)
    observe(request, reply(body))
    for target in page_links(request, reply(b"<html>" + body)).scripts:
        assert target.startswith("/")
