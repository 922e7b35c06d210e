"""Addresses: resolved without being rewritten; pages of one kind; addresses that act."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.acting import acting_word, oversized
from secrecon.detect.links import MAX_TARGET, is_static, query_parameters, resolve, shape
from secrecon.model.target import Origin

BASE = Origin("http", "a.test", 8080)
PAGE = "/d/e/f.html?z=1"


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("x", "/d/e/x"),
        ("../y?q=../1", "/d/y?q=../1"),
        ("./", "/d/e/"),
        ("..", "/d/"),
        ("../../../../up", "/up"),
        ("?a=b", "/d/e/f.html?a=b"),
        ("/a/../b/%2e%2e/%2F//c", "/a/../b/%2e%2e/%2F//c"),
        (" \n/a\tb\n ", "/ab"),
        ("a b é#frag", "/d/e/a%20b%20%C3%A9"),
        ("HTTP://A.test:8080", "/"),
        ("//a.test:8080?x", "/?x"),
        ("\\\\a.test:8080\\x", "/x"),
    ],
)
def test_inside(href: str, target: str) -> None:
    assert resolve(BASE, PAGE, href) == (BASE, target)


@pytest.mark.parametrize(
    "href",
    [
        "",
        "#top",
        "javascript:alert(1)",
        "mailto:a@a.test",
        "data:text/html,x",
        "ftp://a.test/",
        "http:opaque",
        "http://user@a.test:8080/",
        "http://a.test:99999/",
        "http://a.test:0/",
        "http://a.test:8x/",
        "http://[::1/",
        "//",
        "/\x01x",
        "x" * 5_000,
        "/" + "é" * 1_000,
    ],
)
def test_no_address(href: str) -> None:
    assert resolve(BASE, PAGE, href) is None


def test_other_origins_are_told_apart() -> None:
    assert resolve(BASE, PAGE, "https://A.test/x") == (Origin("https", "a.test", 443), "/x")
    assert resolve(BASE, PAGE, "//a.test@b.test/") is None
    assert resolve(BASE, PAGE, "http://0x7f.1/") == (Origin("http", "127.0.0.1", 80), "/")
    assert resolve(BASE, PAGE, "http://a.test:8080\\@b.test/") == (BASE, "/@b.test/")


def test_shapes_collapse_numbers_ids_and_dates() -> None:
    assert shape("/item/12?b=1&a=2") == shape("/item/7?a=9&b=3")
    assert shape("/n/2026-01-02/") == shape("/n/1999-12-31/")
    assert shape("/u/550e8400-e29b-41d4-a716-446655440000") == shape("/u/123e4567-e89b-12d3-a456-426614174000")
    assert shape("/page7") == shape("/page12")
    assert shape("/a?x=1") != shape("/a?y=1")
    assert shape("/about") != shape("/contact")


@pytest.mark.parametrize(
    "target",
    [
        "/logout",
        "/Log-Out",
        "/user/signOut",
        "/items/delete?id=3",
        "/deleteItem",
        "/item/3/remove",
        "/wp-admin/install.php",
        "/password/reset",
        "/unsubscribe/abc",
        "/a?action=destroy",
        "/a?cmd=re%73et",
        "/setup.php",
        "/%6cogout",
    ],
)
def test_addresses_that_act(target: str) -> None:
    assert acting_word(target)


@pytest.mark.parametrize(
    "target", ["/", "/installation", "/removed-items", "/orders/12", "/setup", "/resettlement", "/items?sort=order"]
)
def test_addresses_that_do_not_act(target: str) -> None:
    assert acting_word(target) == ""


def test_sizes_that_are_too_large() -> None:
    assert oversized("/t?item=3&size=1001") == "size"
    assert oversized("/t?pageSize=9999") == "pageSize"
    assert oversized("/t?delay=" + "9" * 500) == "delay"
    assert oversized("/t?size=64") == ""
    assert oversized("/t?id=99999") == ""


def test_static_files() -> None:
    assert is_static("/a/b.PNG?v=1")
    assert not is_static("/a.png/b")
    assert not is_static("/app.js")


def test_parameters_are_decoded() -> None:
    found = query_parameters("a=1&b=x%20y+z&a=2&c&=d")
    assert [(p.name, p.value) for p in found] == [("a", "1"), ("b", "x y z"), ("a", "2"), ("c", "")]


@given(st.text(max_size=100), st.text(max_size=200))
def test_never_raises_and_can_always_be_sent(page: str, href: str) -> None:
    found = resolve(BASE, "/" + page, href)
    if found is not None:
        assert found[1].startswith("/")
        assert len(found[1]) <= MAX_TARGET
        assert all(0x20 < ord(char) < 0x7F for char in found[1].removesuffix(" "))
        shape(found[1])
        acting_word(found[1])
        oversized(found[1])
