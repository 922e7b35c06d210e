"""What replies lead to: pages, forms, robots, sitemaps, JSON, scripts, descriptions."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secrecon.detect.content as content_module
from secrecon.detect.content import ACTS, MAX_LINKS, MAX_TRIES, Content, read_content
from secrecon.detect.links import resolve
from secrecon.model.asset import InputPlace
from secrecon.model.http import Headers, HttpReply, HttpRequest
from secrecon.model.target import Origin

SHOP = Origin("http", "shop.acme.test", 8080)


def read(
    body: bytes, kind: str = "text/html", target: str = "/a/b", headers: Headers = (), status: int = 200
) -> Content:
    reply = HttpReply(
        status, "OK", (("Content-Type", kind), *headers), body, b"", body, b"", False, (), 0.1, "127.0.0.1"
    )
    return read_content(HttpRequest(SHOP, target=target), reply, lambda origin: origin == SHOP)


def targets(content: Content) -> list[str]:
    return [link.target for link in content.links]


def test_every_kind_of_link() -> None:
    content = read(
        b"<base href=/base/><title>Shop</title><a href=one>1</a><img srcset='/i1.png 1x, /i2.png 2x'>"
        b"<meta http-equiv=refresh content='3; URL=/refresh'><iframe src='/frame'></iframe>"
        b"<div data-url='/data' hx-get=/hx></div><button formaction='/fa'></button>"
        b"<a href='http://other.test/x'>o</a><a href='//www.acme.test/'>w</a><!-- <a href=/hidden> -->"
        b"<script>fetch('/api/x')</script>"
    )
    assert content.title == "Shop"
    assert targets(content) == [
        "/base/one",
        "/i1.png",
        "/i2.png",
        "/refresh",
        "/frame",
        "/data",
        "/hx",
        "/fa",
        "/api/x",
    ]
    assert "other.test" in content.hosts
    assert "www.acme.test" in content.hosts


def test_links_with_parameters_are_requests_unless_they_act() -> None:
    content = read(b"<a href='/s?q=a%20b&amp;p=2'>s</a><a href='/logout?token=1'>out</a>")
    assert [(s.method, s.path) for s in content.shapes] == [("GET", "/s")]
    assert [(p.name, p.value) for p in content.shapes[0].parameters] == [("q", "a b"), ("p", "2")]
    assert "/logout?token=1" in targets(content)


def test_forms() -> None:
    content = read(
        b"<form action=/search><input name=q value=x><input type=submit name=go></form>"
        b"<form method=post action='/c?k=1'><input type=hidden name=csrf value=t><textarea name=m>hi</textarea>"
        b"<select name=s><option value=1><option value=2 selected></select><input type=radio name=r value=a>"
        b"<input type=radio name=r value=b checked><input type=checkbox name=c><input type=file name=f>"
        b"<input name=off disabled></form>"
        b"<form method=post action='/account/delete'><input name=id value=7></form>"
        b"<form method=post id=far action=/far enctype=multipart/form-data></form><input name=late form=far value=v>"
    )
    assert content.forms == 4
    found = {shape.path: shape for shape in content.shapes}
    assert set(found) == {"/search", "/c", "/far"}
    assert [(p.name, p.place, p.value) for p in found["/search"].parameters] == [("q", InputPlace.QUERY, "x")]
    assert [(p.name, p.value) for p in found["/c"].parameters] == [
        ("k", "1"),
        ("csrf", "t"),
        ("m", "hi"),
        ("s", "2"),
        ("r", "b"),
        ("c", "on"),
    ]
    assert found["/c"].content_type == "application/x-www-form-urlencoded"
    assert found["/far"].content_type == "multipart/form-data"
    assert [p.name for p in found["/far"].parameters] == ["late"]


def test_robots_sitemap_and_security_txt() -> None:
    robots = read(
        b"User-agent: *\nDisallow: /internal/ # no\nDisallow: /a/*.pdf$\nAllow: \nSitemap: /sitemap.xml\n",
        "text/plain",
        "/robots.txt",
    )
    assert targets(robots) == ["/internal/", "/a/", "/sitemap.xml"]
    sitemap = read(
        b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><urlset><url>"
        b"<loc> http://shop.acme.test:8080/p?a=1&amp;b=2 </loc></url><url><loc><![CDATA[http://shop.acme.test:8080/c]]>"
        b"</loc></url><url><loc>http://other.test/</loc></url><url><loc>&e;</loc></url></urlset>",
        "application/xml",
        "/sitemap.xml",
    )
    assert targets(sitemap)[:2] == ["/p?a=1&b=2", "/c"]
    security = read(
        b"Contact: mailto:s@acme.test\nPolicy: http://shop.acme.test:8080/policy\n", "text/plain",
        "/.well-known/security.txt",
    )  # fmt: skip
    assert targets(security) == ["/policy"]


def test_json_and_descriptions() -> None:
    body = b'{"next": "/api?page=2", "n": ["/x", "no path", "http://shop.acme.test:8080/y"]}'
    assert sorted(targets(read(body, "application/json"))) == ["/api?page=2", "/x", "/y"]
    document = {"openapi": "3.0.0", "paths": {"/u": {"get": {}}, "/u/{id}": {"get": {}}, "/d": {"post": {}}}}
    content = read(json.dumps(document).encode(), "application/json", "/openapi.json")
    assert targets(content) == ["/u"]
    assert [(s.method, s.path) for s in content.shapes] == [("POST", "/d")]


def test_scripts_and_redirects() -> None:
    script = b"fetch('/api', {method:'POST', body: JSON.stringify({url: x})})\n//# sourceMappingURL=a.js.map"
    content = read(script, "text/javascript", "/static/a.js")
    assert targets(content) == ["/static/a.js.map"]
    assert [(p.name, p.place) for p in content.shapes[0].parameters] == [("url", InputPlace.JSON)]
    assert targets(read(b"", "", headers=(("Location", "/new"),), status=302)) == ["/new"]


def test_a_page_of_a_million_links_is_cut_and_says_so() -> None:
    before = time.perf_counter()
    content = read(b"".join(b"<a href=/p%d>" % i for i in range(1_000_000)))
    assert time.perf_counter() - before < 10
    assert len(content.links) == MAX_LINKS
    assert content.notes


@pytest.mark.parametrize(
    "page",
    [
        b"<a href=a src=a data=a poster=a>" * 25_000,
        (b"<img srcset='" + b"a," * 50 + b"'>") * 2_000,
        b"<a href=http://other.test/ data=/a?b>" * 25_000,
    ],
)
def test_repeated_and_foreign_addresses_cost_a_bounded_number_of_looks(
    page: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def counted(base: Origin, base_target: str, href: str) -> tuple[Origin, str] | None:
        looks.append(base_target)
        return resolve(base, base_target, href)

    monkeypatch.setattr(content_module, "resolve", counted)
    content = read(b"<base href='" + b"/a" * 900 + b"/'>" + page)
    assert 1 < len(looks) <= MAX_TRIES + 10
    assert looks.count("/a/b") <= 5, "the page's base is resolved once, not for every address"
    assert any(str(MAX_TRIES) in note for note in content.notes)


def test_a_description_of_which_only_a_part_was_read_says_so() -> None:
    schema = {"content": {"application/json": {"schema": {"$ref": "#/x"}}}}
    document = {
        "openapi": "3.0.0",
        "x": {"allOf": [{"$ref": "#/x"}] * 100},
        "paths": {"/a": {"post": {"requestBody": schema}}},
    }
    content = read(json.dumps(document).encode(), "application/json", "/openapi.json")
    assert any("only a part of the description" in note for note in content.notes)


def test_error_pages_in_plain_text_lead_nowhere() -> None:
    assert read(b'{"next": "/x"}', "application/json", status=404).links == ()


KINDS = st.sampled_from(["text/html", "", "application/json", "text/javascript", "application/xml", "text/plain"])
NAMES = st.sampled_from(["/", "/robots.txt", "/sitemap.xml", "/a.js", "/openapi.json", "/.well-known/security.txt"])


@given(st.binary(max_size=400), KINDS, NAMES, st.text(max_size=50))
def test_never_raises(body: bytes, kind: str, name: str, location: str) -> None:
    read(body, kind, name, (("Location", location), ("Refresh", location)))


def test_a_source_map_is_read_for_paths_and_not_run() -> None:
    source = 'fetch("/api/hidden/list?of=1"); // nothing else\nconst a = "/v1/rates";'
    body = json.dumps(
        {"version": 3, "sources": ["webpack:///src/a.js"], "sourcesContent": [source], "mappings": "AAAA"}
    )
    content = read(body.encode(), "application/json", "/app.js.map")
    assert {"/api/hidden/list?of=1", "/v1/rates"} <= set(targets(content))


def test_packed_sitemaps_indexes_and_feeds() -> None:
    index = (
        b"<sitemapindex><sitemap><loc>http://shop.acme.test:8080/sitemap-2.xml.gz</loc></sitemap></sitemapindex>"
    )
    assert targets(read(index, "text/xml", "/sitemap.xml")) == ["/sitemap-2.xml.gz"]
    packed = gzip.compress(b"<urlset><url><loc>http://shop.acme.test:8080/deep</loc></url></urlset>")
    assert targets(read(packed, "application/gzip", "/sitemap-2.xml.gz")) == ["/deep"]
    atom = b"<feed><link href='/entry/1'/><link rel='self' href=\"/feed\"/></feed>"
    assert targets(read(atom, "application/atom+xml", "/feed")) == ["/entry/1", "/feed"]
    rss = b"<rss><item><link>http://shop.acme.test:8080/news</link></item></rss>"
    assert targets(read(rss, "application/rss+xml", "/rss")) == ["/news"]
    assert targets(read(b"/a\nhttp://shop.acme.test:8080/b\n", "text/plain", "/sitemap.txt")) == ["/a", "/b"]


def test_a_packed_bomb_and_packed_nonsense_are_bounded_and_told() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    content = read(bomb, "application/gzip", "/sitemap.xml.gz")
    assert content.links == ()
    assert "were read" in content.notes[0]
    assert "unpacked" in read(b"\x1f\x8bnonsense", "application/gzip", "/sitemap.xml.gz").notes[0]


def test_apis_that_link() -> None:
    body = {
        "_links": {
            "next": {"href": "?page=2"},
            "self": {"href": "/orders"},
            "find": {"href": "/orders/{id}{?expand,page}", "templated": True},
        },
        "links": {"last": "http://shop.acme.test:8080/orders?page=9"},
        "note": "next/page",
    }
    content = read(
        json.dumps(body).encode(), "application/hal+json", "/orders", (("Link", '</orders?page=3>; rel="next"'),)
    )
    assert set(targets(content)) == {"/orders?page=2", "/orders", "/orders?page=9", "/orders?page=3"}
    shape = next(shape for shape in content.shapes if shape.path == "/orders/{id}")
    assert {(p.name, p.place) for p in shape.parameters} == {
        ("id", InputPlace.PATH),
        ("expand", InputPlace.QUERY),
        ("page", InputPlace.QUERY),
    }


def test_fields_of_forms_have_values_of_their_type() -> None:
    content = read(
        b"<form action=/f><input type=url name=site><input type=number name=n min=5><input type=email name=m>"
        b"<input type=date name=d><input name=t value=kept><input type=hidden name=h value=7></form>"
    )
    (shape,) = content.shapes
    assert {p.name: p.value for p in shape.parameters} == {
        "site": "https://example.invalid/",
        "n": "5",
        "m": "someone@example.org",
        "d": "2026-01-02",
        "t": "kept",
        "h": "7",
    }


def test_links_and_forms_that_act_say_so_by_their_label() -> None:
    content = read(
        b"<a href=/r?id=1>Delete</a><a href=/r?id=2 data-method=delete>x</a><a href=/ok?id=3>Details</a>"
        b"<form action=/w method=post><input name=a><button>Remove account</button></form>"
        b"<form action=/k method=post><input name=a><button>Save</button><button>Delete</button></form>"
    )
    assert {link.target for link in content.links if link.source == ACTS} == {"/r?id=1", "/r?id=2"}
    assert {shape.path for shape in content.shapes} == {"/ok", "/k"}
    assert any("would act" in note for note in content.notes)


@pytest.mark.parametrize(
    ("body", "kind", "target"),
    [
        (b"<a href='/p%d'>x</a>" * 200_000, "text/html", "/"),
        (b"User-agent: *\n" + b"Disallow: /abc\n" * 200_000, "text/plain", "/robots.txt"),
        (b'var a="/x";' * 200_000, "text/javascript", "/one.js"),
        (b'"' * 2_000_000, "text/javascript", "/quotes.js"),
        (b"<a " * 600_000, "text/html", "/"),
        (b"<button>" * 200_000, "text/html", "/"),
        (b"<link " * 300_000, "application/xml", "/feed.xml"),
        (b'{"href":"{?a' * 100_000, "application/json", "/j"),
        (b'\\"' * 900_000, "application/json", "/a.map"),
    ],
)
def test_huge_and_hostile_bodies_cost_a_bounded_time(body: bytes, kind: str, target: str) -> None:
    """CPU time, a few times what an idle machine needs."""
    began = time.process_time()
    content = read(body, kind, target)
    assert time.process_time() - began < 6
    assert len(content.links) <= MAX_LINKS
