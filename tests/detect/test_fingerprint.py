"""What a response betrays: banners, pages, scripts, icons; and what it must not be taken for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.favicon import favicon_hash
from secrecon.detect.fingerprint import Fingerprints, dedupe
from secrecon.detect.packaged import distribution_of
from secrecon.model.asset import Technology
from secrecon.model.http import Headers, HttpExchange, HttpReply, HttpRequest
from secrecon.model.target import Origin

ORIGIN = Origin("http", "shop.acme.test", 8080)
ASSET = str(ORIGIN)
HTML = ("Content-Type", "text/html; charset=utf-8")


@pytest.fixture(scope="module")
def fingerprints() -> Fingerprints:
    return Fingerprints.load()


def reply(body: str | bytes = b"", headers: Headers = (HTML,), status: int = 200) -> HttpReply:
    data = body.encode("utf-8") if isinstance(body, str) else body
    return HttpReply(status, "OK", headers, data, b"", data, b"", False, (), 0.01, "127.0.0.1")


def exchange(
    body: str | bytes = b"", headers: Headers = (HTML,), status: int = 200, target: str = "/"
) -> HttpExchange:
    return HttpExchange(HttpRequest(ORIGIN, target=target), reply(body, headers, status))


def seen(fingerprints: Fingerprints, made: HttpExchange) -> dict[str, str]:
    return {technology.name: technology.version for technology in fingerprints.identify(ASSET, made)}


@pytest.mark.parametrize(
    ("header", "value", "name", "version"),
    [
        ("Server", "nginx/1.18.0", "nginx", "1.18.0"),
        ("Server", "nginx", "nginx", ""),
        ("server", "Apache/2.4.49 (Unix)", "apache", "2.4.49"),
        ("Server", "Apache/2.4", "apache", "2.4"),
        ("Server", "Apache", "apache", ""),
        ("Server", "Microsoft-IIS/10.0", "iis", "10.0"),
        ("Server", "Caddy", "caddy", ""),
        ("Server", "lighttpd/1.4.55", "lighttpd", "1.4.55"),
        ("Server", "Jetty(9.4.31.v20200723)", "jetty", "9.4.31.v20200723"),
        ("Server", "openresty/1.19.9.1", "openresty", "1.19.9.1"),
        ("Server", "Werkzeug/2.2.2 Python/3.10.6", "werkzeug", "2.2.2"),
        ("Server", "gunicorn/20.0.4", "gunicorn", "20.0.4"),
        ("Server", "uvicorn", "uvicorn", ""),
        ("Server", "MiniServ/1.910", "webmin", "1.910"),
        ("Server", "Nexus/3.20.1-01 (OSS)", "nexus", "3.20.1"),
        ("Server", "ScreenConnect/23.9.7.8804-4029387216 Microsoft-HTTPAPI/2.0", "screenconnect", "23.9.7.8804"),
        ("Server", "Apache/2.4.6 (CentOS) OpenSSL/1.0.2k-fips PHP/7.2.24", "openssl", "1.0.2k"),
        ("X-Powered-By", "PHP/7.4.3", "php", "7.4.3"),
        ("X-Powered-By", "Express", "express", ""),
        ("X-AspNet-Version", "4.0.30319", "asp.net", "4.0.30319"),
        ("X-Jenkins", "2.426.2", "jenkins", "2.426.2"),
        ("X-OWA-Version", "15.2.986.5", "exchange", "15.2.986.5"),
        ("Set-Cookie", "grafana_session=0; Path=/", "grafana", ""),
        ("Set-Cookie", "PHPSESSID=abc", "php", ""),
    ],
)
def test_headers_tell(fingerprints: Fingerprints, header: str, value: str, name: str, version: str) -> None:
    assert seen(fingerprints, exchange(headers=(HTML, (header, value))))[name] == version


@pytest.mark.parametrize(
    ("body", "name", "version"),
    [
        ('<meta name="generator" content="WordPress 6.4.2">', "wordpress", "6.4.2"),
        ("<meta name='GENERATOR' content='Drupal 7 (https://www.drupal.org)'>", "drupal", "7"),
        ('<meta name="generator" content="Ghost 5.42">', "ghost", "5.42"),
        ("<title>Apache Tomcat/9.0.30</title>", "tomcat", "9.0.30"),
        ("<hr/><h3>Apache Tomcat/9.0.0.M11</h3>", "tomcat", "9.0.0.M11"),
        ("<center>nginx/1.20.0</center>", "nginx", "1.20.0"),
        ("<address>Apache/2.4.49 (Unix) Server at shop Port 80</address>", "apache", "2.4.49"),
        (
            '<meta name="ajs-version-number" content="7.13.6"><a href="https://confluence.acme.test/">x</a>',
            "confluence",
            "7.13.6",
        ),
        (
            '<title>Grafana</title><script>window.grafanaBootData = {"settings":{"buildInfo":'
            '{"hideVersion":false,"version":"8.3.0","commit":"914fcedb72"}}}</script>',
            "grafana",
            "8.3.0",
        ),
        ("<h1>Whitelabel Error Page</h1><p>This application has no explicit mapping for /error", "spring-boot", ""),
        ('<script src="/js/jquery-1.12.4.min.js"></script>', "jquery", "1.12.4"),
        ('<script src="https://cdn.example/ajax/libs/jquery/3.4.1/jquery.min.js"></script>', "jquery", "3.4.1"),
        ('<script src="https://cdn.example/npm/bootstrap@4.1.1/dist/js/bootstrap.min.js">', "bootstrap", "4.1.1"),
        ('<script src="/wp-includes/js/jquery/jquery.min.js?ver=3.7.1"></script>', "jquery", "3.7.1"),
        ('<script src="/static/vue.global.prod.js"></script>', "vue", ""),
        ('<app-root ng-version="17.0.2"></app-root>', "angular", "17.0.2"),
        ('<meta name="generator" content="vBulletin 5.5.4">', "vbulletin", "5.5.4"),
        ("Powered by <a href='https://www.vbulletin.com'>vBulletin&reg;</a> Version 4.2.5", "vbulletin", "4.2.5"),
        ("<p>We left vBulletin 5.5.4 for a forum of our own.</p>", "vbulletin", None),
        ('{"flink-version":"1.11.2","flink-revision":"fe36135"}', "flink", "1.11.2"),
        ('{"flink-version":"1.11.2"}', "flink", None),
        ("<span class='jenkins_ver'>x</span>", "jenkins", None),
        ("<p>We moved from WordPress 6.4.2 and nginx/1.18.0 to jQuery 3.4.1</p>", "wordpress", None),
        ("<p>We moved from WordPress 6.4.2 and nginx/1.18.0 to jQuery 3.4.1</p>", "nginx", None),
        ('<script src="/js/jquery.validate.min.js"></script>', "jquery", None),
        ('<script src="/js/jquery-cookie-1.4.1.js"></script>', "jquery", None),
        ('<script src="/js/myvue.js"></script>', "vue", None),
    ],
)
def test_pages_tell(fingerprints: Fingerprints, body: str, name: str, version: str | None) -> None:
    assert seen(fingerprints, exchange(f"<html><head>{body}</head></html>")).get(name) == version


def test_a_prerelease_is_not_read_as_the_release(fingerprints: Fingerprints) -> None:
    page = exchange('<html><meta name="generator" content="WordPress 6.5-beta1-57656"></html>')
    assert seen(fingerprints, page)["wordpress"] == "6.5-beta1-57656"


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("/*! jQuery v3.4.1 | (c) JS Foundation and other contributors | jquery.org/license */", "jquery", "3.4.1"),
        ("/*!\n * jQuery JavaScript Library v1.12.4\n * http://jquery.com/", "jquery", "1.12.4"),
        ("/*!\n * Bootstrap v4.1.1 (https://getbootstrap.com/)", "bootstrap", "4.1.1"),
        ("/*\n AngularJS v1.6.9\n (c) 2010-2018 Google, Inc.", "angularjs", "1.6.9"),
        ("//! moment.js\n//! version : 2.24.0\n//! authors : Tim Wood, Iskren", "moment", "2.24.0"),
        ("/*!\n * Vue.js v2.6.11\n * (c)", "vue", "2.6.11"),
        ("/**\n * @license\n * lodash 3.10.1 (Custom Build)", "lodash", "3.10.1"),
        ("/** @license React v16.4.0\n * react-dom.production.min.js", "react", "16.4.0"),
        ("// this plugin needs jQuery v3.4.1 or later", "jquery", None),
    ],
)
def test_scripts_tell(fingerprints: Fingerprints, text: str, name: str, version: str | None) -> None:
    request = HttpRequest(ORIGIN, target="/static/app.js")
    made = HttpExchange(request, reply(text, (("Content-Type", "text/javascript"),)))
    found = {t.name: t.version for t in fingerprints.identify_script(ASSET, request, made)}
    assert found.get(name) == version


def test_a_script_that_was_not_found_is_told_by_its_address_alone(fingerprints: Fingerprints) -> None:
    request = HttpRequest(ORIGIN, target="/js/jquery.min.js")
    missing = HttpExchange(request, reply("/*! jQuery v3.4.1 | (c)", (("Content-Type", "text/javascript"),), 404))
    for made in (missing, None):
        (found,) = fingerprints.identify_script(ASSET, request, made)
        assert (found.name, found.version) == ("jquery", "")


def test_left_out_scripts_are_left_to_their_own_reading(fingerprints: Fingerprints) -> None:
    page = exchange(
        '<html><script src="js/jquery.min.js"></script><script src="js/bootstrap.min.js"></script></html>'
    )
    found = fingerprints.identify(ASSET, page, leave_out={f"{ASSET}/js/jquery.min.js"})
    assert [technology.name for technology in found] == ["bootstrap"]


@pytest.mark.parametrize(
    ("banner", "distribution"),
    [
        ("nginx/1.18.0 (Ubuntu)", "Ubuntu"),
        ("Apache/2.4.52 (Debian)", "Debian"),
        ("PHP/8.2.7-1~deb12u1", "Debian 12"),
        ("PHP/8.2.28-1+deb12u1", "Debian 12"),
        ("PHP/7.4.3-4ubuntu2.18", "Ubuntu"),
        ("OpenSSH_9.6p1 Ubuntu-3ubuntu13-0ubuntu1", "Ubuntu"),
        ("Apache/2.4.37 (Red Hat Enterprise Linux)", "Red Hat"),
        ("Apache/2.4.6 (CentOS)", "CentOS"),
        ("httpd-2.4.37-65.module.el8.x86_64", "el8"),
        ("Apache/2.4.49 (Unix)", ""),
        ("Apache/2.4.49 (Win64)", ""),
        ("nginx/1.18.0", ""),
    ],
)
def test_distributions(banner: str, distribution: str) -> None:
    assert distribution_of(banner) == distribution


def test_a_distribution_covers_what_came_with_the_server(fingerprints: Fingerprints) -> None:
    headers = (HTML, ("Server", "Apache/2.4.52 (Ubuntu)"), ("X-Powered-By", "PHP/8.1.2"))
    page = '<html><script src="/js/jquery-1.12.4.min.js"></script></html>'
    found = {t.name: t.distribution for t in fingerprints.identify(ASSET, exchange(page, headers))}
    assert found == {"apache": "Ubuntu", "php": "Ubuntu", "jquery": ""}


def test_implied_technologies_are_less_sure_and_have_no_version(fingerprints: Fingerprints) -> None:
    found = {t.name: t for t in fingerprints.identify(ASSET, exchange(headers=(("X-Powered-By", "Express"),)))}
    assert found["node"].version == ""
    assert found["node"].evidence == "implied by express"
    assert found["node"].confidence < found["express"].confidence


def test_a_reply_of_another_origin_says_nothing_of_this_one(fingerprints: Fingerprints) -> None:
    other = HttpRequest(Origin("https", "sso.other.test", 443))
    here = HttpRequest(ORIGIN)
    made = HttpExchange(
        other,
        reply("<title>Grafana</title>", (HTML, ("Server", "nginx/1.18.0"))),
        redirects=((here, reply(b"", (("Server", "Caddy"), ("Location", "https://sso.other.test/")), 302)),),
    )
    assert seen(fingerprints, made) == {"caddy": ""}


def test_a_favicon_names_a_product_without_much_confidence() -> None:
    icon = b"\x00\x00\x01\x00" + bytes(range(200))
    rules = {
        "x.yaml": "category: app\ntechnologies:\n  - id: thing\n    name: Thing\n    signals:\n"
        f"      - favicon: [{favicon_hash(icon)}]\n        confidence: 0.6\n"
    }
    mine = Fingerprints.parse(rules)
    (found,) = mine.identify(ASSET, exchange(), icon)
    assert (found.name, found.version, found.confidence) == ("thing", "", 0.6)
    assert mine.identify(ASSET, exchange(), icon + b"x") == ()
    assert mine.identify(ASSET, exchange(), b"") == ()


def test_dedupe_keeps_the_precise_and_every_different_version() -> None:
    def one(version: str, confidence: float = 0.9, name: str = "php") -> Technology:
        return Technology(ASSET, name, version, "", "x", confidence)

    kept = dedupe(
        [one(""), one("8.1"), one("8.1.2", 0.5), one("8.1.2", 0.8), one("7.4.3"), one("8.10.1", name="x")]
    )
    assert [(t.name, t.version, t.confidence) for t in kept] == [
        ("php", "8.1.2", 0.8),
        ("php", "7.4.3", 0.9),
        ("x", "8.10.1", 0.9),
    ]


def test_hostile_text_is_bounded_where_it_is_kept(fingerprints: Fingerprints) -> None:
    banner = "nginx/" + "1." * 5000 + "1 \x1b[31m\r\n"
    for technology in fingerprints.identify(ASSET, exchange(headers=(("Server", banner),))):
        assert len(technology.version) <= 40
        assert len(technology.evidence) <= 160
        assert technology.evidence.isprintable()


def test_a_page_four_times_as_long_takes_about_four_times_as_long(fingerprints: Fingerprints) -> None:
    def spent(paragraphs: int) -> float:
        body = "<html><head><title>Shop</title></head>" + "<p>lorem ipsum dolor sit amet 12.3.4 </p>" * paragraphs
        page = exchange(body, (HTML, ("Server", "nginx/1.18.0")))
        fingerprints.identify(ASSET, page)
        start = time.process_time()
        for _ in range(5):
            fingerprints.identify(ASSET, page)
        return time.process_time() - start

    assert spent(4_000) < 12 * spent(1_000) + 0.05


def test_the_end_of_a_large_page_is_still_read(fingerprints: Fingerprints) -> None:
    """A pattern set that ran out of memory would silently find nothing."""
    noise = "".join(f"<a href='/p/{n}?v={n}.{n % 7}' data-x='{'<>' * (n % 3)}'>{n}</a>" for n in range(7500))
    assert 300_000 < len(noise) < 390_000
    assert seen(fingerprints, exchange(f"<html>{noise}<center>nginx/1.20.0</center></html>"))["nginx"] == "1.20.0"


@given(
    body=st.binary(max_size=2000),
    headers=st.lists(
        st.tuples(st.sampled_from(["Server", "Set-Cookie", "X-Powered-By", "Content-Type"]), st.text())
    ),
    target=st.text(max_size=50),
)
def test_anything_may_come_back(body: bytes, headers: list[tuple[str, str]], target: str) -> None:
    made = exchange(body, tuple(headers), target=target)
    for technology in LOADED.identify(ASSET, made, body):
        assert technology.asset == ASSET
        assert 0 < technology.confidence < 1


LOADED = Fingerprints.load()


def test_a_header_with_a_revision_names_the_package(fingerprints: Fingerprints) -> None:
    headers = (HTML, ("X-Powered-By", "PHP/7.4.33-0+deb11u1"))
    (php,) = fingerprints.identify(ASSET, exchange(headers=headers))
    assert (php.distribution, php.package, php.package_version) == (
        "Debian 11",
        "deb/debian:11/php7.4",
        "7.4.33-0+deb11u1",
    )
